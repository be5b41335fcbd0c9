# SPDX-License-Identifier: Apache-2.0
"""Operations on stacks, with python-heatclient and a fake Heat."""

from collections.abc import Iterator
from typing import Any

import pytest

from heatgen.cloud import stack
from heatgen.cloud.connection import Cloud
from heatgen.cloud.errors import CloudFailed, NotFound
from heatgen.cloud.stack import Stack
from heatgen.stack.progress import Event
from heatgen.yamlio.codes import Code
from tests.unit.heatgen.support.fake_heat import IDENTITY, STACK, Heat, cloud_at, serving


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Heat, Cloud]]:
    """Yield a fake Heat with one complete stack, polled without a pause."""
    monkeypatch.setattr(stack, "PAUSE", 0)
    with serving() as found:
        yield found


@pytest.fixture
def heat(served: tuple[Heat, Cloud]) -> Heat:
    """Return the fake Heat."""
    return served[0]


@pytest.fixture
def cloud(served: tuple[Heat, Cloud]) -> Cloud:
    """Return the cloud of the fake Heat."""
    return served[1]


class Recorder:
    """Event handler that records events."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def __call__(self, event: Event | None) -> None:
        """Record the event."""
        if event:
            self.events.append(f"{event.resource} {event.action}_{event.status}")


def test_outputs(heat: Heat, cloud: Cloud) -> None:
    """Outputs are returned for a complete stack only."""
    heat.outputs = {"api_endpoint": "https://x"}
    assert stack.outputs(STACK, cloud) == {"api_endpoint": "https://x"}
    heat.status = "UPDATE_IN_PROGRESS"
    with pytest.raises(CloudFailed, match="UPDATE_IN_PROGRESS") as failed:
        stack.outputs(STACK, cloud)
    assert failed.value.code == Code.STACK_NOT_COMPLETE
    heat.there = False
    with pytest.raises(NotFound) as missing:
        stack.outputs(STACK, cloud)
    assert missing.value.code == Code.NOT_FOUND


def test_no_response() -> None:
    """A connection that Heat refuses is reported with the configuration to check."""
    with pytest.raises(CloudFailed) as found:
        stack.outputs(STACK, cloud_at("http://127.0.0.1:1"))
    assert found.value.code == Code.CONNECTION_REFUSED
    assert "auth_url" in found.value.hint


def test_update_sends_parameters_only(heat: Heat, cloud: Cloud) -> None:
    """PATCH keeps template and other parameters; earlier events are ignored."""
    heat.event(STACK, "UPDATE_IN_PROGRESS")
    heat.event(STACK, "UPDATE_COMPLETE")
    heat.then = [
        lambda: None,
        lambda: heat.event(STACK, "UPDATE_IN_PROGRESS"),
        lambda: heat.event("kvstore_start_control_0", "UPDATE_IN_PROGRESS"),
        lambda: heat.event(STACK, "UPDATE_COMPLETE"),
    ]
    recorder = Recorder()
    of, before = stack.update(STACK, {"admin_request": "b"}, cloud)
    stack.follow(of, recorder, 60, cloud, before)
    [(method, path, body)] = heat.sent
    assert (method, path) == ("PATCH", f"/stacks/{STACK}/{IDENTITY}")
    assert body["parameters"] == {"admin_request": "b"}
    assert "template" not in body
    assert recorder.events == [
        "demo UPDATE_IN_PROGRESS",
        "kvstore_start_control_0 UPDATE_IN_PROGRESS",
        "demo UPDATE_COMPLETE",
    ]


def test_update_of_unknown_parameter(heat: Heat, cloud: Cloud) -> None:
    """A parameter that the stack does not have is an error, and no request is sent."""
    with pytest.raises(CloudFailed, match="certificates_generation") as found:
        stack.update(STACK, {"certificates_generation": "2"}, cloud)
    assert found.value.code == Code.MISSING_STACK_PARAMETER
    assert heat.sent == []


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, Code.CLOUD_REFUSED), (401, Code.AUTHENTICATION_FAILED)],
)
def test_rejected_update(heat: Heat, cloud: Cloud, status: int, code: Code) -> None:
    """Heat's reason is reported, and the code depends on the status."""
    heat.refusal = (status, "no such flavor")
    with pytest.raises(CloudFailed, match="no such flavor") as found:
        stack.update(STACK, {"admin_request": "b"}, cloud)
    assert found.value.code == code


def test_failed_creation(heat: Heat, cloud: Cloud) -> None:
    """A failed creation is reported with Heat's reason and the command that collects logs."""
    heat.there = False
    created = stack.create("demo", {"resources": {}}, 20, cloud, "ci,short")
    fields = heat.sent[0][2]
    assert (fields["timeout_mins"], fields["tags"], fields["disable_rollback"]) == (
        20, "ci,short", True,
    )  # fmt: skip
    heat.event(STACK, "CREATE_IN_PROGRESS")
    heat.event(STACK, "CREATE_FAILED", reason="kvstore/start on demo-control-0: disk full")
    with pytest.raises(CloudFailed, match="disk full") as found:
        stack.follow(created, Recorder(), 60, cloud)
    assert found.value.code == Code.STACK_FAILED
    assert "heatgen logs demo" in found.value.hint


