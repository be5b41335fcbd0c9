# SPDX-License-Identifier: Apache-2.0
"""heat-translator's samples of Compute topologies become clusters that heatgen takes.

What each becomes, with what is said of it, lies in ``expected/``.
"""

import copy
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from heatgen.project import block_loader
from heatgen.spec.reader import read_spec
from heatgen.tosca.convert import Imported, ImportOptions, convert
from heatgen.tosca.reader import read_topology
from heatgen.yamlio import document
from heatgen.yamlio.problems import ProblemsFound

CATALOG, SCHEMA = block_loader.catalog(), block_loader.schema("cluster")
EXPECTED = Path(__file__).with_name("expected")
REGENERATE = "HEATGEN_REGENERATE=1 tox run -e tosca"
# Each with values for those of its inputs that something carried over needs.
COMPUTE: dict[str, dict[str, str]] = {
    "autoscaling/tosca_autoscaling": {},
    "autoscaling/tosca_cluster_autoscaling": {},
    "interfaces/test_tosca_interface_on_compute": {},
    "interfaces/test_tosca_script_types": {},
    "monitoring/tosca_monitoring_scaling": {},
    "network/test_tosca_custom_network_nodes_imports": {},
    "network/test_tosca_custom_network_nodes_inline": {},
    "network/tosca_one_server_one_network": {},
    "network/tosca_one_server_three_networks": {},
    "network/tosca_server_on_existing_network": {},
    "network/tosca_two_servers_one_network": {},
    "nfv/test_tosca_nfv_autoscaling": {},
    "nfv/test_tosca_nfv_autoscaling_with_params": {},
    "nfv/test_tosca_nfv_sample": {},
    "nfv/test_tosca_unsupported_policy_type": {},
    "nfv/tosca_placement_policy_affinity": {},
    "nfv/tosca_placement_policy_anti_affinity": {},
    "nfv/tosca_placement_policy_soft_affinity": {},
    "policies/tosca_policies": {},
    "storage/tosca_blockstorage_with_attachment": {"cpus": "2"},
    "storage/tosca_blockstorage_with_attachment_notation1": {"cpus": "2"},
    "storage/tosca_blockstorage_with_attachment_notation2": {"cpus": "2"},
    "storage/tosca_blockstorage_with_custom_relationship_type": {"cpus": "2"},
    "storage/tosca_blockstorage_with_relationship_template": {"cpus": "2"},
    "storage/tosca_multiple_blockstorage_w_multiple_attachment": {"cpus": "2"},
    "storage/tosca_multiple_blockstorage_with_attachment": {"cpus": "2"},
    "test_host_assignment": {},
    "test_single_server_without_optional_version_prop": {},
    "test_tosca_artifact": {},
    "test_tosca_custom_type": {},
    "test_tosca_custom_type_with_override": {},
    "test_tosca_flavor_and_image": {},
    "test_tosca_get_functions_semantic": {},
    "tosca_elk": {},
    "tosca_exchange_public_ssh_key": {},
    "tosca_helloworld": {},
    "tosca_nodejs_mongodb_two_instances": {},
    "tosca_single_instance_wordpress": {"cpus": "4"},
    "tosca_single_server": {"cpus": "2"},
    "tosca_single_server_with_defaults": {},
    "tosca_software_component": {"cpus": "1"},
    "tosca_software_component_multiple_hosts": {"cpus": "1"},
    "tosca_web_application": {"cpus": "2"},
}
# Only these five use all there is: servers, ports, policies, inputs, volumes, software, aliases.
DISSECTED = (
    "autoscaling/tosca_cluster_autoscaling",
    "network/tosca_two_servers_one_network",
    "nfv/tosca_placement_policy_anti_affinity",
    "storage/tosca_blockstorage_with_attachment",
    "test_host_assignment",
)
FAULTY = {
    "tosca_helloworld_invalid": 'unknown field "tosca_definitions"',
    "tosca_single_instance_wordpress_with_local_abspath_import": '"/tmp/wordpress.yaml"',
    "reservation/tosca-vnfd-reservation-id": '"tosca.nodes.nfv.CP.Tacker" is not a valid type',
}


def imported(path: Path, parameters: dict[str, str]) -> Imported:
    """What an import of a file gives."""
    topology = read_topology(path, path.read_bytes(), parameters)
    return convert(topology, ImportOptions(), CATALOG, SCHEMA)


