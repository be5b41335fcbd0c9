# SPDX-License-Identifier: Apache-2.0
"""Edge: the way into a cloud. Credentials come from clouds.yaml or OS_*, as for every client."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from heatgen.yamlio.codes import Code

TIMEOUT = 60
"""Seconds for one request."""
_NO_CREDENTIALS = (
    "name an entry of clouds.yaml by --os-cloud or OS_CLOUD, or set OS_AUTH_URL and so on"
)
_REFUSED = "the cloud refused it: see 'openstack stack event list'"
_Answer = TypeVar("_Answer")


class CloudFailed(Exception):
    """The cloud gave no answer that can be used: why, and what to do."""

    def __init__(self, message: str, hint: str, *, code: Code = Code.UNSPECIFIED) -> None:
        super().__init__(message)
        self.hint = hint
        self.code = code


class Missing(CloudFailed):
    """What was asked for is not there."""


@dataclass(frozen=True)
class Cloud:
    """A cloud in which somebody is known.

    Args:
        connection: of openstacksdk.
    """

    connection: Any

    def has(self, service: str) -> bool:
        """Whether there is a service of an official type."""
        from keystoneauth1.exceptions import CatalogException

        config, session = self.connection.config, self.connection.session
        interface, region = config.get_interface(service), config.get_region_name(service)

        # Not the connection's has_service, which logs a warning for each that is not there.
        def there() -> bool:
            where = {"service_type": service, "interface": interface, "region_name": region}
            try:
                return session.get_endpoint(**where) is not None
            except CatalogException:
                return False

        return asked(there)

    def heat(self) -> Any:
        """python-heatclient's client, with the same session."""
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
    """The cloud that an entry of clouds.yaml names; None for OS_CLOUD or OS_*.

    Raises:
        CloudFailed: no credentials.
    """
    # Imported here: it takes longer than everything else together.
    import openstack

    return Cloud(asked(openstack.connect, cloud=name, api_timeout=TIMEOUT))


def asked(question: Callable[..., _Answer], *args: Any, **kwargs: Any) -> _Answer:
    """The cloud's answer to a question with these arguments.

    Raises:
        Missing: the cloud does not know it.
        CloudFailed: every other way of having no answer.
    """
    from heatclient.exc import HTTPException
    from keystoneauth1.exceptions import ClientException
    from openstack.exceptions import SDKException

    try:
        return question(*args, **kwargs)
    except (SDKException, ClientException, HTTPException) as error:
        reason = [*_reason(error).splitlines(), type(error).__name__][0]
        # What came with another status was asked with credentials that are good.
        # The SDK, keystoneauth and heatclient call it differently.
        status = (
            getattr(error, "status_code", None)
            or getattr(error, "http_status", None)
            or getattr(error, "code", None)
        )
        if status == 404:
            raise Missing(reason, "see 'openstack stack list'") from None
        hint = _NO_CREDENTIALS if status in (None, 401) else _REFUSED
        raise CloudFailed(reason, hint) from None


def _reason(error: Exception) -> str:
    """What an error says, without the word ERROR that heatclient puts before it."""
    return str(error).strip().removeprefix("ERROR: ")
