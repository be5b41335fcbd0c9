# SPDX-License-Identifier: Apache-2.0
"""What the cluster bears: things are broken for a while, one at a time, by `--disruptive` only.

Each is sound before, or nothing is broken; that it happened is proven; it heals on the node itself.
Workers are chosen where that is possible; the leader of etcd alone is where it is.
"""

import time
from contextlib import suppress

import pytest

from conformance.api.client import ApiStatusError
from conformance.api.core_resources import readiness
from conformance.api.pods import Json, is_ready, node_of
from conformance.deploy.live import RunHandle
from conformance.deploy.pod_monitor import SCHEDULER
from conformance.facts.model import Facts, NodeStatus
from conformance.manifests import base
from conformance.manifests.base import own_pod
from conformance.outcome import InconclusiveError, require
from conformance.support import disruption
from conformance.support.disruption import AvailabilityMonitor, Host, Request, asking, require_soon
from conformance.support.etcd import statuses

pytestmark = [pytest.mark.disruptive, pytest.mark.orchestration]

RESTART_SECONDS = 45.0  # for a program to be there again
GIVEN_UP_SECONDS = 75.0  # for a node to be NotReady: the controller waits 40 or 50
READY_SECONDS = 120.0
BOOT_SECONDS = 300.0
KUBELET_AWAY = 80  # seconds: longer than it takes to be given up
GAP_SECONDS = 30.0  # without a write, while etcd elects another leader
MOVE_SECONDS = 60.0


@pytest.fixture
def calm(live: RunHandle) -> RunHandle:
    """The cluster, if nobody else looks at it."""
    disruption.require_exclusive(live)
    return live


@pytest.fixture
def worker(calm: RunHandle) -> NodeStatus:
    """A worker that is whole before, and has to be whole after."""
    if all(node.is_control for node in calm.run.nodes):
        pytest.skip("there is no worker: the control plane's nodes are left alone")
    return disruption.healthy_worker(calm)


@pytest.fixture
def pulse(calm: RunHandle, worker: NodeStatus) -> tuple[AvailabilityMonitor, str]:
    """A watch, and the probe on another node from which the worker's pod is asked."""
    return AvailabilityMonitor(), disruption.other_probe(calm, worker.name)


def test_flannel_restarts_and_keeps_its_lease(
    calm: RunHandle, worker: NodeStatus, pulse: tuple[AvailabilityMonitor, str]
) -> None:
    """When flanneld dies it comes back with the same lease, and packets flow meanwhile."""
    watch, probe = pulse
    host, lease = Host(calm, worker.name), "cat /run/flannel/subnet.env"
    before = host.processes("flanneld") or pytest.skip(f"{worker.name}: no process flanneld")
    subnet, ask = host.run(lease), ask_pod_on(calm, worker.name, probe)
    kill(host, before)
    back = watch.while_waiting(ask, lambda: is_new(host, "flanneld", before), RESTART_SECONDS)
    require_back(back, worker.name, "flanneld")
    require_pods_answer(watch, ask, worker.name, "flanneld", allowed=0)
    require_soon(
        "the same lease",
        lambda: host.run(lease) == subnet,
        10,
        at=f"{worker.name}: /run/flannel/subnet.env after flanneld came back",
        seen=host.run(lease),
        likely="flanneld took another subnet: its pods have addresses that nobody leads to it",
        look=f"on {worker.name}: journalctl -u flanneld -n 50",
    )


def test_kube_proxy_comes_back(
    calm: RunHandle, worker: NodeStatus, pulse: tuple[AvailabilityMonitor, str]
) -> None:
    """When kube-proxy dies, old services answer; it comes back and follows new ones."""
    watch, _ = pulse
    host, probe = Host(calm, worker.name), base.probe(base.NET_PROBE, worker.name)
    before = host.processes("kube-proxy") or pytest.skip(f"{worker.name}: no process kube-proxy")
    old = calm.cluster.get(calm.path("services", base.WEB))["spec"]["clusterIP"]
    ask = asking(calm, probe, old, base.WEB_PORT)
    ask_before(ask, f"service {base.WEB} on {worker.name}")
    kill(host, before)
    back = watch.while_waiting(ask, lambda: is_new(host, "kube-proxy", before), RESTART_SECONDS)
    require_back(back, worker.name, "kube-proxy")
    made = calm.cluster.create(
        base.service(calm.run, "after-proxy-restart", base.NET_PROBE, "ClusterIP")
    )
    new = asking(calm, probe, made["spec"]["clusterIP"], base.WEB_PORT)
    require_soon(
        "an answer",
        lambda: answers(new),
        RESTART_SECONDS,
        at=f"{worker.name}: a service made after kube-proxy came back",
        likely="kube-proxy runs and does not follow: it cannot reach the API",
        look=f"on {worker.name}: journalctl -u kube-proxy -n 50; iptables-save -t nat | grep after",
    )
    require_pods_answer(watch, ask, worker.name, "kube-proxy", allowed=0)


