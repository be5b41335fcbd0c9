# SPDX-License-Identifier: Apache-2.0
"""Resilience: temporary disruptions, one at a time, only with ``--disruptive``.

Each check first verifies that the target works, proves that the disruption happened, and arms the
node to undo it. Workers are the targets, except for the leader of etcd.
"""

import time
from contextlib import suppress

import pytest

from conformance.api.client import ApiStatusError
from conformance.api.core_resources import readiness
from conformance.api.pods import Json, is_ready, node_of
from conformance.codes import Code
from conformance.deploy.live import RunHandle
from conformance.deploy.pod_monitor import SCHEDULER
from conformance.facts.model import Facts, NodeStatus
from conformance.manifests import base
from conformance.manifests.base import own_pod
from conformance.outcome import InconclusiveError, require
from conformance.support import back_ends, disruption
from conformance.support.disruption import (
    AvailabilityMonitor,
    Host,
    Request,
    http_request,
    require_soon,
)
from conformance.support.etcd import statuses

pytestmark = [pytest.mark.disruptive, pytest.mark.orchestration]

RESTART_SECONDS = 45.0  # until a program runs again
RECREATED_SECONDS, RECREATED_FAILURES = 15.0, 3  # after flanneld has recreated a device
NOT_READY_SECONDS = 75.0  # until a node is NotReady: the controller waits 40 or 50
READY_SECONDS = 120.0
BOOT_SECONDS = 300.0
KUBELET_DOWN_SECONDS = 80  # longer than it takes until the node is NotReady
GAP_SECONDS = 30.0  # without a write, while etcd elects another leader
MOVE_SECONDS = 60.0


@pytest.fixture
def handle(live: RunHandle) -> RunHandle:
    """Return the run on its cluster, if no other run uses the cluster."""
    disruption.require_exclusive(live)
    return live


@pytest.fixture
def worker(handle: RunHandle) -> NodeStatus:
    """Return a healthy worker."""
    if all(node.is_control for node in handle.run.nodes):
        pytest.skip("the cluster has no workers, and control-plane nodes are not disrupted")
    return disruption.healthy_worker(handle)


@pytest.fixture
def pulse(handle: RunHandle, worker: NodeStatus) -> tuple[AvailabilityMonitor, str]:
    """Return a monitor, and the probe on another node that sends requests to the worker's pod."""
    return AvailabilityMonitor(), disruption.other_probe(handle, worker.name)


def test_flannel_restarts_and_keeps_its_lease(
    handle: RunHandle, worker: NodeStatus, pulse: tuple[AvailabilityMonitor, str]
) -> None:
    """When flanneld is killed, packets still pass, and it restarts with the same lease.

    With WireGuard, flanneld recreates its device when it starts, which interrupts the path.
    """
    watch, probe = pulse
    host, lease = Host(handle, worker.name), "cat /run/flannel/subnet.env"
    before = host.processes("flanneld") or pytest.skip(f"{worker.name}: no process flanneld")
    subnet, request = host.run(lease), request_to_pod_on(handle, worker.name, probe)
    is_recreated = back_ends.WIREGUARD_DEVICE in host.run("cat /proc/net/dev")
    kill(host, before)
    is_restarted = watch.while_waiting(
        request, lambda: is_new(host, "flanneld", before), RESTART_SECONDS
    )
    require_restarted(is_restarted, worker.name, "flanneld")
    if is_recreated:
        require_soon(
            "an answer",
            lambda: is_answered(request),
            RECREATED_SECONDS,
            at=f"{worker.name}: its pod, requested from another node",
            likely=f"flanneld recreated {back_ends.WIREGUARD_DEVICE} without its peers",
            look=f"on {worker.name}: wg show; journalctl -u flanneld -n 50",
            code=Code.POD_UNREACHABLE,
        )
    allowed = RECREATED_FAILURES if is_recreated else 0
    require_pods_answer(watch, request, worker.name, "flanneld", allowed=allowed)
    require_soon(
        "the same lease",
        lambda: host.run(lease) == subnet,
        10,
        at=f"{worker.name}: /run/flannel/subnet.env after the restart of flanneld",
        seen=host.run(lease),
        likely="flanneld leased a different subnet; other nodes do not route to its existing pods",
        look=f"on {worker.name}: journalctl -u flanneld -n 50",
        code=Code.FLANNEL_LEASE_CHANGED,
    )


