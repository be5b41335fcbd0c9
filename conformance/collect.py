# SPDX-License-Identifier: Apache-2.0
"""Gathers the facts: waits for the probes, then asks every node once, all of them side by side."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from conformance import roster, stage
from conformance.cluster import Cluster, TooLateError, until
from conformance.expectation import Expectation
from conformance.facts import Facts, NodeView, Services
from conformance.sections import node_view
from conformance.stage import Run
from conformance.verdict import CouldNotAskError

AT_ONCE = 16
EXEC_SECONDS = 60.0
# A container that waits for one of these does not start by waiting longer.
HOPELESS = {
    "CreateContainerConfigError",
    "CreateContainerError",
    "ErrImageNeverPull",
    "ImagePullBackOff",
    "InvalidImageName",
    "RunContainerError",
    "CrashLoopBackOff",
}
UNITS = (
    "etcd", "flanneld", "containerd", "docker", "cri-docker", "kubelet", "kube-proxy",
    "kube-apiserver", "kube-controller-manager", "kube-scheduler",
)  # fmt: skip
# CA, certificate and key of an etcd client that may ask for health: heatgen's paths, then
# kubeadm's.
IDENTITIES = (
    ("/etc/etcd/pki/ca.crt", "/etc/etcd/pki/health.crt", "/etc/etcd/pki/health.key"),
    (
        "/etc/kubernetes/pki/etcd/ca.crt",
        "/etc/kubernetes/pki/etcd/healthcheck-client.crt",
        "/etc/kubernetes/pki/etcd/healthcheck-client.key",
    ),
)
ETCD_PORT = 2379


@dataclass(frozen=True)
class Probe:
    """One probe pod: is it ready, and if not, why."""

    pod: str
    address: str
    ready: bool
    problem: str
    hopeless: bool


Probes = dict[tuple[str, str], Probe]  # by app and node


def collect(
    cluster: Cluster, run: Run, expected: Expectation, plain: dict[str, Any] | None, patience: float
) -> Facts:
    """All facts of the cluster; what could not be asked is in them as such.

    Raises:
        CouldNotAskError: if the API itself does not answer.
    """
    begun = time.monotonic()
    probes = await_probes(cluster, run, patience)
    started = time.monotonic()
    services = roster.services(cluster, run.namespace, stage.WEB)
    names = [node.name for node in run.nodes]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        told = pool.map(
            lambda node: _ask_node(cluster, run, expected, services, probes, node), names
        )
        nodes = {node.name: node for node in roster.nodes(cluster)}
        pods = roster.pods(cluster)
        views = dict(zip(names, told, strict=True))
    return Facts(
        taken=cluster.now().isoformat(timespec="seconds"),
        server=str(cluster.get("/version")["gitVersion"]),
        nodes=nodes,
        pods=pods,
        services=services,
        views=views,
        expected=plain,
        seconds={
            "probes": round(started - begun, 2),
            "asking": round(time.monotonic() - started, 2),
        },
    )


def await_probes(cluster: Cluster, run: Run, patience: float) -> Probes:
    """Wait until every Ready node runs both probes, or it is plain that some never will."""
    path = f"/api/v1/namespaces/{run.namespace}/pods"
    awaited = [
        (app, node.name)
        for node in run.nodes
        if node.ready
        for app in (stage.NET_PROBE, stage.HOST_PROBE)
    ]

    def settled(probes: Probes) -> bool:
        found = [probes.get(key) for key in awaited]
        return all(probe and (probe.ready or probe.hopeless) for probe in found)

    try:
        return until(lambda: probes_of(cluster.items(path)), settled, patience)
    except TooLateError as late:
        return dict(late.last)


def probes_of(pods: list[dict[str, Any]]) -> Probes:
    """The probes among the run's pods."""
    probes = {}
    for pod in pods:
        app = pod["metadata"]["labels"].get(stage.APP_LABEL, "")
        if app in (stage.NET_PROBE, stage.HOST_PROBE) and not pod["metadata"].get(
            "deletionTimestamp"
        ):
            probes[app, _node_of(pod)] = _probe(pod)
    return probes


