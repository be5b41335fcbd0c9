# SPDX-License-Identifier: Apache-2.0
"""Every topology is converted to a valid cluster, or has reported problems."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from heatgen.cli.main import main
from heatgen.project import block_loader
from heatgen.spec.reader import read_spec
from heatgen.tosca.convert import ImportOptions, convert
from heatgen.tosca.reader import read_topology
from heatgen.yamlio import document
from heatgen.yamlio.problems import Problem, ProblemsFound

CATALOG, SCHEMA = block_loader.catalog(), block_loader.schema("cluster")
VALID = """\
tosca_definitions_version: tosca_simple_yaml_1_3
topology_template:
  inputs:
    cpus: {type: integer, default: 2}
    zone: {type: string, required: false}
  node_templates:
    server:
      type: tosca.nodes.Compute
      capabilities:
        host: {properties: {num_cpus: {get_input: cpus}, mem_size: 1.5 GB}}
        scalable: {properties: {min_instances: 1, max_instances: 9, default_instances: 4}}
    network:
      type: tosca.nodes.network.Network
      properties: {cidr: 192.168.7.0/24}
    port:
      type: tosca.nodes.network.Port
      requirements: [{binding: server}, {link: network}]
  policies:
    - apart:
        type: tosca.policies.Placement
        targets: [server]
"""


@pytest.fixture
def topology(tmp_path: Path) -> Path:
    """Return the file of a valid topology."""
    path = tmp_path / "topology.yaml"
    path.write_text(VALID)
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Return exit code, stdout and stderr of ``heatgen import``."""
    code = main(["import", *map(str, arguments)])
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return code, captured.out, captured.err


