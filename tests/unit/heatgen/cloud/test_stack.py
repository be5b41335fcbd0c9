# SPDX-License-Identifier: Apache-2.0
"""Stacks asked, made, changed, followed and deleted, through the real client."""

from collections.abc import Iterator
from typing import Any

import pytest

from heatgen.cloud import stack
from heatgen.cloud.connection import Cloud, CloudFailed, Missing
from heatgen.cloud.stack import Stack
from heatgen.stack.progress import Event
from tests.unit.heatgen.support.fake_heat import IDENTITY, STACK, Heat, cloud_at, serving


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Heat, Cloud]]:
    """A Heat with one complete stack; nobody sleeps between two looks."""
    monkeypatch.setattr(stack, "PAUSE", 0)
    with serving() as found:
        yield found


@pytest.fixture
def heat(served: tuple[Heat, Cloud]) -> Heat:
    """The Heat."""
    return served[0]


@pytest.fixture
def cloud(served: tuple[Heat, Cloud]) -> Cloud:
    """The cloud it is in."""
    return served[1]


class Seen:
    """What is told of events."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def __call__(self, event: Event | None) -> None:
        """Note it."""
        if event:
            self.events.append(f"{event.resource} {event.action}_{event.status}")


def test_outputs(heat: Heat, cloud: Cloud) -> None:
    """Outputs of a whole stack are told; of another they are not asked for."""
    heat.outputs = {"api_endpoint": "https://x"}
    assert stack.outputs(STACK, cloud) == {"api_endpoint": "https://x"}
    heat.status = "UPDATE_IN_PROGRESS"
    with pytest.raises(CloudFailed, match="'demo' is UPDATE_IN_PROGRESS"):
        stack.outputs(STACK, cloud)
    heat.there = False
    with pytest.raises(Missing, match="no stack 'demo'"):
        stack.outputs(STACK, cloud)


def test_no_cloud() -> None:
    """A Heat that does not answer is told with what to set."""
    with pytest.raises(CloudFailed) as found:
        stack.outputs(STACK, cloud_at("http://127.0.0.1:1"))
    assert "clouds.yaml" in found.value.hint


def test_update_sends_parameters_only(heat: Heat, cloud: Cloud) -> None:
    """PATCH keeps template and other parameters; it is done when its own end is told."""
    heat.event(STACK, "UPDATE_IN_PROGRESS")
    heat.event(STACK, "UPDATE_COMPLETE")
    heat.then = [
        lambda: None,
        lambda: heat.event(STACK, "UPDATE_IN_PROGRESS"),
        lambda: heat.event("kvstore_start_control_0", "UPDATE_IN_PROGRESS"),
        lambda: heat.event(STACK, "UPDATE_COMPLETE"),
    ]
    seen = Seen()
    of, before = stack.update(STACK, {"admin_request": "b"}, cloud)
    stack.follow(of, seen, 60, cloud, before)
    [(method, path, body)] = heat.sent
    assert (method, path) == ("PATCH", f"/stacks/{STACK}/{IDENTITY}")
    assert body["parameters"] == {"admin_request": "b"}
    assert "template" not in body
    # What was before the update is not taken for it.
    assert seen.events == [
        "demo UPDATE_IN_PROGRESS",
        "kvstore_start_control_0 UPDATE_IN_PROGRESS",
        "demo UPDATE_COMPLETE",
    ]


def test_update_of_another_generators_stack(heat: Heat, cloud: Cloud) -> None:
    """A parameter that the stack has not got is told before anything is sent."""
    with pytest.raises(CloudFailed, match="has no parameter certificates_generation"):
        stack.update(STACK, {"certificates_generation": "2"}, cloud)
    assert heat.sent == []


def test_update_that_is_refused(heat: Heat, cloud: Cloud) -> None:
    """Heat's refusal is told in its words and not taken for missing credentials."""
    heat.refusal = (400, "no such flavor")
    with pytest.raises(CloudFailed, match="no such flavor") as found:
        stack.update(STACK, {"admin_request": "b"}, cloud)
    assert "event list" in found.value.hint


def test_creation_that_fails(heat: Heat, cloud: Cloud) -> None:
    """A failure is raised with Heat's reason and the command that tells more."""
    heat.there = False
    made = stack.create("demo", {"resources": {}}, 20, cloud, "ci,short")
    fields = heat.sent[0][2]
    assert (fields["timeout_mins"], fields["tags"], fields["disable_rollback"]) == (
        20, "ci,short", True,
    )  # fmt: skip
    heat.event(STACK, "CREATE_IN_PROGRESS")
    heat.event(STACK, "CREATE_FAILED", reason="kvstore/start on demo-control-0: disk full")
    with pytest.raises(CloudFailed, match="disk full") as found:
        stack.follow(made, Seen(), 60, cloud)
    assert "heatgen logs demo" in found.value.hint


