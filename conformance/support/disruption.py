# SPDX-License-Identifier: Apache-2.0
"""Disruptions of a node that end even if the suite is interrupted.

Before a disruption, the node itself is given a timer that ends it: a systemd timer, or a sleeping
process on nodes without systemd. New process ids and boot ids prove that the disruption happened.
"""

import base64
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from conformance.api.client import WaitTimeout, poll_until
from conformance.api.core_resources import HOSTNAME, node_status
from conformance.api.pods import Json, is_ready
from conformance.codes import Code
from conformance.deploy.live import RunHandle
from conformance.facts.model import NodeStatus
from conformance.manifests import base
from conformance.manifests.base import RUN_LABEL, Manifest, Run
from conformance.outcome import CheckFailed, InconclusiveError

HOST = ["nsenter", "-t", "1", "-m", "-u", "-i", "-n", "-p", "--", "sh", "-c"]
SECONDS = 20.0  # for a command on a node
PULSE = 0.5  # seconds between requests during a disruption
# PID and start time of every process with a name; the kernel stores fifteen characters of it.
FIND = (
    'for at in /proc/[0-9]*; do [ "$(cat $at/comm 2>/dev/null)" = "{}" ] && '
    "echo ${{at#/proc/}} $(sed 's/.*) //' $at/stat | cut -d' ' -f20); done; true"
)
# A machine has a boot id; boots of a container differ by the start time of its first process.
BOOT = "cat /proc/sys/kernel/random/boot_id; sed 's/.*) //' /proc/1/stat | cut -d' ' -f20"
ARM = (
    "echo {code} | base64 -d >/run/{unit}.sh; if command -v systemd-run >/dev/null; then "
    "systemd-run --quiet --collect --on-active={seconds} --timer-property=AccuracySec=1s "
    "--unit={unit} sh /run/{unit}.sh; "
    "else nohup setsid sh -c 'sleep {seconds}; sh /run/{unit}.sh' >/dev/null 2>&1 & fi"
)


Request = Callable[[], None]
DRAINED = "drained"


@dataclass(frozen=True)
class Host:
    """A node, accessed through the run's privileged probe."""

    live: RunHandle
    node: str

    def run(self, script: str) -> str:
        """Run a shell command on the node and return its output.

        Raises:
            InconclusiveError: it failed or could not be run.
        """
        pod = base.probe(base.HOST_PROBE, self.node)
        ran = self.live.cluster.execute(self.live.run.namespace, pod, [*HOST, script], SECONDS)
        if ran.status:
            output = (ran.stderr or ran.stdout).strip()[-200:]
            raise InconclusiveError(f"{self.node}: exit status {ran.status}: {output}")
        return ran.stdout.strip()

    def processes(self, name: str) -> set[str]:
        """Return the process id and start time of each process with that name."""
        return set(self.run(FIND.format(name[:15])).splitlines())

    def boot(self) -> str:
        """Return an identifier of the current boot."""
        return " ".join(self.run(BOOT).split())

    def has_unit(self, unit: str) -> bool:
        """Return whether the node has an active systemd unit of that name."""
        try:
            return self.run(f"systemctl is-active {unit}") == "active"
        except InconclusiveError:
            return False

    def arm(self, what: str, undo: str, seconds: float) -> None:
        """Schedule a command on the node itself, which runs even if the suite is interrupted.

        Raises:
            InconclusiveError: it could not be scheduled, so nothing may be disrupted.
        """
        unit = f"conformance-{self.live.run.id}-{what}"
        code = base64.b64encode(f"rm -f /run/{unit}.sh; {undo}\n".encode()).decode()
        self.run(ARM.format(seconds=round(seconds), unit=unit, code=code))

    def disarm(self, what: str) -> None:
        """Cancel a scheduled command; does nothing if it has already run."""
        unit = f"conformance-{self.live.run.id}-{what}"
        self.run(f"systemctl stop {unit}.timer 2>/dev/null; rm -f /run/{unit}.sh")


@dataclass
class AvailabilityMonitor:
    """Counts answered and failed requests, and measures the longest time without an answer."""

    answered: int = 0
    failed: list[str] = field(default_factory=list)
    longest: float = 0.0
    _last: float = field(default_factory=time.monotonic)

    def send(self, request: Callable[[], object]) -> None:
        """Send one request."""
        try:
            request()
        except (InconclusiveError, AssertionError) as problem:
            self.failed.append(str(problem)[:200])
        else:
            self.answered += 1
            self._last = time.monotonic()
        self.longest = max(self.longest, time.monotonic() - self._last)

    def while_waiting(
        self, request: Callable[[], object], done: Callable[[], bool], seconds: float
    ) -> bool:
        """Send requests until ``done`` returns true; return whether it did in time."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.send(request)
            if done():
                return True
            time.sleep(PULSE)
        return False


def require_exclusive(live: RunHandle) -> None:
    """Require that no other run of the suite uses the cluster during a disruption.

    Raises:
        InconclusiveError: names the other runs.
    """
    spaces = live.cluster.items("/api/v1/namespaces", labelSelector=RUN_LABEL)
    own = (live.run.namespace, live.run.plain_namespace)
    others = [
        space["metadata"]["name"]
        for space in spaces
        if space["metadata"]["name"] not in own and not space["metadata"].get("deletionTimestamp")
    ]
    if others:
        raise InconclusiveError(f"other runs use this cluster: {', '.join(others)}")


def healthy_worker(live: RunHandle) -> NodeStatus:
    """Return a healthy worker: Ready, schedulable, with both probes running.

    Raises:
        InconclusiveError: no worker is healthy.
    """
    for node in reversed([node for node in live.run.nodes if not node.is_control]):
        now = status(live, node.name)
        if now.ready and not now.unschedulable and probes_run(live, node.name):
            return now
    raise InconclusiveError("no worker is Ready and schedulable with both probes running")


def status(live: RunHandle, node: str) -> NodeStatus:
    """Return the current status of a node."""
    return node_status(live.cluster.get(f"/api/v1/nodes/{node}"))


def probes_run(live: RunHandle, node: str) -> bool:
    """Return whether both probes of the node run."""
    names = [base.probe(app, node) for app in (base.NET_PROBE, base.HOST_PROBE)]
    return all(is_ready(pod(live, name)) for name in names)


def pod(live: RunHandle, name: str) -> Json:
    """Return the current state of one of the run's pods."""
    return dict(live.cluster.get(live.path("pods", name)))


