# SPDX-License-Identifier: Apache-2.0
"""A fake Heat API with one stack, for the real client; tests control its state and events."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

from keystoneauth1 import session, token_endpoint

from heatgen.cloud.connection import Cloud
from tests.http_server import running

STACK = "demo"
IDENTITY = "5008683b-116a-4923-8069-95c889ec23f4"
TEMPLATE: dict[str, Any] = {
    "parameters": {"admin_request": {"type": "string", "default": "a"}},
    "resources": {
        "network": {"type": "OS::Neutron::Net"},
        "control_0": {"type": "OS::Nova::Server", "properties": {"name": "demo-control-0"}},
        "workers": {
            "type": "OS::Heat::ResourceGroup",
            "properties": {
                "count": 2,
                "resource_def": {
                    "type": "OS::Nova::Server", "properties": {"name": "demo-worker-%index%"},
                },
            },
        },
        "kvstore_start_config": {"type": "OS::Heat::SoftwareConfig"},
        "kvstore_start_control_0": {
            "type": "OS::Heat::SoftwareDeployment",
            "properties": {
                "server": {"get_resource": "control_0"},
                "input_values": {"HEATGEN_STEP": "kvstore/start"},
            },
        },
        "runtime_start_workers": {
            "type": "OS::Heat::SoftwareDeploymentGroup",
            "properties": {
                "servers": {"get_attr": ["workers", "refs_map"]},
                "input_values": {"HEATGEN_STEP": "runtime/start"},
            },
        },
    },
}  # fmt: skip


class Heat:
    """The state of the stack, and the requests received."""

    def __init__(self) -> None:
        self.url = ""
        self.there = True
        """Whether the stack exists."""
        self.status = "CREATE_COMPLETE"
        self.parameters: dict[str, str] = {"admin_request": "a", "OS::stack_name": STACK}
        self.given: dict[str, str] = {}
        self.outputs: dict[str, Any] = {}
        self.template = TEMPLATE
        self.events: list[dict[str, Any]] = []
        self.resources: list[dict[str, Any]] = []
        self.deployments: dict[str, dict[str, Any]] = {}
        self.others: list[dict[str, Any]] = []
        """Other stacks of the project, of which only the list has fields."""
        self.refusal: tuple[int, str] | None = None
        self.away = 0
        """How many of the next requests fail with status 503."""
        self.sent: list[tuple[str, str, Any]] = []
        """Requests that change something: method, path, body."""
        self.then: list[Callable[[], None]] = []
        """Functions to call before each of the next requests for events."""

    def event(self, resource: str, status: str, group: str = "", reason: str = "") -> None:
        """Add an event of a resource of the stack, or of a member of a group in it."""
        stack = f"{STACK}-{group}-x4ptvpyithc6" if group else STACK
        physical = IDENTITY if resource == STACK else f"physical-{resource}"
        link = {"rel": "stack", "href": f"{self.url}/v1/p/stacks/{stack}/id"}
        self.events.append({
            "id": str(len(self.events)), "resource_name": resource, "resource_status": status,
            "physical_resource_id": physical, "resource_status_reason": reason,
            "links": [link, {"rel": "root_stack", "href": link["href"]}],
        })  # fmt: skip

    def resource(
        self, name: str, kind: str, status: str, group: str = "", reason: str = ""
    ) -> None:
        """Add a resource to the stack, or to a group in it."""
        stack = f"{STACK}-{group}-x4ptvpyithc6" if group else STACK
        self.resources.append({
            "resource_name": name, "resource_type": kind, "resource_status": status,
            "resource_status_reason": reason, "physical_resource_id": f"{group}{name}",
            "links": [{"rel": "stack", "href": f"{self.url}/v1/p/stacks/{stack}/id"}],
        })  # fmt: skip

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> Any:
        """Return status and body of the response to a request."""
        if self.away:
            self.away -= 1
            return 503, {"error": {"message": "restarting"}}
        if method != "GET":
            self.sent.append((method, path, body))
            if self.refusal:
                return self.refusal[0], {"error": {"message": self.refusal[1]}}
        if path == "/stacks/preview":
            return 200, {"stack": {"resources": []}}
        if path == "/stacks" and method == "GET":
            # Heat's client requests further pages until one is empty.
            listed = [] if "marker" in query else [*self.others, self._listed()]
            return 200, {"stacks": listed if self.there else self.others}
        if path == "/stacks" and method == "POST":
            self.there = True
            return 201, {"stack": {"id": IDENTITY}}
        if path.startswith("/software_deployments/"):
            found = self.deployments[path.rsplit("/", 1)[-1]]
            return 200, {"software_deployment": found}
        if not self.there:
            return 404, {"error": {"message": f"The Stack ({STACK}) could not be found."}}
        if method != "GET":
            return 202, None
        return 200, self._content(path.rsplit("/", 1)[-1], query)

    def _listed(self) -> dict[str, Any]:
        """Return the stack as in a list, which has neither parameters nor outputs."""
        return {
            "id": IDENTITY, "stack_name": STACK, "stack_status": self.status,
            "description": self.template.get("description", ""),
            "creation_time": "2026-01-01T00:00:00Z", "updated_time": None,
        }  # fmt: skip

    def _content(self, what: str, query: dict[str, list[str]]) -> Any:
        if what == "events":
            if query.get("sort_dir") == ["desc"]:
                return {"events": self.events[-1:]}
            if self.then:
                self.then.pop(0)()
            after = int(query["marker"][0]) + 1 if "marker" in query else 0
            return {"events": self.events[after:]}
        if what == "resources":
            return {"resources": self.resources}
        if what == "template":
            return self.template
        if what == "environment":
            return {"parameters": self.given}
        outputs = [
            {"output_key": key, "output_value": value} for key, value in self.outputs.items()
        ]
        return {"stack": {
            "id": IDENTITY, "stack_name": STACK, "stack_status": self.status,
            "stack_status_reason": "", "parameters": self.parameters, "outputs": outputs,
        }}  # fmt: skip


@contextmanager
def serving() -> Iterator[tuple[Heat, Cloud]]:
    """Run the server; yield its state and a connection to its cloud."""
    heat = Heat()

    class Handler(BaseHTTPRequestHandler):
        def _any(self) -> None:
            url = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, content = heat.answer(
                self.command, url.path, parse_qs(url.query), json.loads(body) if body else None
            )
            data = b"" if content is None else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PATCH = do_DELETE = _any  # noqa: N815  required by http.server

        def log_message(self, *_: Any) -> None:
            """Print nothing."""

    with running(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as port:
        heat.url = f"http://127.0.0.1:{port}"
        yield heat, cloud_at(heat.url)


def cloud_at(url: str) -> Cloud:
    """Return a cloud with an orchestration service, as far as heatgen uses the connection."""
    config = SimpleNamespace(
        get_interface=lambda _: None, get_region_name=lambda _: None, get_endpoint=lambda _: url
    )
    known = session.Session(auth=token_endpoint.Token(url, "token"))
    return Cloud(SimpleNamespace(session=known, config=config))


def created(heat: Heat, *, well: bool) -> None:
    """Add the events of a creation that succeeds or (not ``well``) fails."""
    heat.there = False
    heat.event(STACK, "CREATE_IN_PROGRESS")
    heat.event("control_0", "CREATE_IN_PROGRESS")
    heat.event("control_0", "CREATE_COMPLETE")
    heat.event("kvstore_start_config", "CREATE_COMPLETE")
    heat.event("kvstore_start_control_0", "CREATE_IN_PROGRESS")
    if well:
        heat.event("1", "CREATE_COMPLETE", "runtime_start_workers")
        heat.event("kvstore_start_control_0", "CREATE_COMPLETE")
        heat.event(STACK, "CREATE_COMPLETE")
    else:
        heat.resource("kvstore_start_control_0", "OS::Heat::SoftwareDeployment", "CREATE_FAILED")
        outputs = {"deploy_stderr": "no space left", "deploy_status_code": 1}
        heat.deployments["kvstore_start_control_0"] = {
            "status": "FAILED", "status_reason": "problem : disk full", "output_values": outputs,
        }  # fmt: skip
        heat.event("kvstore_start_control_0", "CREATE_FAILED", reason="disk full")
        heat.event(STACK, "CREATE_FAILED", reason="disk full")
