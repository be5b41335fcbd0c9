# SPDX-License-Identifier: Apache-2.0
"""heat-translator's samples of Compute topologies are converted to valid clusters.

``expected/`` contains the results with their notes.
"""

import copy
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
from heatgen.yamlio.codes import Code
from heatgen.yamlio.problems import ProblemsFound
from tests.expected_file import compare

CATALOG, SCHEMA = block_loader.catalog(), block_loader.schema("cluster")
EXPECTED = Path(__file__).with_name("expected")
REGENERATE = "tox run -e tosca"
# Samples to the values of the inputs that the conversion requires.
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
# Together they use servers, ports, policies, inputs, volumes, software and aliases.
DISSECTED = (
    "autoscaling/tosca_cluster_autoscaling",
    "network/tosca_two_servers_one_network",
    "nfv/tosca_placement_policy_anti_affinity",
    "storage/tosca_blockstorage_with_attachment",
    "test_host_assignment",
)
INVALID = {
    "tosca_helloworld_invalid": 'unknown field "tosca_definitions"',
    "tosca_single_instance_wordpress_with_local_abspath_import": '"/tmp/wordpress.yaml"',
    "reservation/tosca-vnfd-reservation-id": '"tosca.nodes.nfv.CP.Tacker" is not a valid type',
}


def imported(path: Path, parameters: dict[str, str]) -> Imported:
    """Convert a file."""
    topology = read_topology(path, path.read_bytes(), parameters)
    return convert(topology, ImportOptions(), CATALOG, SCHEMA)


@pytest.mark.parametrize("name", COMPUTE)
def test_sample(name: str, samples: Path) -> None:
    """A sample is converted to the expected file, which is a valid ``cluster.yaml``."""
    result = imported(samples / f"{name}.yaml", COMPUTE[name])
    path = EXPECTED / f"{name.rpartition('/')[2]}.yaml"
    compare(path, result.text, REGENERATE)
    read = document.parse("cluster.yaml", result.text.encode())
    read_spec(read, CATALOG, SCHEMA)
    comments = [line for line in result.text.splitlines() if line.startswith("# ")][1:]
    assert comments == [f"# {note}" for note in result.notes]


@pytest.mark.parametrize("name", INVALID)
def test_invalid_sample(name: str, samples: Path) -> None:
    """An invalid sample has a problem with tosca-parser's reason."""
    path = samples / f"{name}.yaml"
    with pytest.raises(ProblemsFound) as found:
        imported(path, {})
    assert {(problem.file, problem.code) for problem in found.value.problems} == {
        (str(path), Code.TOSCA_INVALID)
    }
    assert any(INVALID[name] in problem.message for problem in found.value.problems)


def test_other_samples(samples: Path) -> None:
    """Samples in neither table have no servers, a duplicate key, or are not valid."""
    paths = [path for path in samples.rglob("*.yaml") if "hot_output" not in path.parts]
    names = {path.relative_to(samples).as_posix().removesuffix(".yaml") for path in paths}
    assert names >= {*COMPUTE, *INVALID}
    for name in names - {*COMPUTE, *INVALID, "tosca_single_instance_wordpress_with_url_import"}:
        with pytest.raises(ProblemsFound) as found:
            imported(samples / f"{name}.yaml", {})
        codes = {problem.code for problem in found.value.problems}
        assert codes <= {Code.TOSCA_NO_SERVERS, Code.DUPLICATE_KEY, Code.TOSCA_INVALID}, name
    assert {path.stem for path in EXPECTED.iterdir()} == {
        name.rpartition("/")[2] for name in COMPUTE
    }


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the paths of all values that are not containers."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        if isinstance(item, dict | list) and item:
            yield from leaves(item, (*path, key))
        else:
            yield (*path, key)


def without(data: Any, path: tuple[Any, ...]) -> Any:
    """Return a copy of a template without one of its values."""
    copied = copy.deepcopy(data)
    parent = copied
    for part in path[:-1]:
        parent = parent[part]
    del parent[path[-1]]
    return copied


@pytest.mark.parametrize("name", DISSECTED)
def test_no_value_is_ignored(name: str, samples: Path) -> None:
    """The removal of any value changes the cluster, the notes, or the problems."""
    source = samples / f"{name}.yaml"
    data = yaml.safe_load(source.read_text("utf-8"))
    path = source.with_name("dissected.yaml")

    def outcome(template: Any) -> tuple[str, ...]:
        path.write_text(yaml.safe_dump(template), "utf-8")
        try:
            result = imported(path, COMPUTE[name])
        except ProblemsFound as found:
            return tuple(problem.message for problem in found.problems)
        # Notes without line numbers, which always change.
        values = result.text.rpartition("\n#")[2].partition("\n")[2]
        return (values, *sorted(note.text for note in result.notes))

    try:
        complete = outcome(data)
        ignored = [
            ".".join(map(str, value_path))
            for value_path in leaves(data["topology_template"])
            # Descriptions and constraints of inputs have no equivalent in clusters.
            if not {"description", "constraints"} & set(value_path)
            # The values equal the defaults.
            if value_path[-1] not in {"ip_version", "strict"}
            if outcome(without(data, ("topology_template", *value_path))) == complete
        ]
    finally:
        path.unlink()
    prefixes = tuple(reported(complete))
    assert [value_path for value_path in ignored if not value_path.startswith(prefixes)] == []


def reported(outcome: tuple[str, ...]) -> list[str]:
    """Return the paths reported as not converted, which include everything below them."""
    prefix = "not converted: "
    return [
        text.removeprefix(prefix).partition(": ")[0].replace("[", ".").replace("]", "")
        for text in outcome if text.startswith(prefix)
    ]  # fmt: skip
