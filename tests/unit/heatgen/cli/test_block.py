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

SYSTEMS = {
    "os": (
        "debian fedora-coreos flatcar ubuntu opensuse rocky atomic-host coreos snappy"
        " boot2docker bottlerocket microkernel mirageos osv rancheros talos unikernel unikraft"
    ),
    "runtime": ("containerd docker cri-o garden gvisor kata lxd podman rkt"),
    "kvstore": "etcd consul doozer zookeeper",
    "network": ("flannel calico cilium kube-router ovn-kubernetes pipework socketplane weave"),
    "orchestration": ("kubernetes fleet k0s k3s mesos microk8s nomad openshift rke2 swarm"),
}
"""Supported and known unsupported systems by layer."""


@pytest.mark.parametrize("layer", LAYERS)
def test_list(layer: str, capsys: pytest.CaptureFixture[str]) -> None:
    """All known systems are listed; unsupported ones have a reason and an alternative."""
    assert main(["block", "list", "--layer", layer, "-f", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["Name"] for row in rows] == SYSTEMS[layer].split()
    for row in rows:
        block = REAL.blocks.get((layer, row["Name"]))
        assert not block or (row["State"] == block.status)
        assert (row["Origin"] == "heatgen") == bool(block)
        assert block or "; use " in row["Summary"] or ", use " in row["Summary"]


def test_list_as_csv(capsys: pytest.CaptureFixture[str]) -> None:
    """Formats of cliff are supported; without --layer, all layers are listed in order."""
    assert main(["block", "list", "-f", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["Layer"] for row in rows] == [
        layer for layer in LAYERS for _ in SYSTEMS[layer].split()
    ]


def test_show_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON output contains all properties of a block as structured values."""
    assert main(["block", "show", "kvstore/etcd", "-f", "json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["state"] == "works"
    assert shown["options"]["version"]["default"].startswith("3.6.")
    assert shown["inputs"]["MEMBERS"]["from"] == "file:members.sh"
    assert [step["name"] for step in shown["steps"]] == ["volume", "start", "backup"]
    assert {port["port"] for port in shown["ports"]} == {"2379", "2380"}
    assert shown["artifacts"]["etcd"]["checksums"].endswith("/SHA256SUMS")
    assert shown["requires"] == ["agent", "etcd-volume", "kvstore", "trust"]
    assert shown["provides"] == ["backup", "etcd-volume", "kvstore"]


def test_show_what_was_proven(capsys: pytest.CaptureFixture[str]) -> None:
    """A block of an operating system has its state, and what was proven on each ring."""
    assert main(["block", "show", "os/flatcar", "-f", "json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["state"] == REAL.blocks["os", "flatcar"].status
    assert shown["tested"] == REAL.support.sentence("os", "flatcar")
    assert list(shown["proven"]["flatcar"]) == list(REAL.support.rings)


def test_show_as_table(capsys: pytest.CaptureFixture[str]) -> None:
    """The table has a line for each option, step and port."""
    assert main(["block", "show", "orchestration/kubernetes"]) == 0
    out = capsys.readouterr().out
    for line in (
        "services = 10.96.0.0/16: ",
        ": kvstore, endpoint, api, node@all, network@all -> cluster",
        "tcp 6443 to control from api, control, worker: ",
        ", if control_plane.load_balancer is vip",
    ):
        assert line in out


@pytest.mark.parametrize(
    ("argument", "code", "hint"),
    [
        ("os/debianx", "unknown-block", "'debian'"),
        ("oss/debian", "unknown-layer", "'os'"),
        ("os/etcd", "unknown-block", "kvstore"),
        ("os", "invalid-argument", "LAYER/NAME"),
    ],
)
def test_show_unknown_block(
    argument: str, code: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """An unknown layer or name is an error with a suggestion; the exit code is 2."""
    assert main(["block", "show", argument]) == 2
    err = capsys.readouterr().err
    assert f"error[{code}]: " in err
    assert hint in err


def test_show_unsupported_system(capsys: pytest.CaptureFixture[str]) -> None:
    """An unsupported system is shown by any of its names."""
    assert main(["block", "show", "runtime/rocket", "-f", "json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["name"], shown["state"], shown["use"]) == ("rkt", "refused", "containerd")


@pytest.mark.parametrize(
    "name",
    ["os/rocky", "os/talos", "os/unikraft", "os/osv", "os/mirageos", "os/sel4", "os/includeos",
     "runtime/cri-o", "runtime/kata", "runtime/gvisor", "network/calico", "network/cilium",
     "orchestration/k3s", "orchestration/k0s", "orchestration/rke2", "orchestration/microk8s",
     "os/atomic", "os/coreos", "os/snappy"],
)  # fmt: skip
def test_show_known_system(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each system that users look for is shown with its state, the reason and an alternative."""
    assert main(["block", "show", name, "-f", "json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    layer, _, wanted = name.partition("/")
    assert wanted in (shown["name"], *shown["also"])
    assert shown["state"] in ("planned", "successor", "refused")
    alternatives = [shown["use"], *filter(None, [shown["successor"]])]
    assert any((layer, use) in REAL.blocks for use in alternatives)
    assert shown["summary"].endswith(tuple(f"use {use}" for use in alternatives))


@pytest.mark.parametrize("layer", LAYERS)
def test_new_blocks_pass_the_linter(
    layer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A new block of any layer passes the linter; the next steps are printed."""
    monkeypatch.chdir(tmp_path)
    assert main(["block", "new", f"{layer}/my-own", "--path", "mine"]) == 0
    captured = capsys.readouterr()
    folder = Path("mine", layer, "my-own")
    assert captured.out.split() == [
        str(folder / name) for name in ("block.yaml", "10-start.sh", "example.yaml")
    ]
    assert stat.S_IMODE((folder / "10-start.sh").stat().st_mode) & 0o100
    assert f"heatgen block lint {folder}" in captured.err
    assert main(["block", "lint", str(folder)]) == 0
    assert "1 block checked" in capsys.readouterr().err


def test_invalid_new_blocks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Existing folders, names of installed blocks, and invalid names are errors."""
    folder = str(tmp_path)
    assert main(["block", "new", "os/mine", "--path", folder]) == 0
    before = (tmp_path / "os" / "mine" / "block.yaml").read_text()
    for name, code in (
        ("os/mine", "file-exists"),
        ("os/debian", "duplicate-block"),
        ("os/My_OS", "invalid-block-name"),
        ("os/..", "invalid-block-name"),
        ("os/" + "a" * 31, "invalid-block-name"),
        ("oss/mine", "unknown-layer"),
        ("trust/mine", "unknown-layer"),
    ):
        assert main(["block", "new", name, "--path", folder]) == 2
        assert f"{name}: error[{code}]: " in capsys.readouterr().err
    assert (tmp_path / "os" / "mine" / "block.yaml").read_text() == before
    assert len(list(tmp_path.rglob("*"))) == 5


def test_list_third_party_blocks(others: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Blocks of HEATGEN_PATH are listed with their folder as origin."""
    assert main(["block", "list", "--layer", "runtime", "-f", "json"]) == 0
    rows = {row["Name"]: row for row in json.loads(capsys.readouterr().out)}
    assert (rows["box"]["State"], rows["box"]["Origin"]) == ("added", str(others))
    assert rows["containerd"]["Origin"] == "heatgen"


def test_lint_of_one_block(others: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Only the given blocks are checked."""
    valid = others / "runtime" / "box"
    invalid = write_block(others, "network", "net")
    (invalid / "10-start.sh").chmod(0o644)
    assert main(["block", "lint", str(valid)]) == 0
    assert main(["block", "lint", str(valid), str(invalid)]) == 2
    err = capsys.readouterr().err
    assert f"{invalid}/10-start.sh: error[script-not-executable]: " in err
    assert main(["block", "lint"]) == 2


def test_lint_by_a_short_path(
    others: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Relative paths, including a dot in a block's own folder, are accepted."""
    monkeypatch.delenv(block_loader.PATH_VARIABLE)
    monkeypatch.chdir(others / "runtime" / "box")
    assert main(["block", "lint", "."]) == 0
    monkeypatch.chdir(others / "runtime")
    assert main(["block", "lint", "box", "../runtime/box"]) == 0
    assert capsys.readouterr().err.count("1 block checked") == 2


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("use: box\n  note: hello from the example", "use: containerd", "example-without-block"),
        ("note: hello", "noet: hello", "unknown-key"),
    ],
)
def test_lint_of_an_example(
    old: str, new: str, code: str, others: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An example that does not use its block, or is not a valid cluster.yaml, is an error."""
    example = others / "runtime" / "box" / "example.yaml"
    example.write_text(example.read_text().replace(old, new))
    assert main(["block", "lint", str(others)]) == 2
    err = capsys.readouterr().err
    assert str(example) in err
    assert f"error[{code}]: " in err


def test_lint_of_installed_blocks(capsys: pytest.CaptureFixture[str]) -> None:
    """The installed blocks have no problems."""
    assert main(["block", "lint"]) == 0
    assert "blocks checked" in capsys.readouterr().err
