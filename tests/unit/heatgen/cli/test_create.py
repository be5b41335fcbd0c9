# SPDX-License-Identifier: Apache-2.0
"""``heatgen create``."""

from pathlib import Path

import pytest
import yaml

from heatgen.cli.main import main
from tests.golden.cases import CASES
from tests.unit.heatgen.support.fake_heat import STACK, Heat, created

CASE = CASES / "minimal"


Capture = pytest.CaptureFixture[str]


def test_create(heat: Heat, cluster: Path, capsys: Capture) -> None:
    """One line for each event off a terminal, texts left out; then the next command."""
    created(heat, well=True)
    assert main(["create", str(cluster), "--stack", STACK, "--timeout", "7"]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    told = [line.split(" s  ", 1)[1] for line in said.err.splitlines() if " s  " in line]
    assert told == [
        "server on demo-control-0 done",
        "kvstore/start on demo-control-0 ...",
        "runtime/start on demo-worker-1 done",
        "kvstore/start on demo-control-0 done",
    ]
    assert "heatgen kubeconfig demo -o kubeconfig" in said.err
    sent = heat.sent[0][2]
    assert sent["timeout_mins"] == 7
    assert sent["template"] == yaml.safe_load((CASE / "generated.yaml").read_text("utf-8"))


def test_create_that_fails(heat: Heat, cluster: Path, capsys: Capture) -> None:
    """Layer, node, reason, last lines, next command; exit code 1."""
    created(heat, well=False)
    assert main(["create", str(cluster), "--stack", STACK]) == 1
    said = capsys.readouterr().err
    assert "kvstore/start on demo-control-0 FAILED: disk full" in said
    assert "kvstore/start on demo-control-0: problem : disk full\n  | no space left" in said
    assert said.rstrip().endswith("hint: see 'heatgen logs demo'")


def test_dry_run(heat: Heat, cluster: Path, capsys: Capture) -> None:
    """The cloud is only asked what it would do; what it refuses is exit code 1."""
    heat.there = False
    assert main(["create", str(cluster), "--stack", STACK, "--dry-run"]) == 0
    assert [path for _, path, _ in heat.sent] == ["/stacks/preview"]
    heat.refusal = (400, "The Image (debian-12) could not be found.")
    assert main(["create", str(cluster), "--stack", STACK, "--dry-run"]) == 1
    assert "The Image (debian-12) could not be found." in capsys.readouterr().err


def test_create_twice(heat: Heat, cluster: Path, capsys: Capture) -> None:
    """A name that is taken is told before anything is rendered or sent."""
    assert main(["create", str(cluster), "--stack", STACK]) == 1
    assert f"heatgen diff demo {cluster}" in capsys.readouterr().err
    assert heat.sent == []
