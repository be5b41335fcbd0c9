# SPDX-License-Identifier: Apache-2.0
"""Edge: reads, creates, updates, follows and deletes a cluster's stack in Heat."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from heatgen.cloud.connection import Cloud, call
from heatgen.cloud.errors import CloudFailed, NotFound
from heatgen.hot import resolve
from heatgen.hot.deployments import DEPLOYMENT, SERVER
from heatgen.stack.progress import COMPLETE, FAILED, IN_PROGRESS, Event, Item, Progress
from heatgen.stack.update_preview import StackState
from heatgen.yamlio.codes import Code

PAUSE = 2.0
"""Polling interval in seconds."""
GRACE = 60.0
"""Seconds to wait beyond Heat's own timeout, so that Heat reports it."""
TRIES = 10
"""Number of consecutive failed requests after which following a stack fails."""
DEPTH = 2
"""Depth of nested stacks in requests: members of a group are one level down."""
LAST_LINES = 10
"""Number of output lines shown of a failed step."""
EventHandler = Callable[[Event | None], None]
"""Called with each event, and with None when there are no more events for now."""


@dataclass(frozen=True, kw_only=True)
class Stack:
    """A stack in Heat."""

    name: str
    identity: str
    action: str
    status: str
    reason: str
    parameters: Mapping[str, str]
    outputs: Mapping[str, Any]

    @property
    def path(self) -> str:
        """Path of the stack in Heat's API: name and id."""
        return f"{self.name}/{self.identity}"


@dataclass(frozen=True)
class Server:
    """A server in Nova."""

    name: str
    identity: str
    address: str
    """First fixed address; '' before it is assigned."""


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """Result of a step on a server, as stored in Heat."""

    item: Item
    status: str
    reason: str
    stdout: str
    stderr: str
    code: str
    """Exit status of the script; '' if it has not finished."""


def get(name: str, cloud: Cloud, *, with_outputs: bool = True) -> Stack:
    """Return a stack.

    Args:
        name: name or id of the stack.
        cloud: the cloud.
        with_outputs: whether Heat resolves the outputs, which is slow.

    Raises:
        NotFound: the stack does not exist.
        CloudFailed: no credentials, or no response.
    """
    try:
        found = call(cloud.heat().stacks.get, name, resolve_outputs=with_outputs)
    except NotFound as error:
        raise NotFound(f"no stack {name!r}", error.hint, code=error.code) from None
    if not hasattr(found, "stack_status"):
        message = "the response of the orchestration endpoint is not that of Heat"
        hint = "check the endpoint with 'openstack catalog show orchestration'"
        raise CloudFailed(message, hint, code=Code.UNEXPECTED_RESPONSE)
    action, _, status = str(found.stack_status).partition("_")
    return Stack(
        name=found.stack_name,
        identity=found.id,
        action=action,
        status=status,
        reason=str(found.stack_status_reason),
        parameters=dict(found.parameters or {}),
        outputs={
            item["output_key"]: item.get("output_value")
            for item in getattr(found, "outputs", None) or []
        },
    )


def outputs(name: str, cloud: Cloud) -> Mapping[str, Any]:
    """Return the outputs of a stack.

    Raises:
        CloudFailed: no credentials, no response, no such stack, or a stack that is not complete.
    """
    return require_complete(get(name, cloud)).outputs


def require_complete(stack: Stack) -> Stack:
    """Return the stack if it is complete and no operation is in progress.

    Raises:
        CloudFailed: otherwise.
    """
    if stack.status != COMPLETE:
        hint = f"run 'heatgen status {stack.name}' for details"
        message = f"stack {stack.name!r} is {stack.action}_{stack.status}"
        raise CloudFailed(message, hint, code=Code.STACK_NOT_COMPLETE)
    return stack


def state(stack: Stack, cloud: Cloud) -> StackState:
    """Return a stack's template with the values of its parameters."""
    template = call(cloud.heat().stacks.template, stack.path)
    return StackState(template, resolve.parameters(template, stack.parameters))


def progress(stack: Stack, cloud: Cloud) -> Progress:
    """Return the progress of a stack in which no item has begun."""
    now = state(stack, cloud)
    return Progress(stack.name, resolve.resources(now.template, now.values))


def resources(stack: Stack, cloud: Cloud) -> list[Any]:
    """Return the resources of a stack and its nested stacks, as python-heatclient lists them."""
    return list(call(cloud.heat().resources.list, stack.path, nested_depth=DEPTH))