def test_etcd_leader_is_killed(calm: RunHandle, facts: Facts) -> None:
    """Another member leads within seconds, writes go on, and the killed one comes back."""
    told = statuses(facts)
    if len(told) < 3:
        pytest.skip(f"{len(told)} members of etcd can be asked: three are needed to lose one")
    leader = next((name for name, each in told.items() if each.leader == each.member), None)
    if leader is None:
        raise InconclusiveError("no member of etcd said that it leads (see test_etcd.py)")
    host, watch, count = Host(calm, leader), AvailabilityMonitor(), iter(range(10**6))
    before = host.processes("etcd")

    def write() -> None:
        note = {"metadata": {"annotations": {"pulse": str(next(count))}}}
        calm.cluster.patch(calm.path("configmaps", base.CLUSTER_CA), note)

    ask_before(write, "a write")
    kill(host, before)
    back = watch.while_waiting(write, lambda: is_new(host, "etcd", before), RESTART_SECONDS)
    until = time.monotonic() + 5
    watch.while_waiting(write, lambda: time.monotonic() > until, 6)
    require_back(back, leader, "etcd")
    require(
        watch.longest <= GAP_SECONDS and watch.answered > 0,
        at=f"writes to the API while the leader of etcd, on {leader}, was gone",
        expected=f"one every {GAP_SECONDS:.0f} s at least",
        seen=f"{watch.longest:.1f} s without one; {len(watch.failed)} failed",
        likely="the members reach each other slowly, or the API server asks the dead one only",
        look="etcdctl endpoint status --cluster -w table; kubectl get --raw '/readyz?verbose'",
    )
    require_soon(
        "every part of the API ready",
        lambda: set(readiness(calm.cluster).values()) == {"ok"},
        READY_SECONDS,
        at=f"the API after etcd came back on {leader}",
        likely="the member did not join again",
        look=f"on {leader}: journalctl -u etcd -n 50",
    )


def test_pods_live_on_without_their_kubelet(
    calm: RunHandle, worker: NodeStatus, pulse: tuple[AvailabilityMonitor, str]
) -> None:
    """A stopped kubelet makes its node NotReady and stops no pod; back again, all is as before."""
    watch, probe = pulse
    host = Host(calm, worker.name)
    if not host.has_unit("kubelet"):
        pytest.skip(f"{worker.name}: the kubelet is no active unit of systemd")
    ask = ask_pod_on(calm, worker.name, probe)
    before, pods = host.processes("kubelet"), own_pods(calm, worker.name)
    host.arm("kubelet", "systemctl start kubelet", KUBELET_AWAY)
    host.arm("stop", "systemctl stop kubelet", 2)  # this very command comes by way of it
    gone = watch.while_waiting(
        ask, lambda: not disruption.status(calm, worker.name).ready, GIVEN_UP_SECONDS
    )
    require(
        gone,
        at=f"{worker.name}: condition Ready, its kubelet stopped",
        expected=f"not True within {GIVEN_UP_SECONDS:.0f} s",
        seen="True",
        likely="kube-controller-manager does not watch the nodes' leases",
        look="kubectl get lease -n kube-system kube-controller-manager",
    )
    require_ready(calm, worker.name, KUBELET_AWAY + READY_SECONDS)
    require_soon(
        "another than before",
        lambda: is_new(host, "kubelet", before),  # it is Ready before it knows of its pods
        RESTART_SECONDS,
        at=f"{worker.name}: process kubelet",
        seen="the same: it was never stopped, and the node was not Ready for another reason",
        likely="systemd-run on the node did not do as it was told",
        look=f"on {worker.name}: journalctl -u kubelet -n 20",
    )
    require_pods_answer(watch, ask, worker.name, "the kubelet", allowed=0)
    now = own_pods(calm, worker.name)
    require(
        now == pods,
        at=f"{worker.name}: pods that run there, by uid and restarts",
        expected=str(pods),
        seen=str(now),
        likely="the kubelet's service kills its containers with it (KillMode)",
        look=f"kubectl get pods -A -o wide --field-selector spec.nodeName={worker.name}",
    )


