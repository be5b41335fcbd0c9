# SPDX-License-Identifier: Apache-2.0
"""Edge: updates a stack to a new template."""

from collections.abc import Mapping
from typing import Any

from heatgen.cloud.connection import Cloud, call
from heatgen.cloud.errors import CloudFailed
from heatgen.cloud.stack import DEPTH, Stack, last_event
from heatgen.stack.progress import FAILED, IN_PROGRESS
from heatgen.stack.update_preview import FailedResource
from heatgen.yamlio.codes import Code


def require_updatable(stack: Stack) -> None:
    """Check that Heat accepts an update of a stack. A failed stack can be updated.

    Raises:
        CloudFailed: an operation is in progress, or the stack is suspended or was being deleted.
    """
    hints = {
        "DELETE": f"run 'heatgen delete {stack.name}' again",
        "SUSPEND": f"run 'openstack stack resume {stack.name}' first",
    }
    hint = hints.get(stack.action, "")
    if stack.status == IN_PROGRESS:
        hint = f"run 'heatgen status {stack.name} --wait', and then this command again"
    if hint:
        message = f"stack {stack.name!r} is {stack.action}_{stack.status}"
        raise CloudFailed(message, hint, code=Code.STACK_NOT_COMPLETE)


def failed_resources(stack: Stack, cloud: Cloud) -> list[FailedResource]:
    """Return the resources that failed or were marked unhealthy, which an update recreates."""
    heat = cloud.heat()
    return [
        FailedResource(
            stack=resource.stack_name,
            name=resource.resource_name,
            kind=resource.resource_type,
            status=str(resource.resource_status),
            exists=bool(resource.physical_resource_id),
        )
        for resource in call(heat.resources.list, stack.path, nested_depth=DEPTH)
        if str(resource.resource_status).endswith(f"_{FAILED}")
    ]


def start(
    stack: Stack,
    template: Mapping[str, Any],
    parameters: Mapping[str, str],
    minutes: int,
    cloud: Cloud,
) -> str:
    """Start an update of a stack, like 'openstack stack update --existing -t TEMPLATE'.

    Args:
        stack: the stack.
        template: the new template, as sent to Heat.
        parameters: changed parameters; others that were set explicitly are kept.
        minutes: Heat's timeout of the update.
        cloud: the cloud.

    Returns:
        The id of the last event before the update.

    Raises:
        CloudFailed: Heat rejected the request.
    """
    heat = cloud.heat()
    before = last_event(stack, cloud)
    fields: dict[str, Any] = {"template": template, "parameters": dict(parameters)}
    call(heat.stacks.update, stack.path, existing=True, timeout_mins=minutes, **fields)
    return before
