# SPDX-License-Identifier: Apache-2.0
"""The one door to a cluster's API: plain JSON in and out, a time limit on every call.

The Python client is used for what it knows best: reading a kubeconfig (certificates, tokens, exec
plug-ins, proxies). Its generated API classes are left alone: importing them takes longer than many
a test.
"""

import copy
import importlib
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

from conformance.api.execute import CommandResult, execute
from conformance.api.port_forward import fetch
from conformance.outcome import InconclusiveError, Unavailable

T = TypeVar("T")

CONNECT_SECONDS = 4.0
ANSWER_SECONDS = 15.0
REACH_SECONDS = 9.0  # an unreachable cluster is told within ten
POLL_SECONDS = 0.4

COLLECTIONS = {
    "ConfigMap": "/api/v1/namespaces/{namespace}/configmaps",
    "DaemonSet": "/apis/apps/v1/namespaces/{namespace}/daemonsets",
    "Deployment": "/apis/apps/v1/namespaces/{namespace}/deployments",
    "Job": "/apis/batch/v1/namespaces/{namespace}/jobs",
    "Lease": "/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases",
    "Namespace": "/api/v1/namespaces",
    "Pod": "/api/v1/namespaces/{namespace}/pods",
    "PodDisruptionBudget": "/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets",
    "PriorityClass": "/apis/scheduling.k8s.io/v1/priorityclasses",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/roles",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings",
    "Secret": "/api/v1/namespaces/{namespace}/secrets",
    "Service": "/api/v1/namespaces/{namespace}/services",
    "ServiceAccount": "/api/v1/namespaces/{namespace}/serviceaccounts",
    "StatefulSet": "/apis/apps/v1/namespaces/{namespace}/statefulsets",
}


class ApiStatusError(InconclusiveError):
    """The API answered with an error. `code` is the HTTP status, `said` the whole answer."""

    def __init__(self, code: int, message: str, said: str = "") -> None:
        self.code, self.said = code, said
        super().__init__(message)

    @property
    def is_lasting(self) -> bool:
        """Is it for good: a matter of rights or rules, no trouble of the moment?"""
        return self.code in (400, 401, 403, 404, 405, 422)


class WaitTimeout(Exception):
    """The time was up before what was waited for came. `last` is what was seen last."""

    def __init__(self, seconds: float, last: Any) -> None:
        self.last = last
        super().__init__(f"not within {seconds:.0f} s")


def poll_until(
    ask: Callable[[], T], done: Callable[[T], bool], patience: float, every: float = POLL_SECONDS
) -> T:
    """Ask again and again until `done` likes the answer, and return that.

    Raises:
        WaitTimeout: after `patience` seconds, with the last answer.
        InconclusiveError: if at that time asking itself fails.
    """
    deadline = time.monotonic() + patience
    last: T | None = None
    while True:
        try:
            last = ask()
            if done(last):
                return last
        except ApiStatusError:
            raise
        except InconclusiveError:
            if time.monotonic() > deadline:
                raise
        if time.monotonic() > deadline:
            raise WaitTimeout(patience, last)
        time.sleep(every)


def or_unavailable(ask: Callable[[], T]) -> T | Unavailable:
    """What the API answers to one question; if it refuses, that is no fact, and no end either."""
    try:
        return ask()
    except ApiStatusError as refusal:
        return Unavailable(str(refusal), permanent=refusal.code in (403, 404))
    except InconclusiveError as problem:
        return Unavailable(str(problem))


def retry_once(ask: Callable[[], T], broken: type[Exception]) -> T:
    """Ask, and once more if the connection breaks: the API's address may have moved.

    Only for what changes nothing: it may have been done the first time.
    """
    try:
        return ask()
    except broken:
        return ask()