def test_creation_that_takes_too_long(heat: Heat, cloud: Cloud) -> None:
    """Heat's own limit and ours are both time-outs."""
    made = stack.get(STACK, cloud)
    with pytest.raises(TimeoutError, match="not done after 0 min"):
        stack.follow(made, Seen(), 0, cloud)
    heat.event(STACK, "CREATE_FAILED", reason="Create timed out")
    with pytest.raises(TimeoutError, match="Create timed out"):
        stack.follow(made, Seen(), 60, cloud)


def test_deletion_ends_with_the_stack(heat: Heat, cloud: Cloud) -> None:
    """A stack that is gone while it is deleted is deleted."""
    heat.event(STACK, "CREATE_COMPLETE")
    before = stack.delete(stack.get(STACK, cloud), cloud)
    heat.then = [
        lambda: heat.event(STACK, "DELETE_IN_PROGRESS"),
        lambda: setattr(heat, "there", False),
    ]
    seen = Seen()
    of = Stack(
        name=STACK,
        identity=IDENTITY,
        action="DELETE",
        status="IN_PROGRESS",
        reason="",
        parameters={},
        outputs={},
    )
    stack.follow(of, seen, 60, cloud, before)
    assert seen.events == ["demo DELETE_IN_PROGRESS"]
    assert heat.sent[0][0] == "DELETE"


def test_answers_that_are_missing(heat: Heat, cloud: Cloud) -> None:
    """An API that is away for a moment ends no watch; one that stays away does."""
    heat.event(STACK, "CREATE_IN_PROGRESS")
    heat.away = 3
    heat.then = [lambda: heat.event(STACK, "CREATE_COMPLETE")]
    of, seen = (
        Stack(
            name=STACK,
            identity=IDENTITY,
            action="CREATE",
            status="IN_PROGRESS",
            reason="",
            parameters={},
            outputs={},
        ),
        Seen(),
    )
    stack.follow(of, seen, 60, cloud)
    assert seen.events == ["demo CREATE_IN_PROGRESS", "demo CREATE_COMPLETE"]
    heat.away = 1000
    with pytest.raises(CloudFailed, match="restarting"):
        stack.follow(of, seen, 60, cloud)


def test_begun(heat: Heat, cloud: Cloud) -> None:
    """Who comes back to a stack sees what goes on now, from its beginning."""
    for name in (STACK, "network", STACK):
        heat.event(name, "CREATE_IN_PROGRESS" if name == STACK else "CREATE_COMPLETE")
    heat.event("network", "CREATE_COMPLETE")
    assert stack.begun(stack.get(STACK, cloud), cloud) == "1"


def failed_step() -> dict[str, Any]:
    """What Heat keeps of a step that failed."""
    lines = "\n".join(f"line {number}" for number in range(30))
    said = {"deploy_stdout": "", "deploy_stderr": lines, "deploy_status_code": 1}
    return {"status": "FAILED", "status_reason": "problem : disk full", "output_values": said}


def test_failures(heat: Heat, cloud: Cloud) -> None:
    """A failure names layer, step and node, the reason, and the last lines, not all of them."""
    heat.resource("0", "OS::Heat::SoftwareDeployment", "CREATE_COMPLETE", "runtime_start_workers")
    heat.resource("1", "OS::Heat::SoftwareDeployment", "CREATE_FAILED", "runtime_start_workers")
    good = {**failed_step(), "status": "COMPLETE"}
    heat.deployments = {
        "runtime_start_workers0": good, "runtime_start_workers1": failed_step(),
    }  # fmt: skip
    of = stack.get(STACK, cloud)
    [text] = stack.failures(of, stack.progress(of, cloud), cloud)
    assert text.startswith("runtime/start on demo-worker-1: problem : disk full\n  | line 20\n")
    assert text.endswith("  | line 29")


def test_failures_below_the_layers(heat: Heat, cloud: Cloud) -> None:
    """What is no step is told by its resource."""
    heat.resource("control_0", "OS::Nova::Server", "CREATE_FAILED", reason="No valid host")
    of = stack.get(STACK, cloud)
    assert stack.failures(of, stack.progress(of, cloud), cloud) == ["control_0: No valid host"]


def test_look(heat: Heat, cloud: Cloud) -> None:
    """The state of everything by layer, members of groups by their nodes."""
    heat.resource("network", "OS::Neutron::Net", "CREATE_COMPLETE")
    heat.resource("kvstore_start_control_0", "OS::Heat::SoftwareDeployment", "INIT_COMPLETE")
    heat.resource(
        "1", "OS::Heat::SoftwareDeployment", "CREATE_IN_PROGRESS", "runtime_start_workers"
    )
    of = stack.get(STACK, cloud)
    progress = stack.progress(of, cloud)
    stack.look(of, progress, cloud)
    layers = [(layer, done, total, list(map(str, busy)))
              for layer, done, total, busy in progress.layers()]  # fmt: skip
    assert layers == [
        ("cloud", 1, 4, []),
        ("runtime", 0, 2, ["runtime/start on demo-worker-1"]),
        ("kvstore", 0, 1, []),
    ]