def test_drained_workload_moves(calm: RunHandle, worker: NodeStatus) -> None:
    """Cordoned and evicted, the pods of a Deployment go elsewhere, and its service answers on."""
    others = [n for n in calm.run.nodes if n.name != worker.name and not base.tolerations_for(n)]
    if not [node for node in others if node.ready and not node.unschedulable]:
        pytest.skip(f"no node but {worker.name} takes ordinary pods")
    if gone := calm.pod_monitor.why_inactive(SCHEDULER):
        raise InconclusiveError(gone)
    for manifest in disruption.drained(calm.run, worker):
        calm.cluster.create(manifest)
    require_soon(
        "three ready pods",
        lambda: len(drained_pods(calm)) == 3,
        MOVE_SECONDS,
        at=f"Deployment {disruption.DRAINED}, before anything was drained",
        likely="pods cannot start, or kube-controller-manager does not run",
        look=f"kubectl get pods -n {calm.run.namespace} -o wide",
    )
    first, watch = drained_pods(calm), AvailabilityMonitor()
    address = calm.cluster.get(calm.path("services", disruption.DRAINED))["spec"]["clusterIP"]
    ask = asking(calm, disruption.other_probe(calm, worker.name), address, base.WEB_PORT)
    ask_before(ask, f"service {disruption.DRAINED}")
    with disruption.cordoned(calm, worker.name, undo_seconds=180):

        def moved() -> bool:
            now = drained_pods(calm)
            here = [name for name, pod in now.items() if node_of(pod) == worker.name]
            for name in here:
                evict(calm, name)
            return len(now) == 3 and not here

        done = watch.while_waiting(ask, moved, MOVE_SECONDS)
        last = {name: node_of(pod) for name, pod in drained_pods(calm).items()}
        require(
            done and disruption.status(calm, worker.name).unschedulable,
            at=f"Deployment {disruption.DRAINED}, {worker.name} cordoned and drained",
            expected=f"three ready pods, none on {worker.name}",
            seen=str(last),
            likely="evictions are refused, or no other node has room",
            look=f"kubectl get pods -n {calm.run.namespace} -o wide; kubectl get pdb -A",
        )
        require(
            any(node_of(pod) == worker.name for pod in first.values()),
            at=f"Deployment {disruption.DRAINED}",
            expected=f"a pod on {worker.name} beforehand, which it preferred",
            seen=str({name: node_of(pod) for name, pod in first.items()}),
            likely="the scheduler does not honour a preferred affinity",
            look=f"kubectl get pods -n {calm.run.namespace} -o wide",
        )
        require_pods_answer(watch, ask, worker.name, "the drained node", allowed=1)
    require(
        not disruption.status(calm, worker.name).unschedulable,
        at=f"{worker.name}: the cordon, taken away",
        expected="none",
        seen="still there",
        likely="the API did not take the change",
        look=f"kubectl uncordon {worker.name}",
    )


def test_node_comes_back_from_a_reboot(
    calm: RunHandle, worker: NodeStatus, pulse: tuple[AvailabilityMonitor, str]
) -> None:
    """After a reboot the node is Ready by itself, has its lease, and its pods answer."""
    _, probe = pulse
    host = Host(calm, worker.name)
    if not host.has_unit("dbus") and not host.has_unit("kubelet"):
        pytest.skip(f"{worker.name}: nobody knows how to boot it: no systemd")
    before, subnet = host.boot(), host.run("cat /run/flannel/subnet.env 2>/dev/null; true")
    host.arm("reboot", "systemctl reboot", 2)
    require_soon(
        "another boot",
        lambda: host.boot() != before,
        BOOT_SECONDS,
        at=f"{worker.name}: boot",
        likely="it did not go down, did not come up, or its kubelet or runtime did not start",
        look=f"the console of {worker.name}; on it: systemctl --failed",
    )
    require_ready(calm, worker.name, READY_SECONDS)
    require_soon(
        "both probes running",
        lambda: disruption.probes_run(calm, worker.name),
        READY_SECONDS,
        at=f"{worker.name}: pods that ran there before",
        likely="the runtime or the network of the node did not come back",
        look=f"kubectl get pods -n {calm.run.namespace} -o wide; kubectl get events -A",
    )
    require_soon(
        "an answer",
        lambda: answers(ask_pod_on(calm, worker.name, probe)),
        READY_SECONDS,
        at=f"{worker.name}: its pod, asked from another node",
        likely="flannel.1 was made anew, and other nodes still send to its old MAC",
        look=f"on {worker.name}: ip -d link show flannel.1; elsewhere: bridge fdb show",
    )
    now = host.run("cat /run/flannel/subnet.env 2>/dev/null; true")
    require(
        now == subnet,
        at=f"{worker.name}: /run/flannel/subnet.env after the reboot",
        expected=subnet,
        seen=now or "no such file",
        likely="the lease was lost, so pods elsewhere have wrong routes for a while",
        look=f"on {worker.name}: journalctl -u flanneld -n 50",
    )