def test_kube_proxy_recovers(
    handle: RunHandle, worker: NodeStatus, pulse: tuple[AvailabilityMonitor, str]
) -> None:
    """When kube-proxy is killed, existing services answer; it restarts and applies new ones."""
    watch, _ = pulse
    host, probe = Host(handle, worker.name), base.probe(base.NET_PROBE, worker.name)
    before = host.processes("kube-proxy") or pytest.skip(f"{worker.name}: no process kube-proxy")
    old = handle.cluster.get(handle.path("services", base.WEB))["spec"]["clusterIP"]
    request = http_request(handle, probe, old, base.WEB_PORT)
    require_before(request, f"service {base.WEB} on {worker.name}")
    kill(host, before)
    is_restarted = watch.while_waiting(
        request, lambda: is_new(host, "kube-proxy", before), RESTART_SECONDS
    )
    require_restarted(is_restarted, worker.name, "kube-proxy")
    made = handle.cluster.create(
        base.service(handle.run, "after-proxy-restart", base.NET_PROBE, "ClusterIP")
    )
    new = http_request(handle, probe, made["spec"]["clusterIP"], base.WEB_PORT)
    require_soon(
        "an answer",
        lambda: is_answered(new),
        RESTART_SECONDS,
        at=f"{worker.name}: a service created after the restart of kube-proxy",
        likely="kube-proxy runs but cannot reach the API",
        look=f"on {worker.name}: journalctl -u kube-proxy; iptables-save -t nat; nft list ruleset",
        code=Code.CLUSTER_IP_UNREACHABLE,
    )
    require_pods_answer(watch, request, worker.name, "kube-proxy", allowed=0)


def test_etcd_leader_is_killed(handle: RunHandle, facts: Facts) -> None:
    """Another member becomes leader within seconds, writes succeed, the killed one restarts."""
    found = statuses(facts)
    if len(found) < 3:
        pytest.skip(f"only {len(found)} etcd members reported: losing one of them needs three")
    leader = next((name for name, each in found.items() if each.leader == each.member), None)
    if leader is None:
        raise InconclusiveError("no etcd member reported that it is the leader (see test_etcd.py)")
    host, watch, count = Host(handle, leader), AvailabilityMonitor(), iter(range(10**6))
    before = host.processes("etcd")

    def write() -> None:
        note = {"metadata": {"annotations": {"pulse": str(next(count))}}}
        handle.cluster.patch(handle.path("configmaps", base.CLUSTER_CA), note)

    require_before(write, "a write")
    kill(host, before)
    is_restarted = watch.while_waiting(write, lambda: is_new(host, "etcd", before), RESTART_SECONDS)
    until = time.monotonic() + 5
    watch.while_waiting(write, lambda: time.monotonic() > until, 6)
    require_restarted(is_restarted, leader, "etcd")
    require(
        watch.longest <= GAP_SECONDS and watch.answered > 0,
        at=f"writes to the API after the etcd leader on {leader} was killed",
        expected=f"one every {GAP_SECONDS:.0f} s at least",
        seen=f"{watch.longest:.1f} s without one; {len(watch.failed)} failed",
        likely="the network between members is slow, or the API server uses only the killed member",
        look="etcdctl endpoint status --cluster -w table; kubectl get --raw '/readyz?verbose'",
        code=Code.API_WRITES_FAIL,
    )
    require_soon(
        "every part of the API ready",
        lambda: set(readiness(handle.cluster).values()) == {"ok"},
        READY_SECONDS,
        at=f"the API after the restart of etcd on {leader}",
        likely="the member did not rejoin",
        look=f"on {leader}: journalctl -u etcd -n 50",
        code=Code.API_NOT_READY,
    )


