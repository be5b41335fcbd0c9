# SPDX-License-Identifier: Apache-2.0
"""OpenStack's own REST, as much as seeding a cloud needs, on the standard library."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

from lab.cloud.problem import Problem

HOST = "http://203.0.113.1"
IDENTITY = f"{HOST}:35357/v3"
IMAGE = f"{HOST}:9292/v2"
COMPUTE = f"{HOST}:8774/v2.1"
NETWORK = f"{HOST}:9696/v2.0"

# OS_* of the two users the lab knows; `demo` is an ordinary one.
PASSWORD = "lab"
REQUEST_SECONDS = 120
RETRY_SECONDS = 30

Json = dict[str, Any]


def environment(user: str) -> dict[str, str]:
    """Return what `openstack` and its like want to know, for user `admin` or `demo`."""
    return {
        "OS_AUTH_URL": IDENTITY,
        "OS_IDENTITY_API_VERSION": "3",
        "OS_REGION_NAME": "RegionOne",
        "OS_USERNAME": user,
        "OS_PASSWORD": PASSWORD,
        "OS_PROJECT_NAME": user,
        "OS_USER_DOMAIN_NAME": "Default",
        "OS_PROJECT_DOMAIN_NAME": "Default",
    }


class Session:
    """A user's token, and requests made with it."""

    def __init__(self, user: str) -> None:
        """Authenticate a user of the default domain in the project of the same name."""
        domain = {"id": "default"}
        password = {"user": {"name": user, "domain": domain, "password": PASSWORD}}
        body = {
            "auth": {
                "identity": {"methods": ["password"], "password": password},
                "scope": {"project": {"name": user, "domain": domain}},
            }
        }
        _, headers = send("POST", f"{IDENTITY}/auth/tokens", body, {})
        self.headers = {"X-Auth-Token": headers["X-Subject-Token"]}

    def get(self, url: str) -> Json:
        """Return what a GET answers."""
        return send("GET", url, None, self.headers)[0]

    def post(self, url: str, body: Json) -> Json:
        """Return what a POST answers."""
        return send("POST", url, body, self.headers)[0]

    def put(self, url: str) -> None:
        """Send a PUT without a body."""
        send("PUT", url, {}, self.headers)

    def delete(self, url: str) -> None:
        """Send a DELETE."""
        send("DELETE", url, None, self.headers)

    def patch(self, url: str, changes: list[Json]) -> None:
        """Send a PATCH in the form Glance wants."""
        kind = "application/openstack-images-v2.1-json-patch"
        send("PATCH", url, changes, {**self.headers, "Content-Type": kind})


def send(method: str, url: str, body: object, headers: dict[str, str]) -> tuple[Json, Any]:
    """Send a request, return the answer's JSON ({} if it has none) and headers.

    A service that has just come up may refuse for a moment, for one it asks is not there yet:
    connection errors and 5xx are tried again for half a minute. Raises Problem otherwise.
    """
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", **headers}
    deadline = time.monotonic() + RETRY_SECONDS
    while True:
        request = urllib.request.Request(url, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=REQUEST_SECONDS) as answer:
                return json.loads(answer.read() or b"{}"), answer.headers
        except urllib.error.HTTPError as error:
            if error.code < 500 or time.monotonic() > deadline:
                said = error.read().decode(errors="replace")[:500]
                raise Problem(f"{method} {url}: {error.code} {said}") from error
        except OSError as error:
            if time.monotonic() > deadline:
                raise Problem(f"{method} {url}: {error}") from error
        time.sleep(0.5)


def wait(what: str, condition: Callable[[], bool], seconds: float) -> None:
    """Wait until a condition holds; raise Problem after so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise Problem(f"{what}: not in {seconds:.0f} s")
        time.sleep(0.5)