# ---- what several of them need ----


def ask_pod_on(live: RunHandle, node: str, probe: str) -> Request:
    """A question to the pod-network probe of a node, at the address it has now."""
    name = base.probe(base.NET_PROBE, node)
    address = disruption.pod(live, name)["status"]["podIP"]
    return asking(live, probe, address, base.POD_PORT)


def ask_before(ask: Request, what: str) -> None:
    """It answers before anything is broken, else nothing is."""
    if not answers(ask):
        raise InconclusiveError(f"{what} did not answer before anything was broken")


def answers(ask: Request) -> bool:
    """Is there an answer?"""
    try:
        ask()
    except AssertionError:
        return False
    return True


def evict(live: RunHandle, pod: str) -> None:
    """Wish the pod away; refused for as long as its budget wants it."""
    metadata = {"name": pod, "namespace": live.run.namespace}
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}
    with suppress(ApiStatusError):
        live.cluster.post(live.path("pods", pod) + "/eviction", body)


def kill(host: Host, processes: set[str]) -> None:
    """End the processes at once, if they are still those."""
    host.run("kill -9 " + " ".join(each.split()[0] for each in sorted(processes)))


def is_new(host: Host, name: str, before: set[str]) -> bool:
    """Does the program run again, as another process?"""
    try:
        now = host.processes(name)
    except InconclusiveError:
        return False
    return bool(now) and not now & before


def require_back(back: bool, node: str, name: str) -> None:
    """The program that was killed is there again."""
    require(
        back,
        at=f"{node}: {name}, killed",
        expected=f"a new process within {RESTART_SECONDS:.0f} s",
        seen="none",
        likely="nobody starts it again: its unit has no Restart=, or its pod backs off",
        look=f"on {node}: systemctl status {name}; journalctl -u {name} -n 50",
    )


def require_pods_answer(
    watch: AvailabilityMonitor, ask: Request, node: str, what: str, allowed: int
) -> None:
    """There were answers all the while, and there are now."""
    watch.look(ask)
    require(
        watch.answered > 0 and len(watch.failed) <= allowed,
        at=f"{node}: requests while {what} was gone",
        expected="an answer to each",
        seen=f"{watch.answered} answered, {len(watch.failed)} not: {'; '.join(watch.failed[:3])}",
        likely="the data path hangs on the program that was gone",
        look=f"on {node}: ip route; bridge fdb show dev flannel.1; iptables-save -c",
    )


def require_ready(live: RunHandle, node: str, seconds: float) -> None:
    """The node is Ready within so many seconds."""
    require_soon(
        "Ready",
        lambda: disruption.status(live, node).ready,
        seconds,
        at=f"{node}: condition Ready, after all was undone",
        seen=disruption.status(live, node).why_not_ready,
        likely="its kubelet did not start again",
        look=f"on {node}: systemctl status kubelet; journalctl -u kubelet -n 50",
    )


def own_pods(live: RunHandle, node: str) -> dict[str, str]:
    """The run's running pods on a node: uid and restarts, by name."""
    names = (base.probe(base.NET_PROBE, node), own_pod(node))
    found = [disruption.pod(live, name) for name in names]
    return {
        each["metadata"]["name"]: f"{each['metadata']['uid']}, "
        f"{sum(c['restartCount'] for c in each['status']['containerStatuses'])} restarts"
        for each in found
        if is_ready(each)
    }


def drained_pods(live: RunHandle) -> dict[str, Json]:
    """The ready pods of the Deployment that is drained, by name."""
    label = f"{base.APP_LABEL}={disruption.DRAINED}"
    return {
        each["metadata"]["name"]: each
        for each in live.cluster.items(live.path("pods"), labelSelector=label)
        if is_ready(each) and not each["metadata"].get("deletionTimestamp")
    }
