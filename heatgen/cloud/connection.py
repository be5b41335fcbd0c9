# SPDX-License-Identifier: Apache-2.0
"""Edge: connection to a cloud, with credentials from clouds.yaml or OS_* as in every client."""

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from heatgen.cloud import credentials
from heatgen.cloud.errors import CloudFailed, explain
from heatgen.yamlio.codes import Code

TIMEOUT = 60
"""Timeout of a request in seconds."""
_LIBRARIES = ("heatclient.", "keystoneauth1.", "openstack.", "requests.", "yaml.")
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Options:
    """Options of the connection; None for those of clouds.yaml and OS_*."""

    cloud: str | None = None
    """Entry of clouds.yaml."""
    region: str | None = None
    interface: str | None = None
    cacert: str | None = None
    """File of the authorities of the cloud's certificates."""
    insecure: bool = False
    """Whether certificates are not verified."""


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


def connect(options: Options) -> Cloud:
    """Connect to a cloud.

    Raises:
        ProblemsFound: clouds.yaml is not valid.
        CloudFailed: no credentials.
    """
    # Imported here: it takes longer than all other imports together.
    from openstack.config.loader import CONFIG_FILES
    from openstack.connection import Connection

    # They also log the failures that they raise.
    for name in ("keystoneauth.identity", "stevedore"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    override = os.environ.get("OS_CLIENT_CONFIG_FILE")
    searched = [*([override] if override else []), *CONFIG_FILES]
    credentials.check_files(searched)
    config = call(_configure, options, searched)
    credentials.check_values(config.config)
    return from_sdk(call(Connection, config=config))


def _configure(options: Options, searched: list[str]) -> Any:
    """Return the configuration of a cloud."""
    from openstack.config import OpenStackConfig

    files = OpenStackConfig()
    name = options.cloud or os.environ.get("OS_CLOUD") or None
    credentials.check_name(name, files.cloud_config.get("clouds") or {}, searched)
    given: dict[str, Any] = {
        "region_name": options.region,
        "interface": options.interface,
        "cacert": options.cacert,
        "verify": False if options.insecure else None,
    }
    given = {key: value for key, value in given.items() if value is not None}
    return files.get_one(cloud=options.cloud, api_timeout=TIMEOUT, **given)


def from_sdk(sdk: Any) -> Cloud:
    """Return the cloud of a connection of openstacksdk."""
    hooks = sdk.session.session.hooks.setdefault("response", [])
    if _refuse_page not in hooks:
        hooks.append(_refuse_page)
    return Cloud(sdk)


def _refuse_page(response: Any, *_: Any, **__: Any) -> None:
    """Raise if a web page is sent with a status of success, as by a login page or a proxy.

    Without this the libraries fail with exceptions of Python. Responses without a body may have
    the same type.
    """
    kind = response.headers.get("Content-Type", "")
    # Heat's redirect from a stack's name to its id has a body in HTML as well.
    success = 200 <= response.status_code < 300
    if success and "html" in kind and response.content.lstrip()[:1] == b"<":
        message = (
            f"{response.url.partition('?')[0]} sent a web page instead of OpenStack's response"
        )
        hint = "check auth_url and the endpoints of the cloud, or log in to the proxy or VPN"
        raise CloudFailed(message, hint, code=Code.UNEXPECTED_RESPONSE)


def call(function: Callable[..., _Result], *args: Any, **kwargs: Any) -> _Result:
    """Call a function that sends requests, and convert its errors.

    Raises:
        NotFound: the requested resource does not exist.
        CloudFailed: any other failure.
    """
    try:
        return function(*args, **kwargs)
    except CloudFailed:
        raise
    except Exception as error:
        if not _is_of_client(error):
            raise
        found = explain(error)
        if found is not None:
            raise found from None
        message = f"the response of the cloud is not usable: {type(error).__name__}: {error}"
        hint = "check the endpoints of the cloud ('openstack catalog list')"
        raise CloudFailed(message, hint, code=Code.UNEXPECTED_RESPONSE) from error


def _is_of_client(error: Exception) -> bool:
    """Return whether a client library raised an error, or called what raised it."""
    traceback, of_client = error.__traceback__, False
    while traceback is not None:
        module = f"{traceback.tb_frame.f_globals.get('__name__', '')}."
        of_client = module.startswith(_LIBRARIES) or (
            of_client and not module.startswith("heatgen.")
        )
        traceback = traceback.tb_next
    return of_client
