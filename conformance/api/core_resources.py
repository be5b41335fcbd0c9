# SPDX-License-Identifier: Apache-2.0
"""Readers of nodes, pods, Services and Leases."""

import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from conformance import cis_rules
from conformance.api.client import ApiStatusError, Cluster, WaitTimeout, poll_until
from conformance.facts.machine import NodeLease
from conformance.facts.model import Leader, Lease, NodeStatus, Pod, Services, Taint
from conformance.outcome import InconclusiveError

HOSTNAME = "kubernetes.io/hostname"
ROLE = "node-role.kubernetes.io/"
API_PORT = 6443
FLANNEL = "flannel.alpha.coreos.com/"
LEASES = ("kube-controller-manager", "kube-scheduler")
NORMAL = {"Ready": "True"}  # every other condition of a node is normally False
BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
DECIMAL = {"m": 1e-3, "": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
UNREADY_SECONDS = 15.0


NO_SERVICES = Services(web="", web_port=0, node_port=0, kubernetes="", dns="", namespace="")


def nodes(cluster: Cluster) -> list[NodeStatus]:
    """Return all nodes, sorted by name."""
    found = [node_status(node) for node in cluster.items("/api/v1/nodes")]
    return sorted(found, key=lambda node: node.name)


def node_status(node: dict[str, Any]) -> NodeStatus:
    """Return the facts of a Node object."""
    status, spec = node["status"], node.get("spec", {})
    labels = node["metadata"].get("labels", {})
    conditions = {c["type"]: c for c in status.get("conditions", [])}
    addresses = {a["type"]: a["address"] for a in reversed(status.get("addresses", []))}
    return NodeStatus(
        name=node["metadata"]["name"],
        address=addresses.get("InternalIP", ""),
        roles=sorted(_roles(labels)),
        labels=labels,
        taints=[Taint(t["key"], t["effect"], t.get("value", "")) for t in spec.get("taints", [])],
        ready=conditions.get("Ready", {}).get("status") == "True",
        reasons={
            kind: f"{c.get('reason', '')}: {c.get('message', '')}"
            for kind, c in sorted(conditions.items())
            if c["status"] != NORMAL.get(kind, "False")
        },
        kubelet=status.get("nodeInfo", {}).get("kubeletVersion", ""),
        runtime=status.get("nodeInfo", {}).get("containerRuntimeVersion", ""),
        milli_cpu=round(1000 * quantity(status.get("allocatable", {}).get("cpu", "0"))),
        memory=round(quantity(status.get("allocatable", {}).get("memory", "0"))),
        unschedulable=spec.get("unschedulable", False),
    )


def pods(cluster: Cluster, path: str = "/api/v1/pods", **query: str) -> list[Pod]:
    """Return the running pods on the pod network; ``query`` may select some."""
    query["fieldSelector"] = "status.phase=Running"
    return sorted(
        (
            Pod(
                pod["metadata"]["namespace"],
                pod["metadata"]["name"],
                pod["spec"]["nodeName"],
                pod["status"]["podIP"],
            )
            for pod in cluster.items(path, **query)
            if not pod["spec"].get("hostNetwork")
            and pod["status"].get("podIP")
            and not pod["metadata"].get("deletionTimestamp")
        ),
        key=lambda pod: (pod.node, pod.namespace, pod.name),
    )


def services(cluster: Cluster, namespace: str, web: str) -> Services:
    """Return the addresses of the run's own Service, of ``kubernetes`` and of the cluster DNS."""
    at = "/api/v1/namespaces/{}/services"
    own = cluster.get(f"{at.format(namespace)}/{web}")["spec"]
    dns = cluster.items(at.format("kube-system"), labelSelector="k8s-app=kube-dns")
    return Services(
        web=own["clusterIP"],
        web_port=own["ports"][0]["port"],
        node_port=own["ports"][0]["nodePort"],
        kubernetes=cluster.get(f"{at.format('default')}/kubernetes")["spec"]["clusterIP"],
        dns=dns[0]["spec"]["clusterIP"] if dns else "",
        namespace=namespace,
    )


def leaders(cluster: Cluster) -> dict[str, Leader]:
    """Return the leaders of the control plane by Lease; without Leases that do not exist."""
    found = {}
    for name in LEASES:
        path = f"/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/{name}"
        try:
            spec = cluster.get(path)["spec"]
        except ApiStatusError as refusal:
            if refusal.code != 404:
                raise
            continue
        renewed = spec.get("renewTime") or "1970-01-01T00:00:00Z"
        age = (cluster.now() - datetime.fromisoformat(renewed)).total_seconds()
        found[name] = Leader(
            holder=spec.get("holderIdentity") or "",
            age=round(age, 1),
            term=float(spec.get("leaseDurationSeconds") or 0),
            renewed=renewed,
        )
    return found


def lease_ages(cluster: Cluster) -> dict[str, timedelta]:
    """Return the time since each kubelet renewed its Lease, by node."""
    found = {}
    for lease in cluster.items("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"):
        if renewed := lease.get("spec", {}).get("renewTime"):
            found[lease["metadata"]["name"]] = cluster.now() - datetime.fromisoformat(renewed)
    return found


def readiness(cluster: Cluster) -> dict[str, str]:
    """Return the result of each check of /readyz: ``ok``, or why it failed."""
    return dict(re.findall(r"^\[[+-]\](\S+) (.+)$", cluster.readiness(), re.MULTILINE))


def lasting_readiness(cluster: Cluster) -> dict[str, str]:
    """Return the readiness; if a check fails, repeat for a while, as load balancers do.

    The API server's own health check of etcd times out after two seconds, and its result is cached:
    it fails on a node that is only busy.
    """
    try:
        return poll_until(
            lambda: readiness(cluster),
            lambda checks: set(checks.values()) <= {"ok"},
            UNREADY_SECONDS,
            every=1.0,
        )
    except WaitTimeout as late:
        return dict(late.last)


def unreadiness(cluster: Cluster) -> str:
    """Describe which checks of /readyz fail."""
    try:
        checks = readiness(cluster)
    except InconclusiveError as problem:
        return f"/readyz cannot be read: {problem}"
    failed = [f"{name} {result}" for name, result in checks.items() if result != "ok"]
    return f"the API server is not ready: {', '.join(failed)}" if failed else "but /readyz is ok"


def node_leases(cluster: Cluster) -> dict[str, NodeLease]:
    """Return the Leases of the kubelets by node."""
    found = cluster.items("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases")
    now = cluster.now()
    return {
        lease["metadata"]["name"]: NodeLease(
            round((now - datetime.fromisoformat(lease["spec"]["renewTime"])).total_seconds(), 1),
            float(lease["spec"].get("leaseDurationSeconds") or 0),
        )
        for lease in found
        if lease["spec"].get("renewTime")
    }


def dns_pods(cluster: Cluster) -> list[Pod]:
    """Return the running pods of the cluster DNS."""
    return pods(cluster, "/api/v1/namespaces/kube-system/pods", labelSelector="k8s-app=kube-dns")


def api_addresses(cluster: Cluster) -> list[str]:
    """Return the endpoint addresses of the Service ``kubernetes``."""
    return sorted({address for address, _ in _api_endpoints(cluster)})


def api_servers(cluster: Cluster) -> list[tuple[str, int]]:
    """Return the endpoints of the Service ``kubernetes``: address and port."""
    return sorted(_api_endpoints(cluster))


def with_control(servers: list[tuple[str, int]], nodes: list[NodeStatus]) -> list[str]:
    """Return the URL of each API server: of the endpoints, and of nodes whose server is down."""
    port = servers[0][1] if servers else API_PORT
    control = {(node.address, port) for node in nodes if node.is_control and node.address}
    return sorted(f"https://{address}:{port}" for address, port in {*servers, *control})


def authority(cluster: Cluster) -> str:
    """Return the CA certificate that pods get; empty if it cannot be read."""
    try:
        found = cluster.get("/api/v1/namespaces/kube-system/configmaps/kube-root-ca.crt")
        return str(found["data"]["ca.crt"])
    except (InconclusiveError, KeyError):
        return ""


def _api_endpoints(cluster: Cluster) -> Iterator[tuple[str, int]]:
    slices = cluster.items(
        "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices",
        labelSelector="kubernetes.io/service-name=kubernetes",
    )
    for each in slices:
        ports = [port["port"] for port in each.get("ports") or [] if port.get("port")]
        for endpoint in each.get("endpoints") or []:
            for address in endpoint["addresses"]:
                yield address, ports[0] if ports else 443


def noted_leases(cluster: Cluster) -> list[Lease]:
    """Return flannel's subnet leases in annotations of nodes; none if it uses etcd."""
    found = (noted_lease(node) for node in cluster.items("/api/v1/nodes"))
    return [lease for lease in found if lease]


def noted_lease(node: dict[str, Any]) -> Lease | None:
    """Return the subnet lease in a node's annotations; its subnet is the node's podCIDR."""
    notes = node["metadata"].get("annotations") or {}
    if notes.get(FLANNEL + "kube-subnet-manager") != "true":
        return None
    data = json.loads(notes.get(FLANNEL + "backend-data") or "null") or {}
    return Lease(
        subnet=node.get("spec", {}).get("podCIDR", ""),
        public_ip=notes.get(FLANNEL + "public-ip", ""),
        backend=notes.get(FLANNEL + "backend-type", ""),
        mac=data.get("VtepMAC", ""),
        vni=data.get("VNI"),
    )


def kubelet_config(cluster: Cluster, node: str) -> dict[str, str]:
    """Return the kubelet's running configuration: keys in ``cis_rules``, nested ones with dots."""
    config = cluster.get(f"/api/v1/nodes/{node}/proxy/configz")["kubeletconfig"]
    return {key: value for key, value in _flat(config) if key in cis_rules.KUBELET_KEYS}


def _flat(value: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, inner in value.items():
        if isinstance(inner, dict):
            yield from _flat(inner, f"{prefix}{key}.")
        elif isinstance(inner, list):
            yield f"{prefix}{key}", ",".join(map(str, inner))
        else:
            yield f"{prefix}{key}", json.dumps(inner).strip('"')


def quantity(text: str) -> float:
    """Convert a Kubernetes quantity ("1930m", "2048Mi", "2") to a number.

    Raises:
        ValueError: the text is not a quantity.
    """
    found = re.fullmatch(r"([0-9.]+)(Ki|Mi|Gi|Ti|m|k|M|G|T|)", text)
    if not found:
        raise ValueError(f"not a quantity: {text!r}")
    return float(found[1]) * (BINARY.get(found[2]) or DECIMAL[found[2]])


def _roles(labels: dict[str, str]) -> set[str]:
    return {label.removeprefix(ROLE) for label in labels if label.startswith(ROLE)}
