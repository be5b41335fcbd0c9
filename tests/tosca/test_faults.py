# SPDX-License-Identifier: Apache-2.0
"""Whatever a topology holds: a cluster that heatgen takes, or problems for people."""

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
GOOD = """\
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
    """A good topology."""
    path = tmp_path / "topology.yaml"
    path.write_text(GOOD)
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of `heatgen import`."""
    code = main(["import", *map(str, arguments)])
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    return code, said.out, said.err


def test_file_is_written(topology: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With -o the file is written, stdout stays empty, and the notes are in both places."""
    target = topology.with_name("cluster.yaml")
    code, out, err = run(capsys, topology, "-o", target)
    assert (code, out) == (0, "")
    data = yaml.safe_load(target.read_text())
    assert data["workers"]["count"] == 4
    assert data["cloud"]["nodes"] == "192.168.7.0/24"
    notes = [line.removeprefix("note: ") for line in err.splitlines() if line.startswith("note: ")]
    assert notes == [line[2:] for line in target.read_text().splitlines() if line[0] == "#"][1:]
    assert run(capsys, topology, "-o", target)[0] == 2  # it may have been changed by hand since


def test_decimals_of_sizes_count(topology: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """1.5 GB of memory is not 1 MB."""
    topology.write_text(GOOD.replace("1.5 GB", "4.5 GB"))
    assert yaml.safe_load(run(capsys, topology)[1])["cloud"]["flavor"] == "m1.large"


def test_options(topology: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the command is told goes before what the topology says and what is usual."""
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
    ("arguments", "reason"),
    [
        (["--parameter", "cpu=5"], "did you mean 'cpus'?"),
        (["--parameter", "cpus=none"], '"none" is not an integer'),
        (["--parameter", "cpus=64"], "no flavor has num_cpus 64"),
        (["--control", "sever"], "did you mean 'server'?"),
        (["--name", "No Name"], "name must be lower-case"),
    ],
)
def test_wrong_options(
    arguments: list[str], reason: str, topology: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Options that do not fit the topology or the cluster are told, and nothing is written."""
    code, out, err = run(capsys, topology, *arguments)
    assert (code, out) == (2, "")
    assert reason in err


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda path: path.unlink(), "no such file or directory"),
        (lambda path: (path.unlink(), path.mkdir()), "is a directory"),
        (lambda path: path.write_text(""), "is not a TOSCA template"),
        (lambda path: path.write_text("- a"), "is not a TOSCA template"),
        (lambda path: path.write_text("a: 2001-99-99"), "is not YAML"),
        (lambda path: path.write_text("{"), "topology.yaml:2:1: error: is not YAML"),
        (lambda path: path.write_text("a: 1\n---\nb: 2\n"), "is not YAML"),
        (lambda path: path.write_bytes(b"\xff\xfe"), "is not UTF-8"),
        (lambda path: path.write_text("[" * 100_000), "is nested more than"),
        (lambda path: path.write_text("a: !!python/object:os.system {}"), "is not YAML"),
        (lambda path: path.write_text("a: &a [*a]"), "an alias stands within"),
        (lambda path: path.write_text(bomb()), "has more than 20000 values"),
        (lambda path: path.write_text(f"{GOOD}topology_template: {{}}\n"), "is there twice"),
        (lambda path: path.write_text("a: {b: 1, b: 2}"), "first in line 1"),
        (lambda path: path.write_text("tosca_definitions_version: 7"), 'version "7" is invalid'),
        (lambda path: path.write_text(GOOD.replace("  server:", "  2:")), '"server" was not found'),
        (lambda path: path.write_text(GOOD.replace("tosca.nodes.Compute", "Computer")), "Computer"),
        (lambda path: path.write_text(GOOD.replace("get_input: cpus", "get_input: x")), '"x"'),
        (lambda path: path.write_text(GOOD.replace("192.168.7.0/24", "7")), "not carried over"),
        (lambda path: path.write_text(f"{GOOD}imports: [nowhere.yaml]\n"), "nowhere.yaml"),
        (lambda path: path.write_text(f"{GOOD}imports: [http://[/x.yaml]\n"), "error: "),
    ],
)  # fmt: skip
def test_bad_files(
    change: Callable[[Path], object], reason: str, topology: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Whatever lies there instead: exit code 2 and a reason, or a note if it is no great loss."""
    change(topology)
    code, out, err = run(capsys, topology)
    assert reason in err
    assert (code, out) == (2, "") or reason == "not carried over"


def bomb() -> str:
    """Aliases of aliases: nine values each, to the sixth power."""
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 6)]
    return "\n".join(lines)


def test_problems_stand_where_they_are(topology: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What tosca-parser complains of gets line, column and a caret."""
    topology.write_text(GOOD.replace("min_instances: 1", "min_instanses: 1"))
    _, _, err = run(capsys, topology)
    assert re.search(r"topology\.yaml:11:\d+: error: .*min_instanses", err)
    assert "^^^^^^^^^^^^^" in err


def test_archive(topology: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An archive is not unpacked; that is said."""
    archive = topology.rename(topology.with_suffix(".csar"))
    code, _, err = run(capsys, archive)
    assert code == 2
    assert "unpack" in err


JUNK = st.one_of(
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
def test_junk_anywhere(topology: Path, data: st.DataObject) -> None:
    """A topology with junk in it is a good cluster still, or raises problems that name the file."""
    template = yaml.safe_load(GOOD)
    for _ in range(data.draw(st.integers(1, 2))):
        place: Any = template
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            key = data.draw(st.sampled_from(keys))
            if (
                not isinstance(place[key], dict | list)
                or not place[key]
                or data.draw(st.booleans())
            ):
                break
            place = place[key]
        place[key] = data.draw(JUNK)
    topology.write_text(yaml.safe_dump(template))
    problems: tuple[Problem, ...] = ()
    try:
        made = convert(
            read_topology(topology, topology.read_bytes(), {}), ImportOptions(), CATALOG, SCHEMA
        )
    except ProblemsFound as found:
        problems = found.problems
    else:
        read_spec(document.parse("cluster.yaml", made.text.encode()), CATALOG, SCHEMA)
    assert {problem.file for problem in problems} <= {str(topology)}
