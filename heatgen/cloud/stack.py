# SPDX-License-Identifier: Apache-2.0
"""Edge: a cluster's stack in Heat, asked, made, changed, followed and deleted."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from heatgen.cloud.connection import Cloud, CloudFailed, Missing, asked
from heatgen.hot import resolve
from heatgen.hot.deployments import DEPLOYMENT, SERVER
from heatgen.stack.progress import COMPLETE, FAILED, IN_PROGRESS, Event, Item, Progress
from heatgen.stack.update_preview import StackState

PAUSE = 2.0
"""Seconds between two looks at what goes on."""
GRACE = 60.0
"""Seconds that Heat gets to say itself that a limit is over."""
TRIES = 10
"""How many looks in a row may go without an answer."""
DEPTH = 2
"""How far down stacks in stacks are asked: a group's members are one below."""
LAST_LINES = 10
"""Of a step that failed."""
EventHandler = Callable[[Event | None], None]
"""Is told of each event, and with None that there are no more for now."""


@dataclass(frozen=True, kw_only=True)
class Stack:
    """A stack as Heat tells it."""

    name: str
    identity: str
    action: str
    status: str
    reason: str
    parameters: Mapping[str, str]
    outputs: Mapping[str, Any]

    @property
    def path(self) -> str:
        """What Heat wants to be asked with: name and id."""
        return f"{self.name}/{self.identity}"


@dataclass(frozen=True)
class Server:
    """A server as Nova tells it."""

    name: str
    identity: str
    address: str
    """The first fixed one; '' if it has none yet."""


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """What Heat kept of a step on a server."""

    item: Item
    status: str
    reason: str
    stdout: str
    stderr: str
    code: str
    """Exit status of the script; '' if it has not ended."""


def get(name: str, cloud: Cloud, *, with_outputs: bool = True) -> Stack:
    """A stack.

    Args:
        name: or id.
        cloud: where.
        with_outputs: whether Heat shall work out the outputs, which takes it a while.

    Raises:
        Missing: there is no such stack.
        CloudFailed: no credentials, or no answer.
    """
    try:
        found = asked(cloud.heat().stacks.get, name, resolve_outputs=with_outputs)
    except Missing:
        message = f"there is no stack {name!r}"
        raise Missing(message, "see 'openstack stack list'") from None
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
    """Outputs of a stack.

    Raises:
        CloudFailed: no credentials, no answer, no such stack, or a stack that is not complete.
    """
    return complete(get(name, cloud)).outputs


def complete(stack: Stack) -> Stack:
    """The stack, if it is whole and nothing goes on in it.

    Raises:
        CloudFailed: it is not.
    """
    if stack.status != COMPLETE:
        hint = f"see 'heatgen status {stack.name}'"
        message = f"stack {stack.name!r} is {stack.action}_{stack.status}"
        raise CloudFailed(message, hint)
    return stack


def state(stack: Stack, cloud: Cloud) -> StackState:
    """A stack's template with the values of its parameters."""
    template = asked(cloud.heat().stacks.template, stack.path)
    return StackState(template, resolve.parameters(template, stack.parameters))


def progress(stack: Stack, cloud: Cloud) -> Progress:
    """What there is to do in a stack; nothing of it is taken for done."""
    now = state(stack, cloud)
    return Progress(stack.name, resolve.resources(now.template, now.values))


def look(stack: Stack, into: Progress, cloud: Cloud) -> None:
    """Take note of the state of everything in a stack."""
    heat = cloud.heat()
    for resource in asked(heat.resources.list, stack.path, nested_depth=DEPTH):
        item = into.item(resource.stack_name, resource.resource_name)
        action, _, status = str(resource.resource_status).partition("_")
        if item is not None:
            into.states[item] = "" if action == "INIT" else status


def servers(stack: Stack, cloud: Cloud) -> list[Server]:
    """The servers of a stack that Nova has."""
    heat, compute = cloud.heat(), cloud.connection.compute
    ids = {
        resource.physical_resource_id
        for resource in asked(heat.resources.list, stack.path, nested_depth=DEPTH)
        if resource.resource_type == SERVER
    }
    return [
        Server(item.name, item.id, _address(item.addresses or {}))
        for item in asked(lambda: list(compute.servers()))
        if item.id in ids
    ]


def given_parameters(stack: Stack, cloud: Cloud) -> dict[str, Any]:
    """Parameters that were given to a stack, so that its template's defaults do not count."""
    environment = asked(cloud.heat().stacks.environment, stack.path)
    return dict(environment.get("parameters") or {})


def create(
    name: str, template: Mapping[str, Any], minutes: int, cloud: Cloud, tags: str = ""
) -> Stack:
    """Have Heat begin to create a stack.

    Args:
        name: of the stack.
        template: as Heat gets it.
        minutes: after which Heat gives up.
        cloud: where.
        tags: of the stack, with commas between them.

    Raises:
        CloudFailed: Heat refuses it.
    """
    fields = {"stack_name": name, "template": template, "timeout_mins": minutes}
    # Without rollback: what failed is wanted to be seen, and an update goes on from there.
    fields |= {"disable_rollback": True, **({"tags": tags} if tags else {})}
    made = asked(cloud.heat().stacks.create, **fields)
    return get(made["stack"]["id"], cloud, with_outputs=False)


def preview(name: str, template: Mapping[str, Any], cloud: Cloud) -> None:
    """Have Heat check a template against the cloud as if it were to create it.

    Raises:
        CloudFailed: Heat refuses it.
    """
    asked(cloud.heat().stacks.preview, stack_name=name, template=template)