def _probe(pod: dict[str, Any]) -> Probe:
    status = pod.get("status", {})
    conditions = {c["type"]: c for c in status.get("conditions", [])}
    states = [c.get("state", {}) for c in status.get("containerStatuses", [])]
    waiting: dict[str, str] = next((s["waiting"] for s in states if "waiting" in s), {})
    scheduled = conditions.get("PodScheduled", {})
    reason = waiting.get("reason", "") or status.get("reason", "") or status.get("phase", "")
    message = waiting.get("message", "") or scheduled.get("message", "")
    return Probe(
        pod=pod["metadata"]["name"],
        address=status.get("podIP", ""),
        ready=conditions.get("Ready", {}).get("status") == "True",
        problem=f"{reason}: {message}" if message else reason,
        hopeless=waiting.get("reason", "") in HOPELESS,
    )


def _node_of(pod: dict[str, Any]) -> str:
    """The node a DaemonSet's pod is on, or is meant for while it is not yet scheduled."""
    spec = pod["spec"]
    if "nodeName" in spec:
        return str(spec["nodeName"])
    affinity = spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    return str(affinity["nodeSelectorTerms"][0]["matchFields"][0]["values"][0])


def _ask_node(
    cluster: Cluster,
    run: Run,
    expected: Expectation,
    services: Services,
    probes: Probes,
    node: str,
) -> NodeView:
    """One exec, and what it told."""
    try:
        probe = _ready(probes, run, node)
        keys = arguments(run, expected, services, probes, node)
        command = ["sh", "/probe/collect.sh", "node", run.id, *keys]
        ran = cluster.execute(run.namespace, probe.pod, command, EXEC_SECONDS)
    except CouldNotAskError as problem:
        return NodeView.unasked(f"{node}: {problem}")
    if ran.status != 0:
        return NodeView.unasked(
            f"{node}: collect.sh: exit status {ran.status}: {ran.stderr[-300:]}"
        )
    web = f"{services.web}:{services.web_port}"
    return node_view(node, run.id, ran.stdout, endpoint(run, expected, node), web)


def _ready(probes: Probes, run: Run, node: str) -> Probe:
    probe = probes.get((stage.HOST_PROBE, node))
    if probe and probe.ready:
        return probe
    status = run.node(node)
    if not status.ready:
        raise CouldNotAskError(
            f"the node is not Ready: {status.reasons.get('Ready', 'no reason given')}"
        )
    if probe is None:
        raise CouldNotAskError("the DaemonSet made no probe for it (kube-controller-manager?)")
    look = f"kubectl describe pod -n {run.namespace} {probe.pod}"
    raise CouldNotAskError(f"its probe does not run: {probe.problem or 'no reason given'} ({look})")


def arguments(
    run: Run, expected: Expectation, services: Services, probes: Probes, node: str
) -> list[str]:
    """The KEY=VALUE words for `collect.sh` on `node`."""
    peers = [
        f"peer={peer.name},{peer.address},{probes[stage.NET_PROBE, peer.name].address}"
        for peer in run.nodes
        if (stage.NET_PROBE, peer.name) in probes and probes[stage.NET_PROBE, peer.name].address
    ]
    names = ("kubernetes.default.svc", f"{stage.WEB}.{run.namespace}.svc")
    return [
        *peers,
        f"service={services.web}:{services.web_port}",
        f"node_port={services.node_port}",
        *(f"lookup={name}" for name in names),
        *(f"unit={unit}.service" for unit in UNITS),
        f"prefix={expected.flannel.get('prefix', '/coreos.com/network')}",
        f"etcd={endpoint(run, expected, node)}",
        *(f"identity={','.join(identity)}" for identity in identities(expected)),
    ]


def endpoint(run: Run, expected: Expectation, node: str) -> str:
    """Where the node's etcd member would answer: as expected, else at the usual port."""
    address = run.node(node).address
    usual = f"https://{address}:{ETCD_PORT}"
    endpoints: list[str] = expected.etcd.get("endpoints", [])
    return next((url for url in endpoints if f"//{address}:" in url), usual)


def identities(expected: Expectation) -> list[tuple[str, ...]]:
    """The etcd client files to try in order: what is expected, then the usual places."""
    etcd = expected.etcd
    named = [tuple(etcd[key] for key in ("ca", "certificate", "key"))] if "key" in etcd else []
    return [*named, *IDENTITIES]
