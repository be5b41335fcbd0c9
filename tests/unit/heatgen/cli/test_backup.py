# SPDX-License-Identifier: Apache-2.0
"""``heatgen backup list``, ``heatgen backup now``, and backups in ``heatgen status``."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from heatgen.cli import backup, status
from heatgen.cli.main import main
from heatgen.kube import backups
from heatgen.kube.errors import KubernetesFailed
from heatgen.project import admin_key
from heatgen.stack.backups import ANNOTATION, REQUEST
from heatgen.yamlio.codes import Code
from tests.unit.heatgen.support import pki
from tests.unit.heatgen.support.fake_heat import STACK, Heat, created

Capture = pytest.CaptureFixture[str]
ARCHIVE = {
    "file": "etcd-20261130T100000Z-r77.backup", "taken": "2026-11-30T10:00:00Z", "size": 4489,
    "revision": 77, "keys": 31, "sha256": "ab",
}  # fmt: skip
STATE: dict[str, Any] = {
    "format": 1, "node": "demo-control-0", "enabled": True, "interval": 21600, "keep": 8,
    "since": "2026-11-30T09:50:00Z", "taken": "2026-11-30T10:00:00Z",
    "rehearsed": "2026-11-30T10:00:01Z", "rehearsed_file": ARCHIVE["file"], "request": "",
    "problem": "", "rehearsal_problem": "", "archives": [ARCHIVE],
}  # fmt: skip


class FakeApi:
    """The Node objects of a cluster, whose nodes execute requests at once."""

    def __init__(self, states: Mapping[str, Mapping[str, Any] | None]) -> None:
        self.annotations: dict[str, dict[str, str]] = {
            name: {} if state is None else {ANNOTATION: json.dumps(state)}
            for name, state in states.items()
        }
        self.change: dict[str, Any] = {}
        """What a backup changes in the state of each node."""

    def request(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """Return the control-plane nodes."""
        assert (method, path) == ("GET", "/api/v1/nodes")
        assert options["query"] == {"labelSelector": "node-role.kubernetes.io/control-plane"}
        items = [
            {"metadata": {"name": name, "annotations": found}}
            for name, found in reversed(self.annotations.items())
        ]
        return {"items": items}

    def patch(self, path: str, change: Mapping[str, Any]) -> None:
        """Annotate a node, which takes the backup that this requests."""
        own = self.annotations[path.rpartition("/")[2]]
        own |= change["metadata"]["annotations"]
        state = json.loads(own[ANNOTATION]) | {"request": own[REQUEST]} | self.change
        own[ANNOTATION] = json.dumps(state)


@pytest.fixture
def api(heat: Heat, monkeypatch: pytest.MonkeyPatch) -> FakeApi:
    """Return the API of a cluster with three control-plane nodes."""
    created(heat, well=True)
    names = [f"demo-control-{index}" for index in range(3)]
    found = FakeApi({name: STATE | {"node": name} for name in names})
    for module in (backup, status):
        monkeypatch.setattr(module, "connect", lambda *_: found)
    return found


def test_list(api: FakeApi, capsys: Capture) -> None:
    """Each backup of each control-plane node is listed."""
    assert main(["backup", "list", STACK, "-f", "json"]) == 0
    captured = capsys.readouterr()
    rows = json.loads(captured.out)
    assert [row["Node"] for row in rows] == list(api.annotations)
    assert rows[0] == {
        "Node": "demo-control-0", "File": ARCHIVE["file"], "Taken": ARCHIVE["taken"],
        "Revision": 77, "Keys": 31, "Bytes": 4489, "Rehearsed": "yes",
    }  # fmt: skip
    assert "backups of demo-control-2: 1, the newest" in captured.err


def test_list_of_problems(api: FakeApi, capsys: Capture) -> None:
    """Failures, missing backups and nodes without backups are shown; the exit code is 1."""
    failed = {"problem": "no space", "rehearsal_problem": "damaged"}
    none = {"taken": "", "rehearsed": "", "archives": []}
    api.annotations["demo-control-0"][ANNOTATION] = json.dumps(STATE | failed)
    api.annotations["demo-control-1"] = {}
    api.annotations["demo-control-2"][ANNOTATION] = json.dumps(STATE | none)
    assert main(["backup", "list", STACK]) == 1
    err = capsys.readouterr().err
    assert "demo-control-0: 1, the newest" in err
    assert "failed: no space; damaged" in err
    assert "demo-control-1: none (kvstore.backup is false" in err
    assert "demo-control-2: the first one is not due yet" in err


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", json.dumps(STATE | {"format": 2}), json.dumps({"format": 1})]
)
def test_unknown_format(api: FakeApi, capsys: Capture, text: str) -> None:
    """An annotation of another version of heatgen is an error."""
    api.annotations["demo-control-0"][ANNOTATION] = text
    assert main(["backup", "list", STACK]) == (1 if text else 0)
    assert ("error[backup-unknown]: node demo-control-0" in capsys.readouterr().err) == bool(text)


def test_now(api: FakeApi, capsys: Capture) -> None:
    """Every node gets the same request, and its result is printed."""
    assert main(["backup", "now", STACK]) == 0
    assert len({own[REQUEST] for own in api.annotations.values()}) == 1
    err = capsys.readouterr().err
    assert f"demo-control-1: {ARCHIVE['file']}, verified and rehearsed" in err


def test_failed_backup(api: FakeApi, capsys: Capture) -> None:
    """If a backup fails, the reason is printed, and the exit code is 1."""
    api.change = {"problem": "the disk has 3 MiB free"}
    assert main(["backup", "now", STACK]) == 1
    assert "demo-control-2: the disk has 3 MiB free" in capsys.readouterr().err


def test_node_that_does_not_respond(
    api: FakeApi, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node that takes no backup in time is named; the exit code is 3."""
    monkeypatch.setattr(backups, "POLL", 0.01)
    clock = iter(range(0, 100_000, 300))
    monkeypatch.setattr("heatgen.kube.backups.time.monotonic", clock.__next__)
    api.change = {"request": "another"}
    assert main(["backup", "now", STACK, "--timeout", "10"]) == 3
    assert "no backup of demo-control-0, demo-control-1" in capsys.readouterr().err


