# SPDX-License-Identifier: Apache-2.0
"""Edge: asks Heat. Credentials come from clouds.yaml or OS_* as for every OpenStack client."""

from typing import Any


class CloudFailed(Exception):
    """The cloud gave no answer that can be used: why, and what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


TIMEOUT = 60
"""Seconds for one request."""


def outputs(name: str, cloud: str | None = None) -> dict[str, Any]:
    """Outputs of a stack.

    Args:
        name: or id of the stack.
        cloud: entry of clouds.yaml; None for OS_CLOUD or OS_*.

    Raises:
        CloudFailed: no credentials, no answer, no such stack, or a stack that is not complete.
    """
    # Imported here: it takes longer than everything else together.
    import openstack
    from keystoneauth1.exceptions import ClientException
    from openstack.exceptions import SDKException

    try:
        connection = openstack.connect(cloud=cloud, api_timeout=TIMEOUT)
        stack = connection.orchestration.find_stack(name, ignore_missing=True)
    except (SDKException, ClientException) as error:
        reason = [*str(error).strip().splitlines(), type(error).__name__][0]
        hint = (
            "name an entry of clouds.yaml by --os-cloud or OS_CLOUD, or set OS_AUTH_URL and so on"
        )
        raise CloudFailed(reason, hint) from None
    if stack is None:
        raise CloudFailed(f"there is no stack {name!r}", "see 'openstack stack list'")
    status = str(stack.status)
    if not status.endswith("_COMPLETE"):
        raise CloudFailed(
            f"stack {name!r} is {status}", f"see 'openstack stack failures list {name}'"
        )
    return {item["output_key"]: item["output_value"] for item in stack.outputs or []}