def test_pods_keep_running_without_kubelet(
    handle: RunHandle, worker: NodeStatus, pulse: tuple[AvailabilityMonitor, str]
) -> None:
    """Stopping a kubelet makes its node NotReady, but stops no pod, also after its restart."""
    watch, probe = pulse
    host = Host(handle, worker.name)
    if not host.has_unit("kubelet"):
        pytest.skip(f"{worker.name}: the kubelet is not an active systemd unit")
    request = request_to_pod_on(handle, worker.name, probe)
    before, pods = host.processes("kubelet"), own_pods(handle, worker.name)
    host.arm("kubelet", "systemctl start kubelet", KUBELET_DOWN_SECONDS)
    host.arm("stop", "systemctl stop kubelet", 2)  # delayed, as this command needs the kubelet
    is_not_ready = watch.while_waiting(
        request, lambda: not disruption.status(handle, worker.name).ready, NOT_READY_SECONDS
    )
    require(
        is_not_ready,
        at=f"{worker.name}: condition Ready while its kubelet is stopped",
        expected=f"not True within {NOT_READY_SECONDS:.0f} s",
        seen="True",
        likely="kube-controller-manager does not watch the nodes' leases",
        look="kubectl get lease -n kube-system kube-controller-manager",
        code=Code.NODE_STILL_READY,
    )
    require_ready(handle, worker.name, KUBELET_DOWN_SECONDS + READY_SECONDS)
    require_soon(
        "a new process",
        lambda: is_new(host, "kubelet", before),  # the node is Ready before it reports its pods
        RESTART_SECONDS,
        at=f"{worker.name}: process kubelet",
        seen="the same: it was never stopped, and the node was NotReady for another reason",
        likely="systemd-run on the node did not run the command",
        look=f"on {worker.name}: journalctl -u kubelet -n 20",
        code=Code.PROGRAM_NOT_RESTARTED,
    )
    require_pods_answer(watch, request, worker.name, "the kubelet", allowed=0)
    now = own_pods(handle, worker.name)
    require(
        now == pods,
        at=f"{worker.name}: running pods, by uid and restarts",
        expected=str(pods),
        seen=str(now),
        likely="stopping the kubelet's unit also kills its containers (KillMode)",
        look=f"kubectl get pods -A -o wide --field-selector spec.nodeName={worker.name}",
        code=Code.PODS_RESTARTED,
    )


