# SPDX-License-Identifier: Apache-2.0
"""Conversion of topologies to clusters. Tests with TOSCA files are in tests/tosca."""

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
from heatgen.yamlio.codes import Code
from heatgen.yamlio.problems import ProblemsFound

CATALOG, SCHEMA = block_loader.catalog(), block_loader.schema("cluster")
POLICY = ("topology_template", "policies", 0, "rule")


def server(name: str, **fields: Any) -> Node:
    """Return a server with the given flavor, properties and capabilities."""
    return Node(
        name=name,
        types=(COMPUTE,),
        properties=fields.get("properties", {}),
        capabilities=fields.get("capabilities", {}),
        flavor=fields.get("flavor", "m1.small"),
    )


def imported(
    *nodes: Node,
    policy: Policy | None = None,
    schema: dict[str, Any] = SCHEMA,
    **options: Any,
) -> Imported:
    """Convert a topology with these nodes."""
    template: dict[str, Any] = {
        "node_templates": {
            node.name: {"type": node.types[0], "properties": dict(node.properties)}
            for node in nodes
        }
    }
    if policy:
        rule = {"type": policy.types[0], "properties": dict(policy.properties)}
        template["policies"] = [{"rule": rule}]
    text = yaml.safe_dump({"topology_template": template})
    topology = Topology(
        document=document.parse("topology.yaml", text.encode()),
        nodes={node.name: node for node in nodes},
        policies=(policy,) if policy else (),
        inputs={},
    )
    return convert(topology, ImportOptions(**options), CATALOG, schema)


def cluster(result: Imported) -> Any:
    """Return the values of the resulting ``cluster.yaml``."""
    return yaml.safe_load(result.text)


@pytest.mark.parametrize(("wanted", "count"), [(1, 1), (2, 3), (3, 3), (4, 5), (5, 5), (7, 5)])
def test_control_plane_count(wanted: int, count: int) -> None:
    """The number of control-plane servers is rounded up to 1, 3 or 5, and a change is noted."""
    scalable = {"scalable": {"default_instances": wanted}}
    result = imported(server("k8s_Master", capabilities=scalable), server("node"))
    assert cluster(result)["control_plane"]["count"] == count
    assert cluster(result)["workers"] == {"count": 1}
    changes = [note for note in result.notes if note.text.startswith("changed: ")]
    assert len(changes) == (wanted != count)


def test_control_plane_by_option() -> None:
    """--control overrides names; differences between the servers are noted."""
    result = imported(
        server("a"), server("b", flavor="m1.large"), server("master"), control=("a", "b")
    )
    assert cluster(result)["control_plane"] == {"count": 3}
    assert any(note.text.startswith("changed: b ") for note in result.notes)
    assert cluster(result)["workers"] == {"count": 1}


def test_control_plane_only() -> None:
    """A topology without workers has a note."""
    result = imported(server("controller"))
    assert cluster(result)["workers"] == {"count": 0}
    assert any("no workers" in note.text for note in result.notes)


def test_groups() -> None:
    """Servers that differ only in a number form a group; names are valid, short and unique."""
    result = imported(
        server("Web Server-1"), server("Web Server-2"), server("Web Server-3", flavor="m1.large"),
        server("control_0"), server("a" * 20), server("a" * 30), server("7"),
    )  # fmt: skip
    assert cluster(result)["workers"] == [
        {"name": "web-server", "count": 2},
        {"name": "web-server-2", "count": 1, "flavor": "m1.large"},
        {"name": "a" * 16, "count": 1},
        {"name": "a" * 12 + "-2", "count": 1},
        {"name": "worker", "count": 1},
    ]


def test_zones_and_affinity() -> None:
    """Zone and affinity of servers are converted."""
    node = server("web", properties={"availability_zone": "rack-7"})
    placement = Policy(
        path=POLICY,
        types=(PLACEMENT,),
        properties={"policy": "x"},
        targets=("web",),
        affinity="soft-anti-affinity",
    )
    schema = copy.deepcopy(SCHEMA)
    for key in ("availability_zone", "server_group"):
        schema["properties"]["workers"]["properties"].setdefault(key, {"type": "string"})
    result = imported(node, policy=placement, schema=schema)
    assert cluster(result)["workers"] == {
        "count": 1, "server_group": "soft-anti-affinity", "availability_zone": "rack-7",
    }  # fmt: skip
    assert not any(note.text.startswith("not converted") for note in result.notes)


def test_scaling_policy() -> None:
    """A scaling policy overrides the server's capability; its limits are noted."""
    node = server("web", capabilities={"scalable": {"default_instances": 2}})
    scaling = Policy(
        path=POLICY,
        types=(SCALING,),
        properties={"min_instances": 4, "max_instances": 9},
        targets=("web",),
    )
    result = imported(node, policy=scaling)
    assert cluster(result)["workers"]["count"] == 4
    assert any("max_instances: " in note.text for note in result.notes)


def test_operating_system() -> None:
    """A distribution selects the block of the same name."""
    debian = {"os": {"distribution": "Debian"}}
    assert cluster(imported(server("a", capabilities=debian)))["os"] == {"use": "debian"}
    both = imported(server("a", capabilities=debian), server("b", capabilities={"os": {}}))
    assert "os" not in cluster(both)


def test_floating_network() -> None:
    """The network of a floating IP becomes the external network, without a note."""
    floating = Node(
        name="ip", types=(FLOATING_IP,), properties={"floating_network": "ext"}, capabilities={}
    )
    result = imported(server("a"), floating)
    assert cluster(result)["cloud"]["external_network"] == "ext"
    assert not any("external_network" in note.text for note in result.notes)


def test_no_servers() -> None:
    """A topology without Compute nodes is an error, which names the types of its nodes."""
    with pytest.raises(ProblemsFound, match=FLOATING_IP) as found:
        imported(Node(name="ip", types=(FLOATING_IP,), properties={}, capabilities={}))
    assert [problem.code for problem in found.value.problems] == [Code.TOSCA_NO_SERVERS]


def test_missing_libraries(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the extra ``tosca``, the error has the command that installs it."""
    monkeypatch.setitem(sys.modules, "toscaparser", None)
    (tmp_path / "topology.yaml").write_text("a: 1")
    assert main(["import", str(tmp_path / "topology.yaml")]) == 2
    err = capsys.readouterr().err
    assert "error[tosca-libraries-missing]: " in err
    assert "pip install 'heatgen[tosca]'" in err
