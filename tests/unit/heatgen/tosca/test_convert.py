# SPDX-License-Identifier: Apache-2.0
"""Topologies, as they were read, to clusters. Real TOSCA files are in tests/tosca."""

import copy
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from heatgen.cli.main import main
from heatgen.project import block_loader
from heatgen.tosca.convert import Imported, ImportOptions, convert
from heatgen.tosca.topology import COMPUTE, FLOATING_IP, PLACEMENT, SCALING, Node, Policy, Topology
from heatgen.yamlio import document
from heatgen.yamlio.problems import ProblemsFound

CATALOG, SCHEMA = block_loader.catalog(), block_loader.schema("cluster")
POLICY = ("topology_template", "policies", 0, "rule")


def server(name: str, **named: Any) -> Node:
    """A server that asks for nothing but what is named: its flavor, properties, capabilities."""
    return Node(
        name=name,
        types=(COMPUTE,),
        properties=named.get("properties", {}),
        capabilities=named.get("capabilities", {}),
        flavor=named.get("flavor", "m1.small"),
    )


def imported(
    *nodes: Node,
    policy: Policy | None = None,
    schema: dict[str, Any] = SCHEMA,
    **options: Any,
) -> Imported:
    """What becomes of servers."""
    written: dict[str, Any] = {
        "node_templates": {
            node.name: {"type": node.types[0], "properties": dict(node.properties)}
            for node in nodes
        }
    }
    if policy:
        rule = {"type": policy.types[0], "properties": dict(policy.properties)}
        written["policies"] = [{"rule": rule}]
    text = yaml.safe_dump({"topology_template": written})
    whole = document.parse("house.yaml", text.encode())
    topology = Topology(
        document=whole,
        nodes={node.name: node for node in nodes},
        policies=(policy,) if policy else (),
        inputs={},
    )
    return convert(topology, ImportOptions(**options), CATALOG, schema)


def cluster(made: Imported) -> Any:
    """The values that were written."""
    return yaml.safe_load(made.text)


@pytest.mark.parametrize(("wanted", "count"), [(1, 1), (2, 3), (3, 3), (4, 5), (5, 5), (7, 5)])
def test_control_planes_are_odd(wanted: int, count: int) -> None:
    """The control plane gets the next number that etcd wants, and a change is told."""
    scalable = {"scalable": {"default_instances": wanted}}
    made = imported(server("k8s_Master", capabilities=scalable), server("node"))
    assert cluster(made)["control_plane"]["count"] == count
    assert cluster(made)["workers"] == {"count": 1}
    assert (wanted != count) == any("etcd wants" in note.text for note in made.notes)


def test_control_plane_by_option() -> None:
    """--control goes before names; several templates are one control plane, which is alike."""
    made = imported(
        server("a"), server("b", flavor="m1.large"), server("master"), control=("a", "b")
    )
    assert cluster(made)["control_plane"] == {"count": 3}
    assert any("b is like a" in note.text for note in made.notes)
    assert cluster(made)["workers"] == {"count": 1}


def test_all_servers_are_control_plane() -> None:
    """Then there are no workers, and that is told."""
    made = imported(server("controller"))
    assert cluster(made)["workers"] == {"count": 0}
    assert any("no workers" in note.text for note in made.notes)


def test_groups() -> None:
    """Servers that differ in a number alone are one group; names are good, short and apart."""
    made = imported(
        server("Web Server-1"), server("Web Server-2"), server("Web Server-3", flavor="m1.large"),
        server("control_0"), server("a" * 20), server("a" * 30), server("7"),
    )  # fmt: skip
    assert cluster(made)["workers"] == [
        {"name": "web-server", "count": 2},
        {"name": "web-server-2", "count": 1, "flavor": "m1.large"},
        {"name": "a" * 16, "count": 1},
        {"name": "a" * 12 + "-2", "count": 1},
        {"name": "worker", "count": 1},
    ]


def test_zones_and_affinity() -> None:
    """They come along if cluster.yaml has keys for them; real samples are told if it has not."""
    node = server("web", properties={"availability_zone": "rack-7"})
    apart = Policy(
        path=POLICY,
        types=(PLACEMENT,),
        properties={"policy": "x"},
        targets=("web",),
        affinity="soft-anti-affinity",
    )
    schema = copy.deepcopy(SCHEMA)
    for key in ("availability_zone", "server_group"):
        schema["properties"]["workers"]["properties"].setdefault(key, {"type": "string"})
    made = imported(node, policy=apart, schema=schema)
    assert cluster(made)["workers"] == {
        "count": 1, "server_group": "soft-anti-affinity", "availability_zone": "rack-7",
    }  # fmt: skip
    assert not any(note.text.startswith("not carried over") for note in made.notes)


def test_scaling_policy_goes_before_the_server() -> None:
    """The number of servers is the policy's; limits of scaling are told."""
    node = server("web", capabilities={"scalable": {"default_instances": 2}})
    grow = Policy(
        path=POLICY,
        types=(SCALING,),
        properties={"min_instances": 4, "max_instances": 9},
        targets=("web",),
    )
    made = imported(node, policy=grow)
    assert cluster(made)["workers"]["count"] == 4
    assert any("max_instances: a cluster does not scale" in note.text for note in made.notes)


def test_operating_system() -> None:
    """A distribution with a block of its name is that block."""
    debian = {"os": {"distribution": "Debian"}}
    assert cluster(imported(server("a", capabilities=debian)))["os"] == {"use": "debian"}
    both = imported(server("a", capabilities=debian), server("b", capabilities={"os": {}}))
    assert "os" not in cluster(both)


def test_floating_network_is_the_clouds() -> None:
    """A floating IP's network needs no assumption."""
    floating = Node(
        name="ip", types=(FLOATING_IP,), properties={"floating_network": "ext"}, capabilities={}
    )
    made = imported(server("a"), floating)
    assert cluster(made)["cloud"]["external_network"] == "ext"
    assert not any("external_network" in note.text for note in made.notes)


def test_no_servers() -> None:
    """Without Compute nodes there is nothing to make a cluster of; what is there is named."""
    with pytest.raises(ProblemsFound, match=r"holds no tosca.nodes.Compute, only tosca.*Float"):
        imported(Node(name="ip", types=(FLOATING_IP,), properties={}, capabilities={}))


def test_without_the_libraries(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Heatgen without its extra says what to install."""
    monkeypatch.setitem(sys.modules, "toscaparser", None)
    (tmp_path / "house.yaml").write_text("a: 1")
    assert main(["import", str(tmp_path / "house.yaml")]) == 2
    assert "pip install 'heatgen[tosca]'" in capsys.readouterr().err
