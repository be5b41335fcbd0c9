# SPDX-License-Identifier: Apache-2.0
"""``heatgen diff``."""

import json
from pathlib import Path

import pytest

from heatgen.cli.main import main
from tests.unit.heatgen.support.fake_heat import STACK, Heat

Capture = pytest.CaptureFixture[str]


def test_diff_of_the_same(running: Heat, cluster: Path, capsys: Capture) -> None:
    """A stack of this very file: exit code 0 and no rows."""
    assert main(["diff", STACK, str(cluster), "-f", "json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out) == []
    assert "nothing would change" in said.err


def test_diff_in_place(running: Heat, cluster: Path, capsys: Capture) -> None:
    """Another number of workers: exit code 4, and where what runs again."""
    with cluster.open("a") as file:
        file.write("workers: {count: 3}\n")
    assert main(["diff", STACK, str(cluster), "-f", "json"]) == 4
    rows = {(row["Change"], row["What"]): row for row in json.loads(capsys.readouterr().out)}
    assert rows["add", "workers (OS::Nova::Server)"]["Where"] == "demo-worker-2"
    assert rows["run again", "step trust/request"]["Where"] == "demo-worker-2"


def test_diff_with_losses(running: Heat, cluster: Path, capsys: Capture) -> None:
    """Another image rebuilds servers: exit code 5, and it is said loudly."""
    cluster.write_text(cluster.read_text().replace("debian-12", "debian-13"))
    assert main(["diff", STACK, str(cluster)]) == 5
    said = capsys.readouterr().err
    assert "REBUILDS demo-control-0 (OS::Nova::Server): image" in said
    assert "WOULD DESTROY" in said


def test_diff_keeps_what_was_given(running: Heat, cluster: Path, capsys: Capture) -> None:
    """Parameters that the stack was given stay, and that is said."""
    running.given = {"worker_count": "2"}
    running.parameters["worker_count"] = "2"
    with cluster.open("a") as file:
        file.write("workers: {count: 3}\n")
    assert main(["diff", STACK, str(cluster)]) == 0
    assert "worker_count stays 2" in capsys.readouterr().err


def test_diff_makes_no_key(running: Heat, cluster: Path) -> None:
    """Who only looks makes no administrator: the stack's own request is compared with itself."""
    (cluster.parent / "cluster.admin.csr").unlink()
    assert main(["diff", STACK, str(cluster)]) == 0
    assert not list(cluster.parent.glob("*.key"))
