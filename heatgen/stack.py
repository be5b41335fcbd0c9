# SPDX-License-Identifier: Apache-2.0
"""Edge: asks Heat. Credentials come from clouds.yaml or OS_* as for every OpenStack client."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

TIMEOUT = 60
"""Seconds for one request."""
PAUSE = 2.0
"""Seconds between two looks at an update."""
_NO_CREDENTIALS = (
    "name an entry of clouds.yaml by --os-cloud or OS_CLOUD, or set OS_AUTH_URL and so on"
)
_REFUSED = "the cloud refused it: see 'openstack stack event list'"
Notice = Callable[[str], None]


class CloudFailed(Exception):
    """The cloud gave no answer that can be used: why, and what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True)
class State:
    """What Heat says of a stack while it is updated."""

    status: str
    reason: str
    updated: str
    """When the last update began."""
    busy: tuple[str, ...]
    """Resources that are being made or changed."""


def outputs(name: str, cloud: str | None = None) -> dict[str, Any]:
    """Outputs of a stack.

    Args:
        name: or id of the stack.
        cloud: entry of clouds.yaml; None for OS_CLOUD or OS_*.

    Raises:
        CloudFailed: no credentials, no answer, no such stack, or a stack that is not complete.
    """
    stack = _complete_stack(connect(cloud), name)
    return {item["output_key"]: item["output_value"] for item in stack.outputs or []}


def update(
    name: str, changes: Mapping[str, str], notice: Notice, limit: float, cloud: str | None = None
) -> None:
    """Update a stack with its own template, these parameters changed, and wait until it is done.

    Args:
        name: or id of the stack.
        changes: parameters; the others stay as they are.
        notice: is told what is going on.
        limit: seconds to wait.
        cloud: entry of clouds.yaml; None for OS_CLOUD or OS_*.

    Raises:
        CloudFailed: no credentials, no answer, or an update that failed.
        TimeoutError: it is not done in time; it goes on in the cloud.
    """
    from openstack.exceptions import raise_from_response

    connection = connect(cloud)
    stack = _complete_stack(connection, name)
    missing = [key for key in changes if key not in (stack.parameters or {})]
    if missing:
        hint = "update the stack with a template of this heatgen first"
        raise CloudFailed(f"stack {name!r} has no parameter {', '.join(missing)}", hint)
    before = str(stack.updated_at)
    path = f"/stacks/{stack.name}/{stack.id}"

    def start() -> None:
        # PATCH is 'openstack stack update --existing', which the SDK has no word for.
        reply = connection.orchestration.patch(path, json={"parameters": dict(changes)})
        raise_from_response(reply)

    def look() -> State:
        now = connection.orchestration.get_stack(stack.id, resolve_outputs=False)
        found = connection.orchestration.resources(stack.id)
        busy = sorted(item.name for item in found if str(item.status).endswith("_IN_PROGRESS"))
        return State(str(now.status), str(now.status_reason), str(now.updated_at), tuple(busy))

    asked(start)
    wait(lambda: asked(look), before, name, notice, limit)


def wait(look: Callable[[], State], before: str, name: str, notice: Notice, limit: float) -> None:
    """Wait until an update that began after ``before`` is done; see :func:`update`."""
    start = time.monotonic()
    told: tuple[str, ...] = ()
    while True:
        time.sleep(PAUSE)
        state = look()
        seconds = time.monotonic() - start
        if state.updated != before:
            if state.status == "UPDATE_COMPLETE":
                notice(f"{seconds:4.0f} s  stack {name}: update complete")
                return
            if not state.status.endswith("_IN_PROGRESS"):
                hint = f"see 'openstack stack failures list {name}'"
                raise CloudFailed(f"stack {name!r} is {state.status}: {state.reason}", hint)
        if state.busy and state.busy != told:
            told = state.busy
            notice(f"{seconds:4.0f} s  {_shown(told)}")
        if seconds > limit:
            message = f"stack {name!r} is {state.status} after {limit:.0f} s: {_shown(state.busy)}"
            raise TimeoutError(message)


def _shown(busy: tuple[str, ...]) -> str:
    """The first few of what is going on."""
    more = f" and {len(busy) - 4} more" if len(busy) > 4 else ""
    return (", ".join(busy[:4]) or "nothing goes on") + more


def connect(cloud: str | None) -> Any:
    """A connection of openstacksdk; see :func:`outputs`."""
    # Imported here: it takes longer than everything else together.
    import openstack

    return asked(lambda: openstack.connect(cloud=cloud, api_timeout=TIMEOUT))


def _complete_stack(connection: Any, name: str) -> Any:
    """A stack that nothing goes on in."""
    stack = asked(lambda: connection.orchestration.find_stack(name, ignore_missing=True))
    if stack is None:
        raise CloudFailed(f"there is no stack {name!r}", "see 'openstack stack list'")
    status = str(stack.status)
    if not status.endswith("_COMPLETE"):
        hint = f"see 'openstack stack failures list {name}', then update it with --existing"
        raise CloudFailed(f"stack {name!r} is {status}", hint)
    return stack


def asked(question: Callable[[], Any]) -> Any:
    """The cloud's answer; every way of having none is :class:`CloudFailed`."""
    from keystoneauth1.exceptions import ClientException
    from openstack.exceptions import SDKException

    try:
        return question()
    except (SDKException, ClientException) as error:
        reason = [*str(error).strip().splitlines(), type(error).__name__][0]
        # What came with another status was asked with credentials that are good.
        # The SDK and keystoneauth call it differently.
        status = getattr(error, "status_code", None) or getattr(error, "http_status", None)
        hint = _NO_CREDENTIALS if status in (None, 401) else _REFUSED
        raise CloudFailed(reason, hint) from None