def test_file_is_written(topology: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With -o the file is written, stdout is empty, and the notes are in the file and on stderr."""
    target = topology.with_name("cluster.yaml")
    code, out, err = run(capsys, topology, "-o", target)
    assert (code, out) == (0, "")
    data = yaml.safe_load(target.read_text())
    assert data["workers"]["count"] == 4
    assert data["cloud"]["nodes"] == "192.168.7.0/24"
    notes = [line.removeprefix("note: ") for line in err.splitlines() if line.startswith("note: ")]
    assert notes == [line[2:] for line in target.read_text().splitlines() if line[0] == "#"][1:]
    code, _, err = run(capsys, topology, "-o", target)
    assert code == 2
    assert f"{target}: error[file-exists]: " in err


def test_decimal_sizes(topology: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Decimal sizes are rounded up."""
    topology.write_text(VALID.replace("1.5 GB", "4.5 GB"))
    assert yaml.safe_load(run(capsys, topology)[1])["cloud"]["flavor"] == "m1.large"


def test_options(topology: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Options override the values of the topology and the defaults."""
    table = topology.with_name("flavors.json")
    table.write_text('[{"ID": "7", "Name": "c5", "RAM": 9000, "Disk": 9, "VCPUs": 5}]')
    code, out, err = run(
        capsys, topology, "--flavors", table, "--parameter", "cpus=5", "--name", "own",
        "--image", "bookworm", "--external-network", "ext", "--control", "server",
    )  # fmt: skip
    assert code == 0
    data = yaml.safe_load(out)
    assert data["name"] == "own"
    assert data["cloud"]["external_network"] == "ext"
    assert (data["cloud"]["image"], data["cloud"]["flavor"]) == ("bookworm", "c5")
    assert data["control_plane"]["count"] == 5
    assert "4 control-plane servers become 5" in err
    assert "assumed: cloud" not in err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--parameter", "cpu=5"], "tosca-unknown-name"),
        (["--parameter", "cpus=none"], "tosca-invalid"),
        (["--parameter", "cpus=64"], "tosca-no-flavor"),
        (["--control", "sever"], "tosca-unknown-name"),
        (["--name", "No Name"], "tosca-cluster-invalid"),
    ],
)
def test_invalid_options(
    arguments: list[str], code: str, topology: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Options that do not match the topology or the cluster are errors; nothing is written."""
    exit_code, out, err = run(capsys, topology, *arguments)
    assert (exit_code, out) == (2, "")
    assert f"error[{code}]: " in err


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda path: path.unlink(), "file-not-readable"),
        (lambda path: (path.unlink(), path.mkdir()), "file-not-readable"),
        (lambda path: path.write_text(""), "tosca-invalid"),
        (lambda path: path.write_text("- a"), "tosca-invalid"),
        (lambda path: path.write_text("a: 2001-99-99"), "yaml-syntax"),
        (lambda path: path.write_text("{"), "yaml-syntax"),
        (lambda path: path.write_text("a: 1\n---\nb: 2\n"), "yaml-syntax"),
        (lambda path: path.write_bytes(b"\xff\xfe"), "invalid-encoding"),
        (lambda path: path.write_text("[" * 100_000), "nesting-too-deep"),
        (lambda path: path.write_text("a: !!python/object:os.system {}"), "yaml-syntax"),
        (lambda path: path.write_text("a: &a [*a]"), "tosca-aliases"),
        (lambda path: path.write_text(bomb()), "tosca-aliases"),
        (lambda path: path.write_text(f"{VALID}topology_template: {{}}\n"), "duplicate-key"),
        (lambda path: path.write_text("a: {b: 1, b: 2}"), "duplicate-key"),
        (lambda path: path.write_text("tosca_definitions_version: 7"), "tosca-invalid"),
        (lambda path: path.write_text(VALID.replace("  server:", "  2:")), "tosca-invalid"),
        (lambda path: path.write_text(VALID.replace(".nodes.Compute", ".Computer")),
         "tosca-invalid"),
        (lambda path: path.write_text(VALID.replace("get_input: cpus", "get_input: x")),
         "tosca-invalid"),
        (lambda path: path.write_text(f"{VALID}imports: [nowhere.yaml]\n"), "tosca-invalid"),
        (lambda path: path.write_text(f"{VALID}imports: ['http://[/x.yaml']\n"), "tosca-invalid"),
    ],
)  # fmt: skip
def test_invalid_files(
    change: Callable[[Path], object], code: str, topology: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """For an unreadable or invalid topology the exit code is 2, and the problem is reported."""
    change(topology)
    exit_code, out, err = run(capsys, topology)
    assert f"error[{code}]: " in err
    assert str(topology) in err
    assert (exit_code, out) == (2, "")


def test_unusable_network(topology: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A network that the cluster cannot use is not converted, with a note."""
    topology.write_text(VALID.replace("192.168.7.0/24", "7"))
    code, out, err = run(capsys, topology)
    assert code == 0
    assert "nodes" not in yaml.safe_load(out)["cloud"]
    assert "not converted: node_templates.network" in err


def bomb() -> str:
    """Return aliases of aliases that expand to 9 to the sixth power values."""
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 6)]
    return "\n".join(lines)


def test_positions(topology: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Errors of tosca-parser are reported with line, column and a caret."""
    topology.write_text(VALID.replace("min_instances: 1", "min_instanses: 1"))
    _, _, err = run(capsys, topology)
    assert re.search(r"topology\.yaml:11:\d+: error\[tosca-invalid\]: .*min_instanses", err)
    assert "^^^^^^^^^^^^^" in err


def test_archive(topology: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An archive is an error with the hint to unpack it."""
    archive = topology.rename(topology.with_suffix(".csar"))
    code, _, err = run(capsys, archive)
    assert code == 2
    assert "error[tosca-invalid]: " in err
    assert "unpack" in err


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 2000), st.floats(allow_nan=True), st.text(max_size=8),
    st.sampled_from(["tosca.nodes.Compute", "server", "network", "1 TB", "0 GB", "10.0.0.0/30",
                     "::/0", {"get_input": "zone"}, {"get_attribute": ["server", "address"]},
                     {"get_property": ["SELF", "cidr"]}, {"concat": ["a", "b"]}]),
    st.lists(st.sampled_from(["server", "port", 3]), max_size=2),
    st.dictionaries(st.sampled_from(["type", "properties", "server"]), st.integers(), max_size=2),
)  # fmt: skip


@given(st.data())
@settings(
    max_examples=60, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
def test_random_values(topology: Path, data: st.DataObject) -> None:
    """A topology with random values becomes a valid cluster, or has problems in its file."""
    template = yaml.safe_load(VALID)
    for _ in range(data.draw(st.integers(1, 2))):
        parent: Any = template
        while True:
            keys = list(parent) if isinstance(parent, dict) else list(range(len(parent)))
            key = data.draw(st.sampled_from(keys))
            if (
                not isinstance(parent[key], dict | list)
                or not parent[key]
                or data.draw(st.booleans())
            ):
                break
            parent = parent[key]
        parent[key] = data.draw(VALUES)
    topology.write_text(yaml.safe_dump(template))
    problems: tuple[Problem, ...] = ()
    try:
        result = convert(
            read_topology(topology, topology.read_bytes(), {}), ImportOptions(), CATALOG, SCHEMA
        )
    except ProblemsFound as found:
        problems = found.problems
    else:
        read_spec(document.parse("cluster.yaml", result.text.encode()), CATALOG, SCHEMA)
    assert {problem.file for problem in problems} <= {str(topology)}