@pytest.mark.parametrize("name", COMPUTE)
def test_sample(name: str, samples: Path) -> None:
    """It becomes the expected file, and heatgen's own reader takes that file."""
    made = imported(samples / f"{name}.yaml", COMPUTE[name])
    path = EXPECTED / f"{name.rpartition('/')[2]}.yaml"
    if os.environ.get("HEATGEN_REGENERATE"):
        path.write_text(made.text, "utf-8")
    assert made.text == path.read_text("utf-8"), f"Is it meant? Then: {REGENERATE}"
    read = document.parse("cluster.yaml", made.text.encode())
    read_spec(read, CATALOG, SCHEMA)
    comments = [line for line in made.text.splitlines() if line.startswith("# ")][1:]
    assert comments == [f"# {note}" for note in made.notes]


@pytest.mark.parametrize("name", FAULTY)
def test_faulty_sample(name: str, samples: Path) -> None:
    """A sample that is wrong is refused with the reason, under its name."""
    path = samples / f"{name}.yaml"
    with pytest.raises(ProblemsFound) as found:
        imported(path, {})
    assert {problem.file for problem in found.value.problems} == {str(path)}
    assert any(FAULTY[name] in problem.message for problem in found.value.problems)


def test_no_sample_is_forgotten(samples: Path) -> None:
    """What is in neither table holds no Compute node, or is no YAML, or imports from afar."""
    paths = [path for path in samples.rglob("*.yaml") if "hot_output" not in path.parts]
    names = {path.relative_to(samples).as_posix().removesuffix(".yaml") for path in paths}
    assert names >= {*COMPUTE, *FAULTY}
    for name in names - {*COMPUTE, *FAULTY, "tosca_single_instance_wordpress_with_url_import"}:
        with pytest.raises(ProblemsFound, match=r"holds no |is there twice|missing required field"):
            imported(samples / f"{name}.yaml", {})
    assert {path.stem for path in EXPECTED.iterdir()} == {
        name.rpartition("/")[2] for name in COMPUTE
    }


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths of all values that hold no others."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        if isinstance(item, dict | list) and item:
            yield from leaves(item, (*path, key))
        else:
            yield (*path, key)


def without(data: Any, path: tuple[Any, ...]) -> Any:
    """A copy of a template without one of its values."""
    rest = copy.deepcopy(data)
    inner = rest
    for part in path[:-1]:
        inner = inner[part]
    del inner[path[-1]]
    return rest


@pytest.mark.parametrize("name", DISSECTED)
def test_nothing_is_dropped_in_silence(name: str, samples: Path) -> None:
    """Whatever is taken away is missed: in the cluster, in what is said, or as a problem."""
    source = samples / f"{name}.yaml"
    data = yaml.safe_load(source.read_text("utf-8"))
    path = source.with_name("dissected.yaml")

    def outcome(template: Any) -> tuple[str, ...]:
        path.write_text(yaml.safe_dump(template), "utf-8")
        try:
            made = imported(path, COMPUTE[name])
        except ProblemsFound as found:
            return tuple(problem.message for problem in found.problems)
        # Lines move whatever is taken away.
        values = made.text.rpartition("\n#")[2].partition("\n")[2]
        return (values, *sorted(note.text for note in made.notes))

    try:
        whole = outcome(data)
        silent = [
            ".".join(map(str, place))
            for place in leaves(data["topology_template"])
            # Prose and the rules for inputs are read, but no cluster has them.
            if not {"description", "constraints"} & set(place)
            # They say what is meant without them, too.
            if place[-1] not in {"ip_version", "strict"}
            if outcome(without(data, ("topology_template", *place))) == whole
        ]
    finally:
        path.unlink()
    told_above = [place for place in silent if any(place.startswith(part) for part in told(whole))]
    assert sorted(set(silent) - set(told_above)) == []


def told(outcome: tuple[str, ...]) -> list[str]:
    """Paths that were said not to come along, with all below them."""
    prefix = "not carried over: "
    return [
        text.removeprefix(prefix).partition(": ")[0].replace("[", ".").replace("]", "")
        for text in outcome if text.startswith(prefix)
    ]  # fmt: skip