def update(name: str, changes: Mapping[str, str], cloud: Cloud) -> tuple[Stack, str]:
    """Have Heat begin to update a stack with its own template, these parameters changed.

    Args:
        name: or id of the stack.
        changes: parameters; the others stay as they are.
        cloud: where.

    Returns:
        The stack and the id of the last event before the update.

    Raises:
        CloudFailed: no credentials, no answer, or Heat refuses it.
    """
    stack = complete(get(name, cloud, with_outputs=False))
    missing = [key for key in changes if key not in stack.parameters]
    if missing:
        hint = "update the stack with a template of this heatgen first"
        raise CloudFailed(f"stack {name!r} has no parameter {', '.join(missing)}", hint)
    heat = cloud.heat()
    before = last_event(stack, cloud)
    # 'openstack stack update --existing'
    asked(heat.stacks.update, stack.path, existing=True, parameters=dict(changes))
    return stack, before


def delete(stack: Stack, cloud: Cloud) -> str:
    """Have Heat begin to delete a stack; the last event before that."""
    before = last_event(stack, cloud)
    asked(cloud.heat().stacks.delete, stack.path)
    return before


def last_event(stack: Stack, cloud: Cloud) -> str:
    """Id of the last event of a stack, those of groups in it among them; '' if there is none."""
    heat = cloud.heat()
    found = asked(heat.events.list, stack.path, nested_depth=DEPTH, sort_dir="desc", limit=1)
    return str(found[0].id) if found else ""


def follow(stack: Stack, watch: EventHandler, limit: float, cloud: Cloud, after: str = "") -> None:
    """Wait until what goes on in a stack is done, and tell of each event.

    Args:
        stack: that is made, changed or deleted.
        watch: is told.
        limit: seconds to wait.
        cloud: where.
        after: id of the last event that is not of this.

    Raises:
        CloudFailed: it failed.
        TimeoutError: it is not done in time; it goes on in the cloud.
    """
    heat, start, last, lost = cloud.heat(), time.monotonic(), after, 0
    while True:
        try:
            events, lost = asked(_events, heat, stack, last), 0
        except Missing:
            # Who asks by name and id is told until the end; then the stack is gone.
            return
        except CloudFailed:
            # What goes on for an hour may outlive a restart of the API.
            lost += 1
            if lost == TRIES:
                raise
            events = []
        for event in events:
            last = event.identity
            watch(event)
            if event.physical == stack.identity and event.status != IN_PROGRESS:
                watch(None)
                _end(stack, event)
                return
        watch(None)
        if not events and not lost and _gone(heat, stack):
            return
        if time.monotonic() - start > limit:
            message = f"stack {stack.name!r} is not done after {limit / 60:.0f} min"
            raise TimeoutError(message)
        time.sleep(PAUSE)


def begun(stack: Stack, cloud: Cloud) -> str:
    """Id of the last event before what goes on in a stack; '' if there is none."""
    last = ""
    found = ""
    for event in asked(_events, cloud.heat(), stack, ""):
        if event.physical == stack.identity and event.status == IN_PROGRESS:
            found = last
        last = event.identity
    return found


def step_results(stack: Stack, known: Progress, cloud: Cloud) -> Iterator[StepResult]:
    """What Heat kept of each step on each server, those that have begun.

    Args:
        stack: the cluster's.
        known: that knows what its resources are.
        cloud: where.
    """
    heat = cloud.heat()
    for resource in asked(heat.resources.list, stack.path, nested_depth=DEPTH):
        item = known.item(resource.stack_name, resource.resource_name)
        if resource.resource_type != DEPLOYMENT or item is None:
            continue
        if not resource.physical_resource_id:
            continue
        try:
            kept = asked(heat.software_deployments.get, resource.physical_resource_id)
        except Missing:
            continue
        said = kept.output_values or {}
        code = said.get("deploy_status_code")
        yield StepResult(
            item=item,
            status=str(kept.status),
            reason=str(kept.status_reason or resource.resource_status_reason or ""),
            stdout=str(said.get("deploy_stdout") or ""),
            stderr=str(said.get("deploy_stderr") or ""),
            code="" if code is None else str(code),
        )


def failures(stack: Stack, known: Progress, cloud: Cloud) -> list[str]:
    """What failed in a stack, as text: layer and node, reason, last lines."""
    found = []
    for step in step_results(stack, known, cloud):
        if step.status == FAILED:
            lines = (step.stderr.strip() or step.stdout.strip()).splitlines()[-LAST_LINES:]
            found.append("\n".join([f"{step.item}: {step.reason}", *(f"  | {x}" for x in lines)]))
    if found:
        return found
    heat = cloud.heat()
    return [
        f"{resource.resource_name}: {resource.resource_status_reason}"
        for resource in asked(heat.resources.list, stack.path, nested_depth=DEPTH)
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


def _end(stack: Stack, event: Event) -> None:
    if event.status == FAILED:
        message = f"stack {stack.name!r} is {event.action}_{event.status}: {event.reason}"
        if "timed out" in event.reason.lower():
            raise TimeoutError(message)
        raise CloudFailed(message, f"see 'heatgen logs {stack.name}'")


def _gone(heat: Any, stack: Stack) -> bool:
    """Whether a stack is deleted: then it has no new events."""
    try:
        found = asked(heat.stacks.get, stack.path, resolve_outputs=False)
    except Missing:
        return True
    return bool(found.stack_status == "DELETE_COMPLETE")
