# SPDX-License-Identifier: Apache-2.0
"""Edge: whether a stack can be updated, and what an update repairs."""

from heatgen.cloud.connection import Cloud
from heatgen.cloud.errors import CloudFailed
from heatgen.cloud.stack import Stack, resources
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
    return [
        FailedResource(
            stack=resource.stack_name,
            name=resource.resource_name,
            kind=resource.resource_type,
            status=str(resource.resource_status),
            exists=bool(resource.physical_resource_id),
        )
        for resource in resources(stack, cloud)
        if str(resource.resource_status).endswith(f"_{FAILED}")
    ]
