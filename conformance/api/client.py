# SPDX-License-Identifier: Apache-2.0
"""Client of the Kubernetes API: plain JSON in and out, a time limit on every request.

The Python client only reads the kubeconfig (certificates, tokens, exec plug-ins, proxies). Its
generated API classes are not imported, because the import takes longer than many a test.
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
REACH_SECONDS = 9.0  # an unreachable cluster is reported within ten
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
    """The API responded with an error: HTTP status ``code``, response ``body``."""

    def __init__(self, code: int, message: str, body: str = "") -> None:
        self.code, self.body = code, body
        super().__init__(message)

    @property
    def is_permanent(self) -> bool:
        """Whether the request is forbidden or invalid, so that a retry fails, too."""
        return self.code in (400, 401, 403, 404, 405, 422)


class WaitTimeout(Exception):
    """A wait timed out; ``last`` is the last value."""

    def __init__(self, seconds: float, last: Any) -> None:
        self.last = last
        super().__init__(f"timed out after {seconds:.0f} s")


def poll_until(
    read: Callable[[], T], done: Callable[[T], bool], patience: float, every: float = POLL_SECONDS
) -> T:
    """Call ``read`` until ``done`` is true of the result; return the result.

    Raises:
        WaitTimeout: after ``patience`` seconds, with the last result.
        InconclusiveError: ``read`` still fails after ``patience`` seconds.
    """
    deadline = time.monotonic() + patience
    last: T | None = None
    while True:
        problem: InconclusiveError | None = None
        try:
            last = read()
            if done(last):
                return last
        except ApiStatusError:
            raise
        except InconclusiveError as failure:
            problem = failure
        if time.monotonic() > deadline:
            raise problem or WaitTimeout(patience, last)
        time.sleep(every)


def or_unavailable(read: Callable[[], T]) -> T | Unavailable:
    """Return the result of a request, or ``Unavailable`` with the reason why it failed."""
    try:
        return read()
    except ApiStatusError as refusal:
        return Unavailable(str(refusal), permanent=refusal.code in (403, 404))
    except InconclusiveError as problem:
        return Unavailable(str(problem))


def retry_once(request: Callable[[], T], broken: type[Exception]) -> T:
    """Send a request; retry once if the connection is lost, as in a failover of the API's address.

    Only for requests that change nothing: the first attempt may have succeeded.
    """
    try:
        return request()
    except broken:
        return request()


class Cluster:
    """A cluster that a kubeconfig describes. Thread-safe, except ``request_timeout``."""

    answer_seconds = ANSWER_SECONDS

    def __init__(self, kubeconfig: Path) -> None:
        """Load the kubeconfig, without a request to the API.

        Raises:
            InconclusiveError: the kubeconfig cannot be loaded.
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
            raise InconclusiveError(f"cannot load kubeconfig {kubeconfig}: {problem}") from None
        self._configuration.socket_options = _keepalive()
        self._pool = rest.RESTClientObject(self._configuration).pool_manager
        self._ahead = timedelta()

    @property
    def server(self) -> str:
        """URL of the API."""
        return str(self._configuration.host)

    def now(self) -> datetime:
        """Return the time of the API server's clock; the local clock may be wrong."""
        return datetime.now(UTC) + self._ahead

    @contextmanager
    def request_timeout(self, seconds: float) -> Iterator[None]:
        """Change the request timeout temporarily. Not thread-safe."""
        usual, self.answer_seconds = self.answer_seconds, seconds
        try:
            yield
        finally:
            self.answer_seconds = usual

    def request(
        self, method: str, path: str, body: Any = None, kind: str = "application/json", **query: str
    ) -> bytes:
        """Send a request; ``query`` are URL parameters. The timeout is ``answer_seconds``.

        Raises:
            ApiStatusError: the API responded with an error status.
            InconclusiveError: the API did not respond.
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
            raise InconclusiveError(f"{method} {url}: {_one_line(problem)}") from None
        if date := answer.headers.get("Date"):
            self._ahead = parsedate_to_datetime(date) - datetime.now(UTC)
        if answer.status >= 400:
            message = f"{method} {path}: {answer.status} {_message(answer.data)}"
            raise ApiStatusError(answer.status, message, answer.data.decode(errors="replace"))
        return bytes(answer.data)

    def get(self, path: str, **query: str) -> Any:
        """GET a path and parse the response as JSON."""
        return json.loads(self.request("GET", path, **query))

    def items(self, path: str, **query: str) -> list[dict[str, Any]]:
        """Return the items of a collection."""
        found = self.get(path, **query)["items"]
        return list(found)

    def create(self, manifest: dict[str, Any], **query: str) -> dict[str, Any]:
        """Create an object of a kind in ``COLLECTIONS``, in the namespace of its metadata."""
        collection = COLLECTIONS[manifest["kind"]].format(**manifest["metadata"])
        made = json.loads(self.request("POST", collection, manifest, **query))
        return dict(made)

    def new_pool(self, anonymous: bool = False) -> Any:
        """Return a connection pool without TCP keepalive; anonymous: without client certificate."""
        rest: Any = importlib.import_module("kubernetes.client.rest")
        bare = copy.copy(self._configuration)
        bare.socket_options = None
        if anonymous:
            bare.cert_file = bare.key_file = None
        return rest.RESTClientObject(bare).pool_manager

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """POST an object that is not stored, such as a review; return the response."""
        return dict(json.loads(self.request("POST", path, body)))

    def anonymous_status(self, path: str, token: str = "") -> int:
        """Return the HTTP status of a GET without credentials, or with ``token`` only.

        Raises:
            InconclusiveError: the API did not respond.
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
            why = f"GET {path} without the kubeconfig's credentials: {_one_line(problem)}"
            raise InconclusiveError(why) from None
        return int(answer.status)

    def readiness(self) -> str:
        """Return the verbose output of /readyz, whether the API server is ready or not.

        Raises:
            InconclusiveError: the API did not respond, or this user is not authorized.
        """
        try:
            return self.request("GET", "/readyz", verbose="1").decode()
        except ApiStatusError as refusal:
            if refusal.code in (401, 403, 404):
                raise
            return refusal.body

    def patch(self, path: str, change: dict[str, Any], **query: str) -> None:
        """Apply a JSON merge patch to an object."""
        self.request("PATCH", path, change, "application/merge-patch+json", **query)

    def delete(self, path: str, at_once: bool = False) -> bool:
        """Delete an object; return False if it does not exist.

        Args:
            path: of the object.
            at_once: delete a pod without waiting for its kubelet.
        """
        grace = {"gracePeriodSeconds": 0} if at_once else {}
        try:
            self.request("DELETE", path, {"propagationPolicy": "Background", **grace})
        except ApiStatusError as refusal:
            if refusal.code not in (404, 409):
                raise
            return refusal.code == 409
        return True

    def logs(self, namespace: str, pod: str) -> str:
        """Return the log of a pod."""
        return self.request("GET", f"/api/v1/namespaces/{namespace}/pods/{pod}/log").decode()

    def execute(
        self, namespace: str, pod: str, command: list[str], seconds: float
    ) -> CommandResult:
        """Run a command in a pod and wait until it exits, see ``execute.execute``.

        Raises:
            InconclusiveError: the API server, kubelet or websocket failed, or a timeout expired.
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
            raise InconclusiveError(f"exec in pod {pod}: {_one_line(problem)}") from None

    def forward(self, namespace: str, pod: str, port: int, page: str) -> str:
        """Request a page from a pod through port-forward, see ``port_forward.fetch``.

        Raises:
            InconclusiveError: the API server, kubelet or websocket failed, or the pod did not
                respond.
        """
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/portforward"
        try:
            return fetch(
                self._configuration, self._authorization(), path, port, page, self.answer_seconds
            )
        except InconclusiveError:
            raise
        except Exception as problem:  # noqa: BLE001  websocket, ssl and socket each have their own
            raise InconclusiveError(f"port-forward to pod {pod}: {_one_line(problem)}") from None

    def _authorization(self) -> dict[str, str]:
        token = (self._configuration.auth_settings() or {}).get("BearerToken", {}).get("value")
        return {"authorization": token} if token else {}


def reach(kubeconfig: Path) -> tuple[Cluster, str]:
    """Connect to the cluster and return it with its version, within ``REACH_SECONDS``.

    Raises:
        InconclusiveError: with the reason and the next command.
    """
    found: list[tuple[Cluster, str] | InconclusiveError] = []

    def connect() -> None:
        try:
            cluster = Cluster(kubeconfig)
            found.append((cluster, str(cluster.get("/version")["gitVersion"])))
        except InconclusiveError as problem:
            found.append(problem)

    # A thread, because an exec plug-in of the kubeconfig may hang.
    connecting = threading.Thread(target=connect, daemon=True)
    connecting.start()
    connecting.join(REACH_SECONDS)
    answer = found[0] if found else InconclusiveError(f"no answer within {REACH_SECONDS:.0f} s")
    if isinstance(answer, InconclusiveError):
        raise InconclusiveError(
            f"the API cannot be reached: {answer}\n"
            f"  next  kubectl --kubeconfig {kubeconfig} get --raw /version"
        )
    return answer


def _keepalive() -> list[tuple[int, int, int]]:
    """Return socket options that detect connections which a load balancer has dropped silently."""
    socket: Any = importlib.import_module("socket")
    options = [
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    ]
    for name, seconds in (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, name):
            options.append((socket.IPPROTO_TCP, getattr(socket, name), seconds))
    return options


def _one_line(problem: BaseException) -> str:
    """Return the message of an exception in one line, without object addresses."""
    text = str(problem).strip() or type(problem).__name__
    return without_queries(text.split("): ", 1)[-1].splitlines()[0])


def without_queries(text: str) -> str:
    """Cut the query from URLs of exec requests, which contains the whole command."""
    return re.sub(r'\?(?:command|stdout)=[^"\s]*', "", text)


def _message(data: bytes) -> str:
    """Return the message of an API error."""
    try:
        return str(json.loads(data).get("message", ""))
    except (ValueError, AttributeError):
        return data[:200].decode(errors="replace")