def test_drained_workload_moves(handle: RunHandle, worker: NodeStatus) -> None:
    """When a node is drained, the pods of a Deployment move, and its service keeps answering."""
    others = [n for n in handle.run.nodes if n.name != worker.name and not base.tolerations_for(n)]
    if not [node for node in others if node.ready and not node.unschedulable]:
        pytest.skip(f"no node except {worker.name} accepts ordinary pods")
    if inactive := handle.pod_monitor.why_inactive(SCHEDULER):
        raise InconclusiveError(inactive)
    for manifest in disruption.drained(handle.run, worker):
        handle.cluster.create(manifest)
    require_soon(
        "three ready pods",
        lambda: len(drained_pods(handle)) == 3,
        MOVE_SECONDS,
        at=f"Deployment {disruption.DRAINED}, before the drain",
        likely="pods cannot start, or kube-controller-manager does not run",
        look=f"kubectl get pods -n {handle.run.namespace} -o wide",
        code=Code.WORKLOAD_INCOMPLETE,
    )
    first, watch = drained_pods(handle), AvailabilityMonitor()
    address = handle.cluster.get(handle.path("services", disruption.DRAINED))["spec"]["clusterIP"]
    request = http_request(
        handle, disruption.other_probe(handle, worker.name), address, base.WEB_PORT
    )
    require_before(request, f"service {disruption.DRAINED}")
    with disruption.cordoned(handle, worker.name, undo_seconds=180):

        def moved() -> bool:
            now = drained_pods(handle)
            here = [name for name, pod in now.items() if node_of(pod) == worker.name]
            for name in here:
                evict(handle, name)
            return len(now) == 3 and not here

        done = watch.while_waiting(request, moved, MOVE_SECONDS)
        last = {name: node_of(pod) for name, pod in drained_pods(handle).items()}
        require(
            done and disruption.status(handle, worker.name).unschedulable,
            at=f"Deployment {disruption.DRAINED}, {worker.name} cordoned and drained",
            expected=f"three ready pods, none on {worker.name}",
            seen=str(last),
            likely="evictions are rejected, or no other node has capacity",
            look=f"kubectl get pods -n {handle.run.namespace} -o wide; kubectl get pdb -A",
            code=Code.DRAIN_INCOMPLETE,
        )
        require(
            any(node_of(pod) == worker.name for pod in first.values()),
            at=f"Deployment {disruption.DRAINED}",
            expected=f"a pod on {worker.name}, which it prefers, before the drain",
            seen=str({name: node_of(pod) for name, pod in first.items()}),
            likely="the scheduler does not honour a preferred affinity",
            look=f"kubectl get pods -n {handle.run.namespace} -o wide",
            code=Code.CONSTRAINT_NOT_HONOURED,
        )
        require_pods_answer(watch, request, worker.name, "the drained node", allowed=1)
    require(
        not disruption.status(handle, worker.name).unschedulable,
        at=f"{worker.name}: spec.unschedulable, after the drain",
        expected="not set",
        seen="set",
        likely="the API did not store the change",
        look=f"kubectl uncordon {worker.name}",
        code=Code.NODE_CORDONED,
    )


def test_node_recovers_from_a_reboot(
    handle: RunHandle, worker: NodeStatus, pulse: tuple[AvailabilityMonitor, str]
) -> None:
    """After a reboot the node becomes Ready, has the same lease, and its pods answer."""
    _, probe = pulse
    host = Host(handle, worker.name)
    if not host.has_unit("dbus") and not host.has_unit("kubelet"):
        pytest.skip(f"{worker.name}: it cannot be rebooted without systemd")
    before, subnet = host.boot(), host.run("cat /run/flannel/subnet.env 2>/dev/null; true")
    host.arm("reboot", "systemctl reboot", 2)
    require_soon(
        "a new boot id",
        lambda: host.boot() != before,
        BOOT_SECONDS,
        at=f"{worker.name}: boot",
        likely="it did not shut down or boot, or its kubelet or runtime did not start",
        look=f"the console of {worker.name}; on it: systemctl --failed",
        code=Code.NODE_NOT_RECOVERED,
    )
    require_ready(handle, worker.name, READY_SECONDS)
    require_soon(
        "both probes running",
        lambda: disruption.probes_run(handle, worker.name),
        READY_SECONDS,
        at=f"{worker.name}: pods that ran there before",
        likely="the runtime or the network of the node did not start",
        look=f"kubectl get pods -n {handle.run.namespace} -o wide; kubectl get events -A",
        code=Code.NODE_NOT_RECOVERED,
    )
    require_soon(
        "an answer",
        lambda: is_answered(request_to_pod_on(handle, worker.name, probe)),
        READY_SECONDS,
        at=f"{worker.name}: its pod, requested from another node",
        likely="flannel's device was recreated, and other nodes still send to its old MAC or key",
        look=f"on {worker.name}: ip -d link show; elsewhere: ip route; bridge fdb show",
        code=Code.POD_UNREACHABLE,
    )
    now = host.run("cat /run/flannel/subnet.env 2>/dev/null; true")
    require(
        now == subnet,
        at=f"{worker.name}: /run/flannel/subnet.env after the reboot",
        expected=subnet,
        seen=now or "no such file",
        likely="the lease was lost, so that other nodes have wrong routes for some time",
        look=f"on {worker.name}: journalctl -u flanneld -n 50",
        code=Code.FLANNEL_LEASE_CHANGED,
    )


# ---- helpers ----


