# SPDX-License-Identifier: Apache-2.0
"""``heatgen create``."""

from pathlib import Path

import pytest
import yaml

from heatgen.cli.main import main
from heatgen.cloud import connection
from tests.golden.cases import CASES
from tests.unit.heatgen.support.fake_heat import STACK, Heat, created

CASE = CASES / "minimal"


Capture = pytest.CaptureFixture[str]


def test_create(heat: Heat, cluster: Path, capsys: Capture) -> None:
    """Without a terminal, a line is printed for each event; then the next command."""
    created(heat, well=True)
    assert main(["create", str(cluster), "--stack", STACK, "--timeout", "7"]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = [line.split(" s  ", 1)[1] for line in captured.err.splitlines() if " s  " in line]
    assert lines == [
        "server on demo-control-0 done",
        "kvstore/start on demo-control-0 ...",
        "runtime/start on demo-worker-1 done",
        "kvstore/start on demo-control-0 done",
    ]
    assert "heatgen kubeconfig demo -o kubeconfig" in captured.err
    sent = heat.sent[0][2]
    assert sent["timeout_mins"] == 7
    assert sent["template"] == yaml.safe_load((CASE / "generated.yaml").read_text("utf-8"))


def test_failed_create(heat: Heat, cluster: Path, capsys: Capture) -> None:
    """A failure is shown with layer, node, reason and last lines; the exit code is 1."""
    created(heat, well=False)
    assert main(["create", str(cluster), "--stack", STACK]) == 1
    err = capsys.readouterr().err
    assert "kvstore/start on demo-control-0 FAILED: disk full" in err
    assert "kvstore/start on demo-control-0: problem : disk full\n  | no space left" in err
    assert "error[stack-failed]: " in err
    assert "heatgen logs demo" in err


def test_dry_run(heat: Heat, cluster: Path, capsys: Capture) -> None:
    """A dry run only requests a preview; a rejection is exit code 1."""
    heat.there = False
    assert main(["create", str(cluster), "--stack", STACK, "--dry-run"]) == 0
    assert [path for _, path, _ in heat.sent] == ["/stacks/preview"]
    heat.refusal = (400, "The Image (debian-12) could not be found.")
    assert main(["create", str(cluster), "--stack", STACK, "--dry-run"]) == 1
    reason = "The Image (debian-12) could not be found."
    assert f"error[cloud-refused]: {reason}" in capsys.readouterr().err


def test_existing_stack(heat: Heat, cluster: Path, capsys: Capture) -> None:
    """An existing stack is an error before anything is rendered or sent."""
    assert main(["create", str(cluster), "--stack", STACK]) == 1
    err = capsys.readouterr().err
    assert "error[stack-exists]: " in err
    assert f"heatgen diff demo {cluster}" in err
    assert heat.sent == []


@pytest.mark.parametrize("name", ["1st", "a b", "a/b", "é", "-a", "a\n", "a" * 201])
def test_invalid_stack_name(
    cluster: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A name that Heat refuses is an error before the cloud is contacted."""
    monkeypatch.setattr(connection, "connect", lambda *_: pytest.fail("contacted the cloud"))
    assert main(["create", str(cluster), f"--stack={name}"]) == 2
    assert "error[invalid-argument]: " in capsys.readouterr().err