def test_without_backups(api: FakeApi, capsys: Capture) -> None:
    """Where no node takes backups, the hint names the option."""
    for own in api.annotations.values():
        own.clear()
    assert main(["backup", "now", STACK]) == 1
    err = capsys.readouterr().err
    assert "error[no-backups]: " in err
    assert "kvstore.backup: true" in err
    assert main(["backup", "list", STACK]) == 0


@pytest.fixture
def key(tmp_path: Path, heat: Heat) -> Path:
    """Return the administrator's key of the stack."""
    path = tmp_path / "cluster.admin.key"
    admin_key.admin_request(path, tmp_path / "cluster.admin.csr", "demo")
    heat.outputs = pki.outputs(path.read_bytes())
    return path


def test_status(api: FakeApi, key: Path, capsys: Capture, heat: Heat) -> None:
    """With the administrator's key, 'heatgen status' shows the backups."""
    heat.there, heat.status = True, "CREATE_COMPLETE"
    assert main(["status", STACK, "--key", str(key)]) == 0
    assert "backups of demo-control-0: 1, the newest" in capsys.readouterr().err
    assert main(["status", STACK, "--key", "/nonexistent"]) == 0
    assert "backups" not in capsys.readouterr().err


def test_status_without_api(
    heat: Heat, key: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An API that does not respond does not change the result of 'heatgen status'."""
    created(heat, well=True)
    heat.there, heat.status = True, "CREATE_COMPLETE"

    def refuse(*_: object) -> None:
        raise KubernetesFailed("it is down", "wait", code=Code.KUBERNETES_UNREACHABLE)

    monkeypatch.setattr(status, "connect", refuse)
    assert main(["status", STACK, "--key", str(key)]) == 0
    assert "note: the state of backups is not known: it is down" in capsys.readouterr().err


def test_wrong_key(heat: Heat, key: Path, capsys: Capture) -> None:
    """A key of another cluster is an error of the command, and a note of 'heatgen status'."""
    created(heat, well=True)
    heat.there, heat.status = True, "CREATE_COMPLETE"
    other = key.with_name("other.admin.key")
    admin_key.admin_request(other, key.with_name("other.admin.csr"), "demo")
    assert main(["backup", "list", STACK, "--key", str(other)]) == 2
    assert "error[admin-key-mismatch]: " in capsys.readouterr().err
    assert main(["status", STACK, "--key", str(other)]) == 0
    assert "note: the state of backups is not known: " in capsys.readouterr().err