def request_to_pod_on(live: RunHandle, node: str, probe: str) -> Request:
    """Return a request to the pod-network probe of a node, at its current address."""
    name = base.probe(base.NET_PROBE, node)
    address = disruption.pod(live, name)["status"]["podIP"]
    return http_request(live, probe, address, base.POD_PORT)


def require_before(request: Request, what: str) -> None:
    """Require an answer before the disruption.

    Raises:
        InconclusiveError: there is no answer; nothing is disrupted.
    """
    if not is_answered(request):
        raise InconclusiveError(f"{what} did not answer before the disruption")


def is_answered(request: Request) -> bool:
    """Return whether the request is answered."""
    try:
        request()
    except AssertionError:
        return False
    return True


def evict(live: RunHandle, pod: str) -> None:
    """Request the eviction of a pod; ignore a rejection because of its budget."""
    metadata = {"name": pod, "namespace": live.run.namespace}
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}
    with suppress(ApiStatusError):
        live.cluster.post(live.path("pods", pod) + "/eviction", body)


def kill(host: Host, processes: set[str]) -> None:
    """Kill the processes."""
    host.run("kill -9 " + " ".join(each.split()[0] for each in sorted(processes)))


def is_new(host: Host, name: str, before: set[str]) -> bool:
    """Return whether the program runs as a new process."""
    try:
        now = host.processes(name)
    except InconclusiveError:
        return False
    return bool(now) and not now & before


def require_restarted(is_restarted: bool, node: str, name: str) -> None:
    """Require that the killed program runs again."""
    require(
        is_restarted,
        at=f"{node}: {name}, killed",
        expected=f"a new process within {RESTART_SECONDS:.0f} s",
        seen="none",
        likely="its unit has no Restart=, or its pod is in back-off",
        look=f"on {node}: systemctl status {name}; journalctl -u {name} -n 50",
        code=Code.PROGRAM_NOT_RESTARTED,
    )


def require_pods_answer(
    watch: AvailabilityMonitor, request: Request, node: str, what: str, allowed: int
) -> None:
    """Require answers during the disruption and now, with at most ``allowed`` failures."""
    watch.send(request)
    require(
        watch.answered > 0 and len(watch.failed) <= allowed,
        at=f"{node}: requests while {what} was down",
        expected="an answer to each",
        seen=f"{watch.answered} answered, {len(watch.failed)} not: {'; '.join(watch.failed[:3])}",
        likely="the data path depends on the program that was down",
        look=f"on {node}: ip route; bridge fdb show; iptables-save -c; nft list ruleset",
        code=Code.REQUESTS_FAIL_DURING_DISRUPTION,
    )


def require_ready(live: RunHandle, node: str, seconds: float) -> None:
    """Require that the node is Ready within that many seconds."""
    require_soon(
        "Ready",
        lambda: disruption.status(live, node).ready,
        seconds,
        at=f"{node}: condition Ready, after the disruption",
        seen=disruption.status(live, node).why_not_ready,
        likely="its kubelet did not start again",
        look=f"on {node}: systemctl status kubelet; journalctl -u kubelet -n 50",
        code=Code.NODE_NOT_READY,
    )


def own_pods(live: RunHandle, node: str) -> dict[str, str]:
    """Return uid and restarts of the run's running pods on a node, by name."""
    names = (base.probe(base.NET_PROBE, node), own_pod(node))
    found = [disruption.pod(live, name) for name in names]
    return {
        each["metadata"]["name"]: f"{each['metadata']['uid']}, "
        f"{sum(c['restartCount'] for c in each['status']['containerStatuses'])} restarts"
        for each in found
        if is_ready(each)
    }


def drained_pods(live: RunHandle) -> dict[str, Json]:
    """Return the ready pods of the Deployment that is drained, by name."""
    label = f"{base.APP_LABEL}={disruption.DRAINED}"
    return {
        each["metadata"]["name"]: each
        for each in live.cluster.items(live.path("pods"), labelSelector=label)
        if is_ready(each) and not each["metadata"].get("deletionTimestamp")
    }
