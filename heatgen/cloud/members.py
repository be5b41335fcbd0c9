# SPDX-License-Identifier: Apache-2.0
"""Edge: reads the servers of a stack one by one, stops and starts them, marks them as unhealthy."""

import time
from typing import Any

from heatgen.cloud.connection import Cloud, call
from heatgen.cloud.errors import CloudFailed, NotFound
from heatgen.cloud.stack import Stack, resources
from heatgen.hot import resolve
from heatgen.hot.deployments import SERVER, indexed_nodes, member_of
from heatgen.layers import CONTROL
from heatgen.stack.members import Member, groups, node_name
from heatgen.stack.update_preview import StackState

ACTIVE, SHUTOFF, ERROR = "ACTIVE", "SHUTOFF", "ERROR"
PAUSE = 2.0
STOP_SECONDS = 180.0
"""Nova waits 60 s for the operating system by default, then it stops the server hard."""


def read(stack: Stack, state: StackState, cloud: Cloud) -> list[Member]:
    """Return the servers that a stack should have, those of the control plane first.

    A server that the parameters do not imply is omitted: its removal has begun, and the next update
    completes it.

    Args:
        stack: the stack.
        state: its template and parameters.
        cloud: the cloud.
    """
    declared = resolve.resources(state.template, state.values)
    group_of = {item.resource: item.name for item in groups(stack.name, declared)}
    statuses = {item.id: str(item.status) for item in call(_servers, cloud)}
    existing = {
        member_of(stack.name, item.stack_name, item.resource_name): item
        for item in resources(stack, cloud)
        if item.resource_type == SERVER
    }
    found = []
    for name, item in declared.items():
        if item["type"] != SERVER and name not in group_of:
            continue
        for index, server in indexed_nodes(name, item, declared).items():
            group = group_of.get(name, CONTROL)
            number = index or name.rpartition("_")[2]
            known = existing.get((name, index))
            identity = str(known.physical_resource_id or "") if known else ""
            found.append(
                Member(
                    resource=index or name,
                    stack=_path(known) if known else stack.path,
                    group=group,
                    index=number,
                    server=server,
                    node=node_name(server, f"{group}-{number}"),
                    identity=identity,
                    status=statuses.get(identity, ""),
                )
            )
    return found


def status(member: Member, cloud: Cloud) -> str:
    """Return the current status of a server in Nova; '' if it does not exist."""
    if not member.identity:
        return ""
    try:
        return str(call(_get_server, cloud, member.identity).status)
    except NotFound:
        return ""


def stop(member: Member, cloud: Cloud) -> bool:
    """Stop a server; return whether it is not running any more.

    A server on a failed host keeps the status ``ACTIVE``.
    """
    if status(member, cloud) != ACTIVE:
        return True
    try:
        call(cloud.connection.compute.stop_server, member.identity)
    except CloudFailed:
        # It is in another state by now, or Nova refuses.
        return status(member, cloud) != ACTIVE
    return wait_status(member, cloud, STOP_SECONDS, lambda now: now != ACTIVE)


def start(member: Member, cloud: Cloud) -> None:
    """Start a server that is stopped.

    Raises:
        CloudFailed: Nova refuses.
    """
    call(cloud.connection.compute.start_server, member.identity)


def reboot(member: Member, cloud: Cloud) -> None:
    """Reboot a server: Nova first shuts the operating system down.

    Raises:
        CloudFailed: Nova refuses.
    """
    call(cloud.connection.compute.reboot_server, member.identity, "SOFT")


def wait_status(member: Member, cloud: Cloud, seconds: float, done: Any) -> bool:
    """Wait until a condition of the status in Nova is true; return whether it is."""
    limit = time.monotonic() + seconds
    while not done(status(member, cloud)):
        if time.monotonic() > limit:
            return False
        time.sleep(PAUSE)
    return True


def mark_unhealthy(member: Member, reason: str, cloud: Cloud, *, unhealthy: bool = True) -> None:
    """Mark one server as unhealthy, so that the next update replaces it, or undo this.

    The server is marked in the stack that has it. A group must not be marked: Heat would replace
    the group with all its servers (``StackResource._needs_update``).
    """
    call(
        cloud.heat().resources.mark_unhealthy,
        stack_id=member.stack,
        resource_name=member.resource,
        mark_unhealthy=unhealthy,
        resource_status_reason=reason,
    )


def _servers(cloud: Cloud) -> list[Any]:
    return list(cloud.connection.compute.servers())


def _get_server(cloud: Cloud, identity: str) -> Any:
    return cloud.connection.compute.get_server(identity)


def _path(resource: Any) -> str:
    """Return name and id of the stack that has a resource."""
    [link] = [link["href"] for link in resource.links if link["rel"] == "stack"]
    return "/".join(str(link).rstrip("/").split("/")[-2:])