class Cluster:
    """A cluster behind a kubeconfig. Safe to use from several threads."""

    answer_seconds = ANSWER_SECONDS

    def __init__(self, kubeconfig: Path) -> None:
        """Read the kubeconfig; ask nothing yet.

        Raises:
            InconclusiveError: if it is not usable.
        """
        client: Any = importlib.import_module("kubernetes.client.configuration")
        loader: Any = importlib.import_module("kubernetes.config.kube_config")
        rest: Any = importlib.import_module("kubernetes.client.rest")
        self.kubeconfig = kubeconfig
        self._configuration = client.Configuration()
        self._configuration.retries = False
        try:
            loader.load_kube_config(str(kubeconfig), client_configuration=self._configuration)
        except Exception as problem:  # noqa: BLE001  the loader passes on what libraries raise
            raise InconclusiveError(f"{kubeconfig} is no usable kubeconfig: {problem}") from None
        self._configuration.socket_options = _keepalive()
        self._pool = rest.RESTClientObject(self._configuration).pool_manager
        self._ahead = timedelta()

    @property
    def server(self) -> str:
        """The URL of the API."""
        return str(self._configuration.host)

    def now(self) -> datetime:
        """The API server's clock: this machine's may be off, and others judge by theirs."""
        return datetime.now(UTC) + self._ahead

    @contextmanager
    def patient(self, seconds: float) -> Iterator[None]:
        """Meanwhile no answer may take longer. For a process that asks one thing at a time."""
        usual, self.answer_seconds = self.answer_seconds, seconds
        try:
            yield
        finally:
            self.answer_seconds = usual

    def request(
        self, method: str, path: str, body: Any = None, kind: str = "application/json", **query: str
    ) -> bytes:
        """One call, at most `answer_seconds` long; `query` are URL parameters.

        Raises:
            ApiStatusError: the API answered with an error status.
            InconclusiveError: it did not answer.
        """
        url = self.server + path + (f"?{urlencode(query)}" if query else "")
        headers = {"Accept": "application/json", "Content-Type": kind, **self._authorization()}
        urllib3: Any = importlib.import_module("urllib3")
        send = partial(
            self._pool.request,
            method,
            url,
            body=None if body is None else json.dumps(body),
            headers=headers,
            timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=self.answer_seconds),
            retries=False,
        )
        broken = urllib3.exceptions.ProtocolError
        try:
            answer = retry_once(send, broken) if method == "GET" else send()
        except Exception as problem:  # noqa: BLE001  urllib3, ssl and socket each have their own
            raise InconclusiveError(f"{method} {url}: {_plainly(problem)}") from None
        if date := answer.headers.get("Date"):
            self._ahead = parsedate_to_datetime(date) - datetime.now(UTC)
        if answer.status >= 400:
            message = f"{method} {path}: {answer.status} {_said(answer.data)}"
            raise ApiStatusError(answer.status, message, answer.data.decode(errors="replace"))
        return bytes(answer.data)

    def get(self, path: str, **query: str) -> Any:
        """GET as JSON."""
        return json.loads(self.request("GET", path, **query))

    def items(self, path: str, **query: str) -> list[dict[str, Any]]:
        """The items of a collection."""
        found = self.get(path, **query)["items"]
        return list(found)

    def create(self, manifest: dict[str, Any], **query: str) -> dict[str, Any]:
        """POST an object of one of the kinds in `COLLECTIONS`; it carries its own namespace."""
        collection = COLLECTIONS[manifest["kind"]].format(**manifest["metadata"])
        made = json.loads(self.request("POST", collection, manifest, **query))
        return dict(made)

    def new_pool(self, anonymous: bool = False) -> Any:
        """Return new connections without TCP's keepalive; anonymous ones send no certificate."""
        rest: Any = importlib.import_module("kubernetes.client.rest")
        bare = copy.copy(self._configuration)
        bare.socket_options = None
        if anonymous:
            bare.cert_file = bare.key_file = None
        return rest.RESTClientObject(bare).pool_manager

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """POST of what is no object to keep; the answer."""
        return dict(json.loads(self.request("POST", path, body)))

    def anonymous_status(self, path: str, token: str = "") -> int:
        """The HTTP code that GET gets without our credentials: with none, or with that token.

        Raises:
            InconclusiveError: if the API does not answer.
        """
        try:
            answer = self.new_pool(anonymous=True).request(
                "GET",
                self.server + path,
                headers={"authorization": f"Bearer {token}"} if token else {},
                timeout=ANSWER_SECONDS,
                retries=False,
            )
        except Exception as problem:  # noqa: BLE001  urllib3, ssl and socket each have their own
            why = f"GET {path} without our credentials: {_plainly(problem)}"
            raise InconclusiveError(why) from None
        return int(answer.status)

    def readiness(self) -> str:
        """What the API server says of its own parts, line by line, ready or not.

        Raises:
            InconclusiveError: if it does not answer, or tells this user nothing.
        """
        try:
            return self.request("GET", "/readyz", verbose="1").decode()
        except ApiStatusError as refusal:
            if refusal.code in (401, 403, 404):
                raise
            return refusal.said

    def patch(self, path: str, change: dict[str, Any], **query: str) -> None:
        """Merge a change into an object."""
        self.request("PATCH", path, change, "application/merge-patch+json", **query)

    def delete(self, path: str, at_once: bool = False) -> bool:
        """DELETE; False if it was not there. `at_once`: without waiting for the pod's kubelet."""
        grace = {"gracePeriodSeconds": 0} if at_once else {}
        try:
            self.request("DELETE", path, {"propagationPolicy": "Background", **grace})
        except ApiStatusError as refusal:
            if refusal.code not in (404, 409):
                raise
            return refusal.code == 409
        return True

    def logs(self, namespace: str, pod: str) -> str:
        """A pod's log."""
        return self.request("GET", f"/api/v1/namespaces/{namespace}/pods/{pod}/log").decode()

    def execute(
        self, namespace: str, pod: str, command: list[str], seconds: float
    ) -> CommandResult:
        """Run a command in a pod and wait for its end, see `execute.execute`.

        Raises:
            InconclusiveError: the way there failed (API, kubelet, websocket), or the time was up.
        """
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/exec"
        try:
            return execute(
                self._configuration, self._authorization(), path, command, seconds,
                self.answer_seconds,
            )  # fmt: skip
        except InconclusiveError as problem:
            raise type(problem)(f"exec in pod {pod}: {without_queries(str(problem))}") from None
        except Exception as problem:  # noqa: BLE001  websocket, ssl and socket each have their own
            raise InconclusiveError(f"exec in pod {pod}: {_plainly(problem)}") from None

    def forward(self, namespace: str, pod: str, port: int, page: str) -> str:
        """What a pod answers over HTTP through the API's port-forward, see `port_forward.fetch`.

        Raises:
            InconclusiveError: the way there failed, or the pod did not answer.
        """
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/portforward"
        try:
            return fetch(
                self._configuration, self._authorization(), path, port, page, self.answer_seconds
            )
        except InconclusiveError:
            raise
        except Exception as problem:  # noqa: BLE001  websocket, ssl and socket each have their own
            raise InconclusiveError(f"port-forward to pod {pod}: {_plainly(problem)}") from None

    def _authorization(self) -> dict[str, str]:
        token = (self._configuration.auth_settings() or {}).get("BearerToken", {}).get("value")
        return {"authorization": token} if token else {}


