# SPDX-License-Identifier: Apache-2.0
"""``heatgen rotate``."""

import pytest

from heatgen.cli import progress_display
from heatgen.cli.main import main
from heatgen.cloud import connection, stack
from heatgen.cloud.connection import Cloud


class Stack:
    """What a stack's cluster agreed on, in the place of the cloud."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.agreed = {"certificates_generation": "1", "authority_generations": "1"}
        self.updates: list[dict[str, str]] = []
        self.deaf = False
        monkeypatch.setattr(connection, "connect", lambda *_: Cloud(None))
        monkeypatch.setattr(stack, "outputs", lambda *_: dict(self.agreed))
        monkeypatch.setattr(progress_display, "update", self.update)

    def update(self, name: str, changes: dict[str, str], *_: object) -> None:
        """Take an update."""
        self.updates.append(changes)
        if not self.deaf:
            self.agreed |= changes


def test_rotate_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    """One update with a larger generation."""
    cluster = Stack(monkeypatch)
    assert main(["rotate", "certificates", "demo"]) == 0
    assert cluster.updates == [{"certificates_generation": "2"}]


def test_rotate_authorities(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two calls replace an authority; between them people are told what to do."""
    cluster = Stack(monkeypatch)
    assert main(["rotate", "authorities", "demo"]) == 0
    assert "then run the same command again" in capsys.readouterr().err
    assert main(["rotate", "authorities", "demo"]) == 0
    said = capsys.readouterr().err
    assert "not trusted any more" in said
    assert "heatgen kubeconfig demo" in said
    sent = [changes["authority_generations"] for changes in cluster.updates]
    assert sent == ["1,2", "2,1", "2"]


@pytest.mark.parametrize("what", ["certificates", "authorities"])
def test_rotation_without_effect(
    what: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An update that leaves the cluster as it was is no success, and nothing follows it."""
    cluster = Stack(monkeypatch)
    cluster.deaf = True
    assert main(["rotate", what, "demo"]) == 1
    assert "is '1', not '" in capsys.readouterr().err
    assert len(cluster.updates) == 1


def test_rotation_of_an_older_stack(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A stack of a template that cannot rotate is told what it needs."""
    Stack(monkeypatch).agreed.clear()
    assert main(["rotate", "certificates", "demo"]) == 1
    assert "with a template of this heatgen" in capsys.readouterr().err


def test_rotation_that_takes_too_long(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wait that ends without an end is exit code 3."""
    cluster = Stack(monkeypatch)

    def late(*_: object) -> None:
        raise TimeoutError("stack 'demo' is UPDATE_IN_PROGRESS after 60 s")

    monkeypatch.setattr(progress_display, "update", late)
    assert main(["rotate", "certificates", "demo", "--timeout", "1"]) == 3
    assert "timed out: stack 'demo'" in capsys.readouterr().err
    assert cluster.updates == []
