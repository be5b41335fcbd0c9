# SPDX-License-Identifier: Apache-2.0
"""Updates of a stack: what is sent, and how long and for what is waited."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from heatgen import stack
from heatgen.stack import State

BEFORE, AFTER = "2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z"
OLD = State("CREATE_COMPLETE", "", BEFORE, ())
DONE = State("UPDATE_COMPLETE", "", AFTER, ())


def busy(*names: str) -> State:
    """An update that goes on."""
    return State("UPDATE_IN_PROGRESS", "", AFTER, names)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that only sleeping moves; its one item is the time."""
    now = [0.0]
    monkeypatch.setattr("heatgen.stack.time.monotonic", lambda: now[0])
    monkeypatch.setattr(
        "heatgen.stack.time.sleep", lambda pause: now.__setitem__(0, now[0] + pause)
    )
    return now


def waited(*states: State, limit: float = 60) -> list[str]:
    """What is told while a stack goes through these states, the last for ever."""
    told: list[str] = []

    def each() -> Iterator[State]:
        yield from states
        while True:
            yield states[-1]

    looks = each()
    stack.wait(lambda: next(looks), BEFORE, "demo", told.append, limit)
    return told


def test_update_is_waited_for() -> None:
    """Each change of what goes on is told once; an update that has not begun is not complete."""
    assert waited(OLD, busy("a"), busy("a"), busy("a", "b"), DONE) == [
        "   4 s  a", "   8 s  a, b", "  10 s  stack demo: update complete",
    ]  # fmt: skip


def test_many_at_once() -> None:
    """Of many only a few are named."""
    assert waited(busy(*"abcdefg"), DONE)[0].endswith("a, b, c, d and 3 more")


def test_earlier_update() -> None:
    """A stack that was updated before is not taken for one that is updated now."""
    earlier = State("UPDATE_COMPLETE", "", BEFORE, ())
    with pytest.raises(TimeoutError, match="is UPDATE_COMPLETE after 60 s: nothing goes on"):
        waited(earlier)


def test_update_that_fails() -> None:
    """A failure has Heat's reason and the command that shows more."""
    failed = State("UPDATE_FAILED", "trust/sign on demo-control-0: no", AFTER, ())
    with pytest.raises(stack.CloudFailed, match="trust/sign on demo-control-0: no") as found:
        waited(busy("a"), failed)
    assert "failures list demo" in found.value.hint


def test_update_that_hangs() -> None:
    """After the limit it is told what hangs."""
    with pytest.raises(TimeoutError, match="after 20 s: trust_sign_control_0"):
        waited(busy("trust_sign_control_0"), limit=20)


class Heat:
    """The little of the SDK's orchestration proxy that is used."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Any]] = []
        self.stack = SimpleNamespace(
            name="demo", id="1-2", status="CREATE_COMPLETE", status_reason="", updated_at=None,
            parameters={"admin_request": "a", "authority_generations": "1"}, outputs=[],
        )  # fmt: skip
        self.status_code = 202

    def find_stack(self, name: str, ignore_missing: bool) -> Any:
        """The stack, if it has this name."""
        return self.stack if name == "demo" else None

    def get_stack(self, identity: str, resolve_outputs: bool) -> Any:
        """The stack."""
        return self.stack

    def resources(self, identity: str) -> list[Any]:
        """Two resources."""
        return [SimpleNamespace(name="a", status="UPDATE_IN_PROGRESS"),
                SimpleNamespace(name="b", status="UPDATE_COMPLETE")]  # fmt: skip

    def patch(self, path: str, json: Any) -> Any:
        """Take an update."""
        self.sent.append((path, json))
        self.stack.status, self.stack.updated_at = "UPDATE_COMPLETE", AFTER
        reply = requests.Response()
        reply.status_code, reply.url = self.status_code, path
        reply.request = requests.Request("PATCH", f"http://heat.invalid{path}").prepare()
        return reply


@pytest.fixture
def heat(monkeypatch: pytest.MonkeyPatch) -> Heat:
    """A cloud with one stack."""
    cloud = Heat()
    monkeypatch.setattr(stack, "connect", lambda _: SimpleNamespace(orchestration=cloud))
    return cloud


def test_update_sends_parameters_only(heat: Heat) -> None:
    """PATCH keeps template and other parameters."""
    stack.update("demo", {"admin_request": "b"}, lambda _: None, 60)
    assert heat.sent == [("/stacks/demo/1-2", {"parameters": {"admin_request": "b"}})]


def test_update_of_another_generators_stack(heat: Heat) -> None:
    """A parameter that the stack has not got is told before anything is sent."""
    with pytest.raises(stack.CloudFailed, match="has no parameter certificates_generation"):
        stack.update("demo", {"certificates_generation": "2"}, lambda _: None, 60)
    assert heat.sent == []


def test_update_that_is_refused(heat: Heat) -> None:
    """Heat's refusal is not taken for missing credentials."""
    heat.status_code = 400
    with pytest.raises(stack.CloudFailed) as found:
        stack.update("demo", {"admin_request": "b"}, lambda _: None, 60)
    assert "event list" in found.value.hint


def test_busy_or_missing_stack(heat: Heat) -> None:
    """Nothing is begun while something else goes on."""
    heat.stack.status = "UPDATE_IN_PROGRESS"
    with pytest.raises(stack.CloudFailed, match="is UPDATE_IN_PROGRESS"):
        stack.update("demo", {"admin_request": "b"}, lambda _: None, 60)
    with pytest.raises(stack.CloudFailed, match="no stack 'other'"):
        stack.outputs("other")