def reach(kubeconfig: Path) -> tuple[Cluster, str]:
    """The cluster and its version, asked in at most nine seconds, whatever hangs on the way.

    Raises:
        InconclusiveError: with the reason and the next command.
    """
    found: list[tuple[Cluster, str] | InconclusiveError] = []

    def ask() -> None:
        try:
            cluster = Cluster(kubeconfig)
            found.append((cluster, str(cluster.get("/version")["gitVersion"])))
        except InconclusiveError as problem:
            found.append(problem)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(REACH_SECONDS)
    answer = found[0] if found else InconclusiveError(f"no answer within {REACH_SECONDS:.0f} s")
    if isinstance(answer, InconclusiveError):
        raise InconclusiveError(
            f"the cluster cannot be reached: {answer}\n"
            f"  next  kubectl --kubeconfig {kubeconfig} get --raw /version"
        )
    return answer


def _keepalive() -> list[tuple[int, int, int]]:
    """Load balancers drop idle connections without a word; keepalive makes the loss seen."""
    socket: Any = importlib.import_module("socket")
    options = [
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    ]
    for name, seconds in (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, name):
            options.append((socket.IPPROTO_TCP, getattr(socket, name), seconds))
    return options


def _plainly(problem: BaseException) -> str:
    """A library's error in one line, without the addresses of its objects."""
    text = str(problem).strip() or type(problem).__name__
    return without_queries(text.split("): ", 1)[-1].splitlines()[0])


def without_queries(text: str) -> str:
    """Exec puts the whole command into the query of a URL; nobody wants to read that."""
    return re.sub(r'\?(?:command|stdout)=[^"\s]*', "", text)


def _said(data: bytes) -> str:
    """The message of an API error."""
    try:
        return str(json.loads(data).get("message", ""))
    except (ValueError, AttributeError):
        return data[:200].decode(errors="replace")
