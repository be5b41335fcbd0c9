# SPDX-License-Identifier: Apache-2.0
"""Edge: connection to a cloud, with credentials from clouds.yaml or OS_* as in every client."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from heatgen.yamlio.codes import Code

TIMEOUT = 60
"""Timeout of a request in seconds."""
_CREDENTIALS_HINT = (
    "pass an entry of clouds.yaml with --os-cloud or OS_CLOUD, or set OS_AUTH_URL and related "
    "variables"
)
_REFUSED_HINT = "run 'openstack stack event list' for details"
_NOT_FOUND_HINT = "run 'openstack stack list' to list the stacks"
_Result = TypeVar("_Result")


class CloudFailed(Exception):
    """A request to the cloud failed, or its result is not usable."""

    def __init__(self, message: str, hint: str, *, code: Code) -> None:
        super().__init__(message)
        self.hint = hint
        self.code = code


class NotFound(CloudFailed):
    """The requested resource does not exist."""


@dataclass(frozen=True)
class Cloud:
    """A cloud with credentials.

    Args:
        connection: connection of openstacksdk.
    """

    connection: Any

    def has(self, service: str) -> bool:
        """Return whether the cloud has a service of an official type."""
        from keystoneauth1.exceptions import CatalogException

        config, session = self.connection.config, self.connection.session
        interface, region = config.get_interface(service), config.get_region_name(service)

        # Connection.has_service is not used because it logs a warning for each missing service.
        def exists() -> bool:
            filters = {"service_type": service, "interface": interface, "region_name": region}
            try:
                return session.get_endpoint(**filters) is not None
            except CatalogException:
                return False

        return call(exists)

    def heat(self) -> Any:
        """Return a client of python-heatclient with the same session."""
        from heatclient.v1.client import Client

        config = self.connection.config
        return Client(
            session=self.connection.session,
            service_type="orchestration",
            interface=config.get_interface("orchestration"),
            region_name=config.get_region_name("orchestration"),
            endpoint_override=config.get_endpoint("orchestration"),
        )


def connect(name: str | None = None) -> Cloud:
    """Connect to the cloud of an entry of clouds.yaml; None for OS_CLOUD or OS_*.

    Raises:
        CloudFailed: no credentials.
    """
    # Imported here: it takes longer than all other imports together.
    import openstack

    return Cloud(call(openstack.connect, cloud=name, api_timeout=TIMEOUT))


def call(function: Callable[..., _Result], *args: Any, **kwargs: Any) -> _Result:
    """Call a function that sends requests, and convert its errors.

    Raises:
        NotFound: the requested resource does not exist.
        CloudFailed: any other failure.
    """
    from heatclient.exc import HTTPException
    from keystoneauth1.exceptions import ClientException
    from openstack.exceptions import SDKException

    try:
        return function(*args, **kwargs)
    except (SDKException, ClientException, HTTPException) as error:
        reason = [*_reason(error).splitlines(), type(error).__name__][0]
        # The attribute has another name in openstacksdk, keystoneauth and heatclient.
        status = (
            getattr(error, "status_code", None)
            or getattr(error, "http_status", None)
            or getattr(error, "code", None)
        )
        if status == 404:
            raise NotFound(reason, _NOT_FOUND_HINT, code=Code.NOT_FOUND) from None
        if status is None:
            raise CloudFailed(reason, _CREDENTIALS_HINT, code=_connection_code(error)) from None
        if status == 401:
            code = Code.AUTHENTICATION_FAILED
            raise CloudFailed(reason, _CREDENTIALS_HINT, code=code) from None
        # Any other status means that authentication succeeded.
        raise CloudFailed(reason, _REFUSED_HINT, code=Code.CLOUD_REFUSED) from None


def _connection_code(error: Exception) -> Code:
    """Return the code of an error without an HTTP status."""
    from keystoneauth1.exceptions import OptionError
    from openstack.exceptions import ConfigException

    configuration = isinstance(error, ConfigException | OptionError)
    return Code.NO_CREDENTIALS if configuration else Code.CLOUD_UNREACHABLE


def _reason(error: Exception) -> str:
    """Return the message of an error, without the prefix of heatclient."""
    return str(error).strip().removeprefix("ERROR: ")
