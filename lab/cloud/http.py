# SPDX-License-Identifier: Apache-2.0
"""A client of the OpenStack REST APIs with the calls that `catalog` and `seed` need."""

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

# The password of all users, including `admin` and the regular user `demo`.
PASSWORD = "lab"
REQUEST_SECONDS = 120
RETRY_SECONDS = 30

Json = dict[str, Any]


def environment(user: str) -> dict[str, str]:
    """Return the OS_* variables of user `admin` or `demo`."""
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
    """Requests with the token of a user."""

    def __init__(self, user: str) -> None:
        """Authenticate a user in the project of the same name."""
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
        """Send a GET; return the response."""
        return send("GET", url, None, self.headers)[0]

    def post(self, url: str, body: Json) -> Json:
        """Send a POST; return the response."""
        return send("POST", url, body, self.headers)[0]

    def put(self, url: str) -> None:
        """Send a PUT without a body."""
        send("PUT", url, {}, self.headers)

    def delete(self, url: str) -> None:
        """Send a DELETE."""
        send("DELETE", url, None, self.headers)

    def patch(self, url: str, changes: list[Json]) -> None:
        """Send a PATCH with the content type of Glance."""
        kind = "application/openstack-images-v2.1-json-patch"
        send("PATCH", url, changes, {**self.headers, "Content-Type": kind})


def send(method: str, url: str, body: object, headers: dict[str, str]) -> tuple[Json, Any]:
    """Send a request; return the JSON of the response ({} if it is empty) and the headers.

    Connection errors and 5xx are retried for half a minute, because a service may start before
    one that it calls. Raises Problem otherwise.
    """
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", **headers}
    deadline = time.monotonic() + RETRY_SECONDS
    while True:
        request = urllib.request.Request(url, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=REQUEST_SECONDS) as response:
                return json.loads(response.read() or b"{}"), response.headers
        except urllib.error.HTTPError as error:
            if error.code < 500 or time.monotonic() > deadline:
                reason = error.read().decode(errors="replace")[:500]
                raise Problem(f"{method} {url}: {error.code} {reason}") from error
        except OSError as error:
            if time.monotonic() > deadline:
                raise Problem(f"{method} {url}: {error}") from error
        time.sleep(0.5)


def wait(what: str, condition: Callable[[], bool], seconds: float) -> None:
    """Wait until a condition is true; raise Problem after a time limit."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise Problem(f"{what}: timed out after {seconds:.0f} s")
        time.sleep(0.5)
