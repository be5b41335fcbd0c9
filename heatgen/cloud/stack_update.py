# SPDX-License-Identifier: Apache-2.0
"""Edge: whether a stack can be updated, and what an update repairs."""

from collections.abc import Iterable
from typing import Any

from heatgen.cloud.connection import Cloud
from heatgen.cloud.errors import CloudFailed
from heatgen.cloud.stack import Stack, get, resources
from heatgen.hot.deployments import GROUP
from heatgen.stack.progress import FAILED, IN_PROGRESS
from heatgen.stack.update_preview import CHECK_FAILED, FailedResource
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
        and not _only_checked(resource, cloud)
    ]


def require_healthy_groups(stack: Stack, failed: Iterable[FailedResource]) -> None:
    """Check that no whole group of workers is marked as unhealthy.

    Raises:
        CloudFailed: an update would replace all servers of a group at once.
    """
    for item in failed:
        if item.kind == GROUP and item.status == CHECK_FAILED:
            message = (
                f"the group {item.name} of stack {stack.name!r} is marked as unhealthy: Heat would "
                "replace all its servers at once"
            )
            hint = (
                f"run 'openstack stack resource mark unhealthy --reset {stack.name} {item.name}', "
                "and replace single nodes with 'heatgen replace'"
            )
            raise CloudFailed(message, hint, code=Code.GROUP_UNHEALTHY)


def _only_checked(resource: Any, cloud: Cloud) -> bool:
    """Return whether a group failed only because 'openstack stack check' found a failed member.

    Heat then replaces only the failed members (``StackResource._needs_update``).
    """
    if resource.resource_type != GROUP or str(resource.resource_status) != CHECK_FAILED:
        return False
    nested = get(resource.physical_resource_id, cloud, with_outputs=False)
    return f"{nested.action}_{nested.status}" == CHECK_FAILED
