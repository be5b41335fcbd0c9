# SPDX-License-Identifier: Apache-2.0
"""``heatgen rotate``."""

import pytest

from heatgen.cli import progress_display
from heatgen.cli.main import main
from heatgen.cloud import connection, stack
from heatgen.cloud.connection import Cloud


class Stack:
    """A fake stack with the generations that its cluster uses."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.generations = {"certificates_generation": "1", "authority_generations": "1"}
        self.updates: list[dict[str, str]] = []
        self.ignores_updates = False
        monkeypatch.setattr(connection, "connect", lambda *_: Cloud(None))
        monkeypatch.setattr(stack, "outputs", lambda *_: dict(self.generations))
        monkeypatch.setattr(progress_display, "update", self.update)

    def update(self, name: str, changes: dict[str, str], *_: object) -> None:
        """Record an update, and apply it."""
        self.updates.append(changes)
        if not self.ignores_updates:
            self.generations |= changes


def test_rotate_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rotation of certificates is one update that increases the generation."""
    cluster = Stack(monkeypatch)
    assert main(["rotate", "certificates", "demo"]) == 0
    assert cluster.updates == [{"certificates_generation": "2"}]


def test_rotate_authorities(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two calls replace an authority; each prints the next commands."""
    cluster = Stack(monkeypatch)
    assert main(["rotate", "authorities", "demo"]) == 0
    assert "run the same command again" in capsys.readouterr().err
    assert main(["rotate", "authorities", "demo"]) == 0
    assert "heatgen kubeconfig demo" in capsys.readouterr().err
    sent = [changes["authority_generations"] for changes in cluster.updates]
    assert sent == ["1,2", "2,1", "2"]


@pytest.mark.parametrize("what", ["certificates", "authorities"])
def test_rotation_without_effect(
    what: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An update that the cluster does not apply is an error, and no update follows."""
    cluster = Stack(monkeypatch)
    cluster.ignores_updates = True
    assert main(["rotate", what, "demo"]) == 1
    assert "error[rotation-not-applied]: " in capsys.readouterr().err
    assert len(cluster.updates) == 1


def test_rotation_of_an_older_stack(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A stack without the outputs that a rotation needs is an error."""
    Stack(monkeypatch).generations.clear()
    assert main(["rotate", "certificates", "demo"]) == 1
    assert "error[invalid-stack-output]: " in capsys.readouterr().err


def test_timeout(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The exit code of a timeout is 3."""
    cluster = Stack(monkeypatch)

    def time_out(*_: object) -> None:
        raise TimeoutError("stack 'demo' is UPDATE_IN_PROGRESS after 60 s")

    monkeypatch.setattr(progress_display, "update", time_out)
    assert main(["rotate", "certificates", "demo", "--timeout", "1"]) == 3
    assert "error[timed-out]: stack 'demo'" in capsys.readouterr().err
    assert cluster.updates == []
