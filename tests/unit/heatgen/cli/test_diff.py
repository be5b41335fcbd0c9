# SPDX-License-Identifier: Apache-2.0
"""``heatgen diff``."""

import json
from pathlib import Path

import pytest

from heatgen.cli.main import main
from tests.unit.heatgen.support.fake_heat import STACK, Heat

Capture = pytest.CaptureFixture[str]


def test_no_changes(running: Heat, cluster: Path, capsys: Capture) -> None:
    """For a stack of the same file the exit code is 0, and no rows are printed."""
    assert main(["diff", STACK, str(cluster), "-f", "json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out) == []
    assert "no changes" in captured.err


def test_changes_in_place(running: Heat, cluster: Path, capsys: Capture) -> None:
    """For another number of workers the exit code is 4, and rows have the affected nodes."""
    with cluster.open("a") as file:
        file.write("workers: {count: 3}\n")
    assert main(["diff", STACK, str(cluster), "-f", "json"]) == 4
    rows = {(row["Change"], row["What"]): row for row in json.loads(capsys.readouterr().out)}
    assert rows["add", "workers (OS::Nova::Server)"]["Where"] == "demo-worker-2"
    assert rows["run again", "step trust/request"]["Where"] == "demo-worker-2"


def test_losses(running: Heat, cluster: Path, capsys: Capture) -> None:
    """For another image, which rebuilds servers, the exit code is 5, and a warning is printed."""
    cluster.write_text(cluster.read_text().replace("debian-12", "debian-13"))
    assert main(["diff", STACK, str(cluster)]) == 5
    err = capsys.readouterr().err
    assert "REBUILD demo-control-0 (OS::Nova::Server): image" in err
    assert "warning: " in err


def test_explicit_parameters(running: Heat, cluster: Path, capsys: Capture) -> None:
    """Explicitly set parameters are kept, with a note."""
    running.given = {"worker_count": "2"}
    running.parameters["worker_count"] = "2"
    with cluster.open("a") as file:
        file.write("workers: {count: 3}\n")
    assert main(["diff", STACK, str(cluster)]) == 0
    assert "worker_count stays 2" in capsys.readouterr().err


def test_parameters(running: Heat, cluster: Path, capsys: Capture) -> None:
    """--parameter changes the preview; a parameter that does not exist is an error."""
    assert main(["diff", STACK, str(cluster), "--parameter", "worker_count=3"]) == 4
    assert "worker_count becomes 3" in capsys.readouterr().err
    assert main(["diff", STACK, str(cluster), "--parameter", "worker_cuont=3"]) == 2
    assert "error[invalid-argument]: " in capsys.readouterr().err


def test_no_existing(running: Heat, cluster: Path, capsys: Capture) -> None:
    """With --no-existing parameters have the values of the file, as OpenTofu sends them."""
    running.given = {"worker_count": "2", "image": "debian-12"}
    running.parameters.update(running.given)
    cluster.write_text(cluster.read_text().replace("debian-12", "debian-13"))
    assert main(["diff", STACK, str(cluster)]) == 0
    assert main(["diff", STACK, str(cluster), "--no-existing"]) == 5
    assert "REBUILD demo-control-0 (OS::Nova::Server): image" in capsys.readouterr().err


def test_no_key_is_created(running: Heat, cluster: Path) -> None:
    """Without a local certificate request the stack's is used, and no key is created."""
    (cluster.parent / "cluster.admin.csr").unlink()
    assert main(["diff", STACK, str(cluster)]) == 0
    assert not list(cluster.parent.glob("*.key"))


@pytest.mark.parametrize(
    ("part", "name", "before", "code"),
    [
        ("networks", "pods", "10.200.0.0/16", "network-changed"),
        ("networks", "services", "10.97.0.0/16", "network-changed"),
        ("versions", "kubernetes", "1.35.4", "version-skew"),
        ("versions", "kubernetes", "1.38.0", "version-skew"),
        ("versions", "etcd", "3.7.0", "version-skew"),
    ],
)
def test_refused_changes(
    running: Heat, cluster: Path, capsys: Capture, part: str, name: str, before: str, code: str
) -> None:
    """Changes that the cluster would not survive are errors; the exit code is 6."""
    running.template["outputs"]["conformance"]["value"][part][name] = before
    assert main(["diff", STACK, str(cluster)]) == 6
    assert f"error[{code}]: " in capsys.readouterr().err


@pytest.mark.parametrize("before", ["1.37.9", "1.36.0"])
def test_allowed_versions(running: Heat, cluster: Path, before: str) -> None:
    """Updates to the next minor version, and to any patch version, are allowed."""
    running.template["outputs"]["conformance"]["value"]["versions"]["kubernetes"] = before
    assert main(["diff", STACK, str(cluster)]) in (0, 4)