def test_timeouts(heat: Heat, cloud: Cloud) -> None:
    """Timeouts of heatgen and of Heat are both TimeoutErrors."""
    created = stack.get(STACK, cloud)
    with pytest.raises(TimeoutError, match="after 0 min"):
        stack.follow(created, Recorder(), 0, cloud)
    heat.event(STACK, "CREATE_FAILED", reason="Create timed out")
    with pytest.raises(TimeoutError, match="Create timed out"):
        stack.follow(created, Recorder(), 60, cloud)


def test_deletion(heat: Heat, cloud: Cloud) -> None:
    """The deletion is complete when the stack does not exist any more."""
    heat.event(STACK, "CREATE_COMPLETE")
    before = stack.delete(stack.get(STACK, cloud), cloud)
    heat.then = [
        lambda: heat.event(STACK, "DELETE_IN_PROGRESS"),
        lambda: setattr(heat, "there", False),
    ]
    recorder = Recorder()
    of = Stack(
        name=STACK,
        identity=IDENTITY,
        action="DELETE",
        status="IN_PROGRESS",
        reason="",
        parameters={},
        outputs={},
    )
    stack.follow(of, recorder, 60, cloud, before)
    assert recorder.events == ["demo DELETE_IN_PROGRESS"]
    assert heat.sent[0][0] == "DELETE"


def test_failed_requests(heat: Heat, cloud: Cloud) -> None:
    """A few failed requests are tolerated; persistent failures are raised."""
    heat.event(STACK, "CREATE_IN_PROGRESS")
    heat.away = 3
    heat.then = [lambda: heat.event(STACK, "CREATE_COMPLETE")]
    recorder = Recorder()
    of = Stack(
        name=STACK,
        identity=IDENTITY,
        action="CREATE",
        status="IN_PROGRESS",
        reason="",
        parameters={},
        outputs={},
    )
    stack.follow(of, recorder, 60, cloud)
    assert recorder.events == ["demo CREATE_IN_PROGRESS", "demo CREATE_COMPLETE"]
    heat.away = 1000
    with pytest.raises(CloudFailed, match="restarting"):
        stack.follow(of, recorder, 60, cloud)


def test_event_before_operation(heat: Heat, cloud: Cloud) -> None:
    """The operation in progress begins with the last IN_PROGRESS event of the stack."""
    for name in (STACK, "network", STACK):
        heat.event(name, "CREATE_IN_PROGRESS" if name == STACK else "CREATE_COMPLETE")
    heat.event("network", "CREATE_COMPLETE")
    assert stack.event_before_operation(stack.get(STACK, cloud), cloud) == "1"


def failed_step() -> dict[str, Any]:
    """Return the deployment of a failed step."""
    lines = "\n".join(f"line {number}" for number in range(30))
    values = {"deploy_stdout": "", "deploy_stderr": lines, "deploy_status_code": 1}
    return {"status": "FAILED", "status_reason": "problem : disk full", "output_values": values}


def test_failures(heat: Heat, cloud: Cloud) -> None:
    """A failure has layer, step and node, the reason, and the last lines of output."""
    heat.resource("0", "OS::Heat::SoftwareDeployment", "CREATE_COMPLETE", "runtime_start_workers")
    heat.resource("1", "OS::Heat::SoftwareDeployment", "CREATE_FAILED", "runtime_start_workers")
    complete = {**failed_step(), "status": "COMPLETE"}
    heat.deployments = {
        "runtime_start_workers0": complete, "runtime_start_workers1": failed_step(),
    }  # fmt: skip
    of = stack.get(STACK, cloud)
    [text] = stack.failures(of, stack.progress(of, cloud), cloud)
    assert text.startswith("runtime/start on demo-worker-1: problem : disk full\n  | line 20\n")
    assert text.endswith("  | line 29")


def test_failures_of_infrastructure(heat: Heat, cloud: Cloud) -> None:
    """A failed resource that is not a step is reported with its name."""
    heat.resource("control_0", "OS::Nova::Server", "CREATE_FAILED", reason="No valid host")
    of = stack.get(STACK, cloud)
    assert stack.failures(of, stack.progress(of, cloud), cloud) == ["control_0: No valid host"]


def test_read_states(heat: Heat, cloud: Cloud) -> None:
    """States are recorded by layer, those of group members by node."""
    heat.resource("network", "OS::Neutron::Net", "CREATE_COMPLETE")
    heat.resource("kvstore_start_control_0", "OS::Heat::SoftwareDeployment", "INIT_COMPLETE")
    heat.resource(
        "1", "OS::Heat::SoftwareDeployment", "CREATE_IN_PROGRESS", "runtime_start_workers"
    )
    of = stack.get(STACK, cloud)
    progress = stack.progress(of, cloud)
    stack.read_states(of, progress, cloud)
    layers = [(layer, done, total, list(map(str, busy)))
              for layer, done, total, busy in progress.layers()]  # fmt: skip
    assert layers == [
        ("cloud", 1, 4, []),
        ("runtime", 0, 2, ["runtime/start on demo-worker-1"]),
        ("kvstore", 0, 1, []),
    ]
