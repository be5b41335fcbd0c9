# SPDX-License-Identifier: Apache-2.0
"""Breaking something on a node for a while, so that it heals even if nobody is left to heal it.

What heals is armed on the node itself before anything is broken: a timer of its systemd, or where
there is none a process that sleeps. That it happened is proven by processes and boots that are new.
"""

import base64
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from conformance.api.client import WaitTimeout, poll_until
from conformance.api.core_resources import HOSTNAME, node_status
from conformance.api.pods import Json, is_ready
from conformance.deploy.live import RunHandle
from conformance.facts.model import NodeStatus
from conformance.manifests import base
from conformance.manifests.base import RUN_LABEL, Manifest, Run
from conformance.outcome import CheckFailed, InconclusiveError

HOST = ["nsenter", "-t", "1", "-m", "-u", "-i", "-n", "-p", "--", "sh", "-c"]
SECONDS = 20.0  # for a command on a node
PULSE = 0.5  # seconds between two questions while something is broken
# PID and start time of every process of a name; the kernel keeps fifteen characters of it.
FIND = (
    'for at in /proc/[0-9]*; do [ "$(cat $at/comm 2>/dev/null)" = "{}" ] && '
    "echo ${{at#/proc/}} $(sed 's/.*) //' $at/stat | cut -d' ' -f20); done; true"
)
# `boot_id` is the machine's; the first process's start tells apart boots of a container.
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
    """A node, by way of the run's own privileged probe on it."""

    live: RunHandle
    node: str

    def run(self, script: str) -> str:
        """Run a line of shell on the node itself; what it prints.

        Raises:
            InconclusiveError: if it fails, or cannot be run.
        """
        pod = base.probe(base.HOST_PROBE, self.node)
        ran = self.live.cluster.execute(self.live.run.namespace, pod, [*HOST, script], SECONDS)
        if ran.status:
            said = (ran.stderr or ran.stdout).strip()[-200:]
            raise InconclusiveError(f"{self.node}: exit status {ran.status}: {said}")
        return ran.stdout.strip()

    def processes(self, name: str) -> set[str]:
        """Process id and start of each process of that name."""
        return set(self.run(FIND.format(name[:15])).splitlines())

    def boot(self) -> str:
        """What no two boots of the node have in common."""
        return " ".join(self.run(BOOT).split())

    def has_unit(self, unit: str) -> bool:
        """Is it a unit of the node's systemd, and active?"""
        try:
            return self.run(f"systemctl is-active {unit}") == "active"
        except InconclusiveError:
            return False

    def arm(self, what: str, undo: str, seconds: float) -> None:
        """Have the node itself do something in a while, whatever becomes of us.

        Raises:
            InconclusiveError: if it will not, so nothing may be broken.
        """
        unit = f"conformance-{self.live.run.id}-{what}"
        code = base64.b64encode(f"rm -f /run/{unit}.sh; {undo}\n".encode()).decode()
        self.run(ARM.format(seconds=round(seconds), unit=unit, code=code))

    def disarm(self, what: str) -> None:
        """What was armed is not needed; harmless if it was done already."""
        unit = f"conformance-{self.live.run.id}-{what}"
        self.run(f"systemctl stop {unit}.timer 2>/dev/null; rm -f /run/{unit}.sh")


@dataclass
class AvailabilityMonitor:
    """Asks the same thing all the while: how often it was answered, and the longest silence."""

    answered: int = 0
    failed: list[str] = field(default_factory=list)
    longest: float = 0.0
    _last: float = field(default_factory=time.monotonic)

    def look(self, ask: Callable[[], object]) -> None:
        """Ask once."""
        try:
            ask()
        except (InconclusiveError, AssertionError) as problem:
            self.failed.append(str(problem)[:200])
        else:
            self.answered += 1
            self._last = time.monotonic()
        self.longest = max(self.longest, time.monotonic() - self._last)

    def while_waiting(
        self, ask: Callable[[], object], done: Callable[[], bool], seconds: float
    ) -> bool:
        """Ask again and again until it is done; False if that is not so in time."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.look(ask)
            if done():
                return True
            time.sleep(PULSE)
        return False


def require_exclusive(live: RunHandle) -> None:
    """Nobody else may be looking at the cluster while it is being broken.

    Raises:
        InconclusiveError: naming the runs that are.
    """
    spaces = live.cluster.items("/api/v1/namespaces", labelSelector=RUN_LABEL)
    own = (live.run.namespace, live.run.plain_namespace)
    others = [
        space["metadata"]["name"]
        for space in spaces
        if space["metadata"]["name"] not in own and not space["metadata"].get("deletionTimestamp")
    ]
    if others:
        raise InconclusiveError(f"other runs look at this cluster: {', '.join(others)}")


def healthy_worker(live: RunHandle) -> NodeStatus:
    """A worker that is whole now: Ready, free, both probes run.

    Raises:
        InconclusiveError: if there is none, although there are workers.
    """
    for node in reversed([node for node in live.run.nodes if not node.is_control]):
        now = status(live, node.name)
        if now.ready and not now.unschedulable and probes_run(live, node.name):
            return now
    raise InconclusiveError("no worker is whole now: Ready, free of cordons, running both probes")


def status(live: RunHandle, node: str) -> NodeStatus:
    """What the API says of a node now."""
    return node_status(live.cluster.get(f"/api/v1/nodes/{node}"))


def probes_run(live: RunHandle, node: str) -> bool:
    """Do both probes of the node run?"""
    names = [base.probe(app, node) for app in (base.NET_PROBE, base.HOST_PROBE)]
    return all(is_ready(pod(live, name)) for name in names)


def pod(live: RunHandle, name: str) -> Json:
    """One of the run's pods as it is now."""
    return dict(live.cluster.get(live.path("pods", name)))


