# SPDX-License-Identifier: Apache-2.0
"""``heatgen block``: list, show, lint and new."""

import csv
import io
import json
import stat
from pathlib import Path

import pytest

from heatgen.cli.main import main
from heatgen.layers import LAYERS
from heatgen.project import block_loader
from tests.unit.heatgen.support.others import REAL, write_block

FIELD = {
    "os": "debian fedora-coreos flatcar ubuntu atomic-host coreos snappy boot2docker rancheros",
    "runtime": "containerd docker garden lxd rkt",
    "kvstore": "etcd consul doozer zookeeper",
    "network": "flannel pipework socketplane weave",
    "orchestration": "kubernetes fleet mesos",
}
"""All that people ask for, by layer."""


@pytest.mark.parametrize("layer", LAYERS)
def test_the_whole_field_is_there(layer: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every system that people ask for is listed, with a state and a reason."""
    assert main(["block", "list", "--layer", layer, "-f", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["Name"] for row in rows] == FIELD[layer].split()
    for row in rows:
        works = (layer, row["Name"]) in REAL.blocks
        assert (row["State"] == "works") == works
        assert (row["Origin"] == "heatgen") == works
        assert works or "; use " in row["Summary"] or ", use " in row["Summary"]


def test_list_as_csv(capsys: pytest.CaptureFixture[str]) -> None:
    """All formats of cliff work; without a layer all are listed from the ground up."""
    assert main(["block", "list", "-f", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["Layer"] for row in rows] == [
        layer for layer in LAYERS for _ in FIELD[layer].split()
    ]


def test_show(capsys: pytest.CaptureFixture[str]) -> None:
    """All of a block, for programs."""
    assert main(["block", "show", "kvstore/etcd", "-f", "json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["state"] == "works"
    assert shown["options"]["version"]["default"].startswith("3.6.")
    assert shown["inputs"]["MEMBERS"]["from"] == "file:members.sh"
    assert [step["name"] for step in shown["steps"]] == ["volume", "start"]
    assert {port["port"] for port in shown["ports"]} == {"2379", "2380"}
    assert shown["artifacts"]["etcd"]["checksums"].endswith("/SHA256SUMS")
    assert shown["requires"] == ["agent", "etcd-volume", "trust"]
    assert shown["provides"] == ["etcd-volume", "kvstore"]


def test_show_to_people(capsys: pytest.CaptureFixture[str]) -> None:
    """A line for each option, step and port."""
    assert main(["block", "show", "orchestration/kubernetes"]) == 0
    said = capsys.readouterr().out
    for line in (
        "services = 10.96.0.0/16: ",
        "ready on the first control: kvstore, endpoint, api, node@all, network@all -> cluster",
        "tcp 6443 to control from api, control, worker: ",
        ", if control_plane.load_balancer is vip",
    ):
        assert line in said


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("os/debianx", "did you mean 'debian'?"),
        ("oss/debian", "did you mean 'os'?"),
        ("os/etcd", "it belongs to the layer kvstore"),
        ("os", "write LAYER/NAME"),
    ],
)
def test_show_what_is_not_there(
    word: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong name is invalid input, with what may be meant."""
    assert main(["block", "show", word]) == 2
    assert message in capsys.readouterr().err


def test_show_what_is_no_block(capsys: pytest.CaptureFixture[str]) -> None:
    """A system is shown by any of its names."""
    assert main(["block", "show", "runtime/rocket", "-f", "json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["name"], shown["state"], shown["use"]) == ("rkt", "refused", "containerd")


@pytest.mark.parametrize("layer", LAYERS)
def test_new_blocks_are_good(
    layer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A new block of any layer lints as it stands, and says what to do next."""
    monkeypatch.chdir(tmp_path)
    assert main(["block", "new", f"{layer}/my-own", "--path", "mine"]) == 0
    said = capsys.readouterr()
    folder = Path("mine", layer, "my-own")
    assert said.out.split() == [
        str(folder / name) for name in ("block.yaml", "10-start.sh", "example.yaml")
    ]
    assert stat.S_IMODE((folder / "10-start.sh").stat().st_mode) & 0o100
    assert f"heatgen block lint {folder}" in said.err
    assert main(["block", "lint", str(folder)]) == 0
    assert "1 block is good" in capsys.readouterr().err


def test_new_block_in_place_of_another(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is overwritten, and no name of ours is taken."""
    place = str(tmp_path)
    assert main(["block", "new", "os/mine", "--path", place]) == 0
    before = (tmp_path / "os" / "mine" / "block.yaml").read_text()
    for word, message in (
        ("os/mine", "is there already"),
        ("os/debian", "heatgen has a block of that name"),
        ("os/My_OS", "lower-case letters"),
        ("os/..", "lower-case letters"),
        ("os/" + "a" * 31, "at most 30"),
        ("oss/mine", "is not a layer"),
        ("trust/mine", "can only be added to layers"),
    ):
        assert main(["block", "new", word, "--path", place]) == 2
        assert message in capsys.readouterr().err
    assert (tmp_path / "os" / "mine" / "block.yaml").read_text() == before
    assert len(list(tmp_path.rglob("*"))) == 5


def test_others_are_visible(others: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What HEATGEN_PATH names is listed with where it comes from."""
    assert main(["block", "list", "--layer", "runtime", "-f", "json"]) == 0
    rows = {row["Name"]: row for row in json.loads(capsys.readouterr().out)}
    assert (rows["box"]["State"], rows["box"]["Origin"]) == ("added", str(others))
    assert rows["containerd"]["Origin"] == "heatgen"


def test_lint_of_one_block(others: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of several blocks only the one that is named is judged."""
    good = others / "runtime" / "box"
    bad = write_block(others, "network", "net")
    (bad / "10-start.sh").chmod(0o644)
    assert main(["block", "lint", str(good)]) == 0
    assert main(["block", "lint", str(good), str(bad)]) == 2
    said = capsys.readouterr().err
    assert f"{bad}/10-start.sh: error: is not executable" in said
    assert main(["block", "lint"]) == 2


def test_lint_by_a_short_path(
    others: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Inside a block's own folder the path may be a dot."""
    monkeypatch.delenv(block_loader.PATH_VARIABLE)
    monkeypatch.chdir(others / "runtime" / "box")
    assert main(["block", "lint", "."]) == 0
    monkeypatch.chdir(others / "runtime")
    assert main(["block", "lint", "box", "../runtime/box"]) == 0
    assert capsys.readouterr().err == "1 block is good\n1 block is good\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("use: box", "use: containerd"),
        ("note: hello", "noet: hello"),
    ],
)
def test_lint_of_an_example(
    text: str, message: str, others: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An example that does not use its block, or is no good cluster.yaml, is told."""
    example = others / "runtime" / "box" / "example.yaml"
    example.write_text(example.read_text().replace(text, message))
    assert main(["block", "lint", str(others)]) == 2
    assert f"{example}" in capsys.readouterr().err


def test_block_lint(capsys: pytest.CaptureFixture[str]) -> None:
    """The installed blocks are good."""
    assert main(["block", "lint"]) == 0
    assert "blocks are good" in capsys.readouterr().err