def other_probe(live: RunHandle, node: str) -> str:
    """Return the pod-network probe of another node, from which to send requests.

    Raises:
        InconclusiveError: no other node has one.
    """
    others = {name: probe for name, probe in live.net_probes().items() if name != node}
    if not others:
        raise InconclusiveError(f"no node except {node} runs a probe that can send requests")
    return others[min(others)]


def http_request(live: RunHandle, probe: str, address: str, port: int) -> Request:
    """Return a request from a probe to an HTTP server; it raises without an answer."""

    def send() -> None:
        ran = live.shell(probe, f"timeout 3 wget -q -O - http://{address}:{port}/hostname")
        assert ran.status == 0, ran.stderr.strip() or "no answer in 3 s"

    return send


def require_soon(
    what: str,
    done: Callable[[], bool],
    seconds: float,
    *,
    at: str,
    likely: str,
    look: str,
    code: Code,
    seen: str = "not within that time",
) -> None:
    """Require that ``done`` returns true in time; inconclusive calls are repeated.

    Raises:
        CheckFailed: it did not.
    """

    def is_done() -> bool:
        try:
            return done()
        except InconclusiveError:
            return False

    try:
        poll_until(is_done, bool, seconds, every=1.0)
    except WaitTimeout:
        raise CheckFailed(
            at=at,
            expected=f"{what} within {seconds:.0f} s",
            seen=seen,
            likely=likely,
            look=look,
            code=code,
        ) from None


@contextmanager
def cordoned(live: RunHandle, node: str, undo_seconds: float) -> Iterator[None]:
    """Cordon the node; if the suite is interrupted, the node uncordons itself."""
    path = f"/api/v1/nodes/{node}"
    mark = {base.CORDON: live.run.id}
    host = Host(live, node)
    host.arm("uncordon", uncordoning(live, node), undo_seconds)
    change = {"metadata": {"annotations": mark}, "spec": {"unschedulable": True}}
    live.cluster.patch(path, change)
    try:
        yield
    finally:
        undo = {"metadata": {"annotations": dict.fromkeys(mark)}, "spec": {"unschedulable": None}}
        live.cluster.patch(path, undo)
        host.disarm("uncordon")


def uncordoning(live: RunHandle, node: str) -> str:
    """Return a shell command that uncordons the node, with its kubelet's certificate."""
    url = live.run.api_servers[0] if live.run.api_servers else live.cluster.server
    pair = "/var/lib/kubelet/pki/kubelet-client-current.pem"
    kind = "Content-Type: application/merge-patch+json"
    body = '{"spec":{"unschedulable":null}}'
    return (
        f"curl -s -k --max-time 20 --cert {pair} --key {pair} -X PATCH -H '{kind}' -d '{body}' "
        f"{url}/api/v1/nodes/{node}"
    )


def drained(run: Run, node: NodeStatus) -> list[Manifest]:
    """Return a Deployment that prefers the node, its service, and a budget of two pods."""
    label = {"key": HOSTNAME, "operator": "In", "values": [node.labels.get(HOSTNAME, node.name)]}
    preferred = {"weight": 100, "preference": {"matchExpressions": [label]}}
    affinity = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [preferred]}}
    spec = base.pod_spec(run, ["/agnhost", "netexec", f"--http-port={base.POD_PORT}"])
    container = spec["containers"][0]
    container["readinessProbe"] = {
        "httpGet": {"path": "/healthz", "port": base.POD_PORT},
        "periodSeconds": 1,
    }
    # A terminating pod answers until it has been removed from all endpoints.
    container["lifecycle"] = {"preStop": {"exec": {"command": ["sleep", "3"]}}}
    grace = {"terminationGracePeriodSeconds": 6, "tolerations": []}
    template = {
        "metadata": {"labels": base.labels_of(run, DRAINED)},
        "spec": spec | grace | {"affinity": affinity},
    }
    chosen = {"matchLabels": {base.APP_LABEL: DRAINED}}
    replicas = {"replicas": 3, "selector": chosen, "template": template}
    return [
        base.service(run, DRAINED, DRAINED, "ClusterIP"),
        base.namespaced(run, "apps/v1", "Deployment", DRAINED, spec=replicas),
        base.namespaced(
            run,
            "policy/v1",
            "PodDisruptionBudget",
            DRAINED,
            spec={"minAvailable": 2, "selector": chosen},
        ),
    ]
