# SPDX-License-Identifier: Apache-2.0
"""Parameters of the phases of a restore."""

import re
from typing import Any

import pytest
import yaml

from heatgen.plan import restore
from tests.golden.cases import CASES

ID = "0123456789abcdef"
SOURCE = restore.Source(node="demo-control-1", file="etcd-x-r5.backup", sha256="a" * 64)


def template() -> Any:
    """Return the template of a cluster."""
    return yaml.load((CASES / "ha" / "generated.yaml").read_text("utf-8"), yaml.CSafeLoader)


@pytest.mark.parametrize("phase", restore.PHASES)
def test_heat_accepts_the_parameters(phase: str) -> None:
    """The values match the patterns of the template, with and without a backup; so do defaults."""
    known = template()["parameters"]
    for source in (None, SOURCE):
        changes = restore.parameters(ID, phase, source)
        assert set(changes) == ({"restore", "restored"} if phase == "done" else {"restore"})
        for name, value in changes.items():
            [constraint] = known[name]["constraints"]
            # Heat requires that the pattern matches from the start of the value.
            assert re.fullmatch(constraint["allowed_pattern"], value), value
            assert re.fullmatch(constraint["allowed_pattern"], known[name]["default"])


def test_steps_have_the_parameters() -> None:
    """Control-plane nodes get the phase; programs of all nodes restart at the end."""
    resources = template()["resources"]
    users: dict[str, set[str]] = {"restore": set(), "restored": set()}
    for name, resource in resources.items():
        values = resource.get("properties", {}).get("input_values", {})
        for value in values.values():
            parameter = value.get("get_param") if isinstance(value, dict) else None
            if parameter in users:
                users[parameter].add(name)
    assert users["restore"] == {f"kvstore_backup_control_{index}" for index in range(3)}
    assert {"orchestration_node_workers", "network_start_workers"} <= users["restored"]
    assert "orchestration_ready_control_0" in users["restored"]
    # A restore must not wait for an etcd that does not run.
    requires = resources["kvstore_backup_control_0"]["depends_on"]
    assert not any(name.startswith("kvstore_start") for name in requires)


@pytest.mark.parametrize("phase", restore.PHASES)
def test_interrupted(phase: str) -> None:
    """Only a restore that has begun to stop services, and has not ended, is continued."""
    request = restore.parameters(ID, phase, SOURCE)["restore"]
    expected = (ID, phase, SOURCE) if phase in ("stop", "start") else None
    assert restore.interrupted(request) == expected


@pytest.mark.parametrize("request_text", ["", ID, f"{ID} stop", f"{ID} stop node file"])
def test_incomplete_request(request_text: str) -> None:
    """A value without a backup is not a restore to continue."""
    assert restore.interrupted(request_text) is None


def test_pending() -> None:
    """Nodes that report another restore, another phase or nothing have not executed the phase."""
    outputs = {"0": f"{ID} stop", "1": f"{ID} check", "2": "", "3": "f" * 16 + " stop"}
    assert restore.pending(ID, "stop", outputs) == ["1", "2", "3"]
