# SPDX-License-Identifier: Apache-2.0
"""A fake of openstacksdk's compute service, with the servers of the stack in the fake Heat."""

import json
from collections.abc import Callable
from types import SimpleNamespace

import requests
from openstack.exceptions import raise_from_response

from tests.unit.heatgen.support.fake_heat import Heat


class Nova:
    """Servers by id, and the requested actions."""

    def __init__(self) -> None:
        self.statuses: dict[str, str] = {}
        self.actions: list[tuple[str, str]] = []
        """Action and id of the server."""
        self.hung: set[str] = set()
        """Ids of servers on hosts that do not respond."""
        self.refusals: set[str] = set()
        """Ids of servers whose actions are refused."""
        self.then: dict[str, Callable[[], None]] = {}
        """Functions to call after actions."""

    def servers(self) -> list[SimpleNamespace]:
        """Return all servers."""
        return [
            SimpleNamespace(id=identity, name=identity, status=status, addresses={})
            for identity, status in self.statuses.items()
        ]

    def get_server(self, identity: str) -> SimpleNamespace:
        """Return a server."""
        if identity not in self.statuses:
            _fail(404, "itemNotFound", f"Instance {identity} could not be found.")
        return SimpleNamespace(id=identity, status=self.statuses[identity])

    def stop_server(self, identity: str) -> None:
        """Stop a server."""
        self._act("stop", identity, "SHUTOFF")

    def start_server(self, identity: str) -> None:
        """Start a server."""
        self._act("start", identity, "ACTIVE")

    def reboot_server(self, identity: str, kind: str) -> None:
        """Reboot a server."""
        self._act(f"reboot {kind}", identity, "ACTIVE")

    def _act(self, action: str, identity: str, status: str) -> None:
        self.actions.append((action, identity))
        if identity in self.refusals:
            message = f"Cannot '{action}' instance {identity} while it is in vm_state error"
            _fail(409, "conflictingRequest", message)
        if identity not in self.hung:
            self.statuses[identity] = status
        self.then.get(action, lambda: None)()


def _fail(status: int, kind: str, message: str) -> None:
    """Raise the exception for a response of Nova."""
    response = requests.Response()
    response.status_code = status
    response.headers["Content-Type"] = "application/json"
    response._content = json.dumps({kind: {"code": status, "message": message}}).encode()
    raise_from_response(response)


def populate(heat: Heat, nova: Nova, control: int = 1, workers: tuple[str, ...] = ()) -> None:
    """Add the servers of a stack to both."""
    for index in range(control):
        heat.resource(f"control_{index}", "OS::Nova::Server", "CREATE_COMPLETE")
        nova.statuses[f"control_{index}"] = "ACTIVE"
    heat.resource("workers", "OS::Heat::ResourceGroup", "CREATE_COMPLETE")
    for name in workers:
        heat.resource(name, "OS::Nova::Server", "CREATE_COMPLETE", "workers")
        nova.statuses[f"workers{name}"] = "ACTIVE"