def read_states(stack: Stack, into: Progress, cloud: Cloud) -> None:
    """Record the current state of all resources of a stack."""
    for resource in resources(stack, cloud):
        item = into.item(resource.stack_name, resource.resource_name)
        action, _, status = str(resource.resource_status).partition("_")
        if item is not None:
            into.states[item] = "" if action == "INIT" else status


def servers(stack: Stack, cloud: Cloud) -> list[Server]:
    """Return the servers of a stack that exist in Nova."""
    compute = cloud.connection.compute
    ids = {
        resource.physical_resource_id
        for resource in resources(stack, cloud)
        if resource.resource_type == SERVER
    }
    return [
        Server(item.name, item.id, _address(item.addresses or {}))
        for item in call(lambda: list(compute.servers()))
        if item.id in ids
    ]


def explicit_parameters(stack: Stack, cloud: Cloud) -> dict[str, Any]:
    """Return the parameters that were set explicitly, which override the template's defaults."""
    environment = call(cloud.heat().stacks.environment, stack.path)
    return dict(environment.get("parameters") or {})


def create(
    name: str, template: Mapping[str, Any], minutes: int, cloud: Cloud, tags: str = ""
) -> Stack:
    """Start the creation of a stack.

    Args:
        name: name of the stack.
        template: template as sent to Heat.
        minutes: Heat's timeout of the creation.
        cloud: the cloud.
        tags: tags of the stack, separated by commas.

    Raises:
        CloudFailed: Heat rejected the request.
    """
    fields = {"stack_name": name, "template": template, "timeout_mins": minutes}
    # No rollback: keep failed resources for inspection; an update resumes from there.
    fields |= {"disable_rollback": True, **({"tags": tags} if tags else {})}
    created = call(cloud.heat().stacks.create, **fields)
    return get(created["stack"]["id"], cloud, with_outputs=False)


def preview(name: str, template: Mapping[str, Any], cloud: Cloud) -> None:
    """Request Heat's preview, which validates a template against the cloud.

    Raises:
        CloudFailed: Heat rejected the template.
    """
    call(cloud.heat().stacks.preview, stack_name=name, template=template)


def update(name: str, changes: Mapping[str, str], cloud: Cloud) -> tuple[Stack, str]:
    """Start an update of a stack that keeps its template and changes parameters.

    Args:
        name: name or id of the stack.
        changes: changed parameters; the others are kept.
        cloud: the cloud.

    Returns:
        The stack and the id of the last event before the update.

    Raises:
        CloudFailed: no credentials, no response, or Heat rejected the request.
    """
    stack = require_complete(get(name, cloud, with_outputs=False))
    require_parameters(stack, changes)
    return stack, start_update(stack, {"parameters": dict(changes)}, cloud)


def require_parameters(stack: Stack, names: Iterable[str]) -> None:
    """Check that the stack has these parameters.

    Raises:
        CloudFailed: its template is of an older version of heatgen.
    """
    missing = [name for name in names if name not in stack.parameters]
    if missing:
        message = f"stack {stack.name!r} has no parameter {', '.join(missing)}"
        hint = "first update the stack with a template of this version of heatgen"
        raise CloudFailed(message, hint, code=Code.MISSING_STACK_PARAMETER)


def start_update(stack: Stack, fields: Mapping[str, Any], cloud: Cloud) -> str:
    """Start an update of a stack, like 'openstack stack update --existing'.

    Args:
        stack: the stack.
        fields: fields of the request: changed ``parameters``, others that were set explicitly are
            kept; a new ``template``; ``timeout_mins``.
        cloud: the cloud.

    Returns:
        The id of the last event before the update.

    Raises:
        CloudFailed: Heat rejected the request.
    """
    before = last_event(stack, cloud)
    call(cloud.heat().stacks.update, stack.path, existing=True, **fields)
    return before


def delete(stack: Stack, cloud: Cloud) -> str:
    """Start the deletion of a stack; return the id of the last event before."""
    before = last_event(stack, cloud)
    call(cloud.heat().stacks.delete, stack.path)
    return before


def last_event(stack: Stack, cloud: Cloud) -> str:
    """Return the id of the last event of a stack and its nested stacks, or ''."""
    heat = cloud.heat()
    found = call(heat.events.list, stack.path, nested_depth=DEPTH, sort_dir="desc", limit=1)
    return str(found[0].id) if found else ""