def other_probe(live: RunHandle, node: str) -> str:
    """The pod-network probe of another node, to ask from.

    Raises:
        InconclusiveError: if no other node has one.
    """
    others = {name: probe for name, probe in live.net_probes().items() if name != node}
    if not others:
        raise InconclusiveError(f"no node but {node} runs a probe from which to ask")
    return others[min(others)]


def asking(live: RunHandle, probe: str, address: str, port: int) -> Request:
    """A question to an HTTP server, asked by a probe; it fails if there is no answer."""

    def ask() -> None:
        ran = live.shell(probe, f"timeout 3 wget -q -O - http://{address}:{port}/hostname")
        assert ran.status == 0, ran.stderr.strip() or "no answer in 3 s"

    return ask


def require_soon(what: str, done: Callable[[], bool], seconds: float, **told: str) -> None:
    """It comes true within so many seconds; a question that fails meanwhile is asked again.

    Raises:
        CheckFailed: if it does not.
    """

    def ask() -> bool:
        try:
            return done()
        except InconclusiveError:
            return False

    try:
        poll_until(ask, bool, seconds, every=1.0)
    except WaitTimeout:
        raise CheckFailed(
            at=told["at"],
            expected=f"{what} within {seconds:.0f} s",
            seen=told.get("seen", "not so"),
            likely=told["likely"],
            look=told["look"],
        ) from None


@contextmanager
def cordoned(live: RunHandle, node: str, undo_seconds: float) -> Iterator[None]:
    """Ordinary pods keep off the node meanwhile; the node itself ends that if nobody else does."""
    path = f"/api/v1/nodes/{node}"
    mark = {base.CORDON: live.run.id}
    host = Host(live, node)
    host.arm("uncordon", uncordoning(live, node), undo_seconds)
    change = {"metadata": {"annotations": mark}, "spec": {"unschedulable": True}}
    live.cluster.patch(path, change)
    try:
        yield
    finally:
        gone = {"metadata": {"annotations": dict.fromkeys(mark)}, "spec": {"unschedulable": None}}
        live.cluster.patch(path, gone)
        host.disarm("uncordon")


def uncordoning(live: RunHandle, node: str) -> str:
    """A line of shell by which a node takes its own cordon away, with its kubelet's certificate."""
    url = live.run.api_servers[0] if live.run.api_servers else live.cluster.server
    pair = "/var/lib/kubelet/pki/kubelet-client-current.pem"
    kind = "Content-Type: application/merge-patch+json"
    body = '{"spec":{"unschedulable":null}}'
    return (
        f"curl -s -k --max-time 20 --cert {pair} --key {pair} -X PATCH -H '{kind}' -d '{body}' "
        f"{url}/api/v1/nodes/{node}"
    )


def drained(run: Run, node: NodeStatus) -> list[Manifest]:
    """A Deployment that would rather be on the node, its service, and a budget that spares two."""
    label = {"key": HOSTNAME, "operator": "In", "values": [node.labels.get(HOSTNAME, node.name)]}
    wish = {"weight": 100, "preference": {"matchExpressions": [label]}}
    affinity = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [wish]}}
    spec = base.pod_spec(run, ["/agnhost", "netexec", f"--http-port={base.POD_PORT}"])
    container = spec["containers"][0]
    container["readinessProbe"] = {
        "httpGet": {"path": "/healthz", "port": base.POD_PORT},
        "periodSeconds": 1,
    }
    # Who is asked when it is told to end answers until nobody is sent there any more.
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