def follow(
    stack: Stack, handler: EventHandler, limit: float, cloud: Cloud, after: str = ""
) -> None:
    """Wait for the end of the operation on a stack, and pass on its events.

    Args:
        stack: the stack that is created, updated or deleted.
        handler: called with each event.
        limit: maximum time to wait, in seconds.
        cloud: the cloud.
        after: id of the last event before the operation.

    Raises:
        CloudFailed: the operation failed.
        TimeoutError: the operation did not end in time; it continues in the cloud.
    """
    heat, start, last, failed_requests = cloud.heat(), time.monotonic(), after, 0
    while True:
        try:
            events, failed_requests = call(_events, heat, stack, last), 0
        except NotFound:
            # Heat answers requests by name and id until the deletion is complete.
            return
        except CloudFailed:
            # The API may be restarted during an operation that takes an hour.
            failed_requests += 1
            if failed_requests == TRIES:
                raise
            events = []
        for event in events:
            last = event.identity
            handler(event)
            if event.physical == stack.identity and event.status != IN_PROGRESS:
                handler(None)
                _raise_if_failed(stack, event)
                return
        handler(None)
        if not events and not failed_requests and _is_deleted(heat, stack):
            return
        if time.monotonic() - start > limit:
            message = f"stack {stack.name!r} is not complete after {limit / 60:.0f} min"
            raise TimeoutError(message)
        time.sleep(PAUSE)


def event_before_operation(stack: Stack, cloud: Cloud) -> str:
    """Return the id of the last event before the operation in progress, or ''."""
    last = ""
    found = ""
    for event in call(_events, cloud.heat(), stack, ""):
        if event.physical == stack.identity and event.status == IN_PROGRESS:
            found = last
        last = event.identity
    return found


def step_results(stack: Stack, progress: Progress, cloud: Cloud) -> Iterator[StepResult]:
    """Yield the results of all steps on all servers that have begun.

    Args:
        stack: the cluster's stack.
        progress: progress with the items of the stack's resources.
        cloud: the cloud.
    """
    heat = cloud.heat()
    for resource in resources(stack, cloud):
        item = progress.item(resource.stack_name, resource.resource_name)
        if resource.resource_type != DEPLOYMENT or item is None:
            continue
        if not resource.physical_resource_id:
            continue
        try:
            deployment = call(heat.software_deployments.get, resource.physical_resource_id)
        except NotFound:
            continue
        values = deployment.output_values or {}
        code = values.get("deploy_status_code")
        yield StepResult(
            item=item,
            status=str(deployment.status),
            reason=str(deployment.status_reason or resource.resource_status_reason or ""),
            stdout=str(values.get("deploy_stdout") or ""),
            stderr=str(values.get("deploy_stderr") or ""),
            code="" if code is None else str(code),
        )


def failures(stack: Stack, progress: Progress, cloud: Cloud) -> list[str]:
    """Describe the failures in a stack: layer and node, reason, last lines of output."""
    found = []
    for step in step_results(stack, progress, cloud):
        if step.status == FAILED:
            lines = (step.stderr.strip() or step.stdout.strip()).splitlines()[-LAST_LINES:]
            found.append("\n".join([f"{step.item}: {step.reason}", *(f"  | {x}" for x in lines)]))
    if found:
        return found
    return [
        f"{resource.resource_name}: {resource.resource_status_reason}"
        for resource in resources(stack, cloud)
        if str(resource.resource_status).endswith(FAILED)
    ]


def _events(heat: Any, stack: Stack, after: str) -> list[Event]:
    found = heat.events.list(stack.path, nested_depth=DEPTH, sort_dir="asc", marker=after)
    return [_event(item) for item in found]


def _event(item: Any) -> Event:
    links = {link["rel"]: link["href"] for link in item.links}
    action, _, status = str(item.resource_status).partition("_")
    return Event(
        identity=item.id,
        stack=links["stack"].rsplit("/", 2)[-2],
        resource=item.resource_name,
        physical=str(item.physical_resource_id or ""),
        action=action,
        status=status,
        reason=str(item.resource_status_reason or ""),
    )


def _address(networks: Mapping[str, list[dict[str, Any]]]) -> str:
    return next(
        (
            str(entry["addr"])
            for entries in networks.values()
            for entry in entries
            if entry.get("OS-EXT-IPS:type", "fixed") == "fixed"
        ),
        "",
    )


def _raise_if_failed(stack: Stack, event: Event) -> None:
    if event.status == FAILED:
        message = f"stack {stack.name!r} is {event.action}_{event.status}: {event.reason}"
        if "timed out" in event.reason.lower():
            raise TimeoutError(message)
        hint = f"run 'heatgen logs {stack.name}' to collect logs"
        raise CloudFailed(message, hint, code=Code.STACK_FAILED)


def _is_deleted(heat: Any, stack: Stack) -> bool:
    """Return whether a stack is deleted, after which it has no new events."""
    try:
        found = call(heat.stacks.get, stack.path, resolve_outputs=False)
    except NotFound:
        return True
    return bool(found.stack_status == "DELETE_COMPLETE")
