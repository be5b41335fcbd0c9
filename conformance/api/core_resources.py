# SPDX-License-Identifier: Apache-2.0
"""What the API says about nodes, pods and services, distilled into facts."""

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
GOOD = {"Ready": "True"}  # every other condition of a node is good when False
BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
DECIMAL = {"m": 1e-3, "": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
UNREADY_SECONDS = 8.0


NO_SERVICES = Services(web="", web_port=0, node_port=0, kubernetes="", dns="", namespace="")


def nodes(cluster: Cluster) -> list[NodeStatus]:
    """All nodes, by name."""
    found = [node_status(node) for node in cluster.items("/api/v1/nodes")]
    return sorted(found, key=lambda node: node.name)


def node_status(node: dict[str, Any]) -> NodeStatus:
    """An API object of kind Node as facts."""
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
            if c["status"] != GOOD.get(kind, "False")
        },
        kubelet=status.get("nodeInfo", {}).get("kubeletVersion", ""),
        runtime=status.get("nodeInfo", {}).get("containerRuntimeVersion", ""),
        milli_cpu=round(1000 * quantity(status.get("allocatable", {}).get("cpu", "0"))),
        memory=round(quantity(status.get("allocatable", {}).get("memory", "0"))),
        unschedulable=spec.get("unschedulable", False),
    )


def pods(cluster: Cluster, path: str = "/api/v1/pods", **query: str) -> list[Pod]:
    """Every running pod with an address of its own; `query` may choose among them."""
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
    """The addresses of the run's own service, of the API's and of the cluster's DNS."""
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
    """Who leads in the control plane, by lease; only leases that are there."""
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


def silences(cluster: Cluster) -> dict[str, timedelta]:
    """Since when each node's kubelet has not renewed its lease, by node."""
    found = {}
    for lease in cluster.items("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"):
        if renewed := lease.get("spec", {}).get("renewTime"):
            found[lease["metadata"]["name"]] = cluster.now() - datetime.fromisoformat(renewed)
    return found


def readiness(cluster: Cluster) -> dict[str, str]:
    """What the API server says of its own parts: `ok`, or why not, by part."""
    return dict(re.findall(r"^\[[+-]\](\S+) (.+)$", cluster.readiness(), re.MULTILINE))


def lasting_readiness(cluster: Cluster) -> dict[str, str]:
    """The same; a part that is not ready is asked again for a while, as every load balancer does.

    The server's own question to etcd has two seconds, and it tells the last answer until it asks
    again: a node that is busy for a moment is no server that is not ready.
    """
    try:
        return poll_until(
            lambda: readiness(cluster),
            lambda told: set(told.values()) <= {"ok"},
            UNREADY_SECONDS,
            every=1.0,
        )
    except WaitTimeout as late:
        return dict(late.last)


def unreadiness(cluster: Cluster) -> str:
    """Which of its own parts the API server calls not ready, in a few words."""
    try:
        told = readiness(cluster)
    except InconclusiveError as problem:
        return f"it does not say whether it is ready either: {problem}"
    sick = [f"{part} {said}" for part, said in told.items() if said != "ok"]
    return (
        f"the API server is not ready: {', '.join(sick)}" if sick else "yet it calls itself ready"
    )


def node_leases(cluster: Cluster) -> dict[str, NodeLease]:
    """The kubelets' signs of life, by node."""
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
    """The running pods of the cluster's DNS."""
    return pods(cluster, "/api/v1/namespaces/kube-system/pods", labelSelector="k8s-app=kube-dns")


def api_addresses(cluster: Cluster) -> list[str]:
    """Where the service `kubernetes` leads."""
    return sorted({address for address, _ in _api_endpoints(cluster)})


def api_servers(cluster: Cluster) -> list[tuple[str, int]]:
    """Address and port of each API server, as they tell by the service `kubernetes`."""
    return sorted(_api_endpoints(cluster))


def with_control(servers: list[tuple[str, int]], nodes: list[NodeStatus]) -> list[str]:
    """URL of each API server: one that is down the service soon lacks, but its node is there."""
    port = servers[0][1] if servers else API_PORT
    control = {(node.address, port) for node in nodes if node.is_control and node.address}
    return sorted(f"https://{address}:{port}" for address, port in {*servers, *control})


def authority(cluster: Cluster) -> str:
    """The certificate of the cluster's authority, as every pod is given it; '' if nobody tells."""
    try:
        told = cluster.get("/api/v1/namespaces/kube-system/configmaps/kube-root-ca.crt")
        return str(told["data"]["ca.crt"])
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
    """The leases that flannel notes on the nodes themselves; none where it keeps them in etcd."""
    found = (noted_lease(node) for node in cluster.items("/api/v1/nodes"))
    return [lease for lease in found if lease]


def noted_lease(node: dict[str, Any]) -> Lease | None:
    """A node's lease by its annotations: its subnet is the node's own podCIDR."""
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
    """The kubelet's live configuration: the keys that `cis_rules` asks for, nested with dots."""
    told = cluster.get(f"/api/v1/nodes/{node}/proxy/configz")["kubeletconfig"]
    return {key: value for key, value in _flat(told) if key in cis_rules.KUBELET_KEYS}


def _flat(value: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, inner in value.items():
        if isinstance(inner, dict):
            yield from _flat(inner, f"{prefix}{key}.")
        elif isinstance(inner, list):
            yield f"{prefix}{key}", ",".join(map(str, inner))
        else:
            yield f"{prefix}{key}", json.dumps(inner).strip('"')


def quantity(text: str) -> float:
    """A Kubernetes quantity ("1930m", "2048Mi", "2") as a number.

    Raises:
        ValueError: if it is none.
    """
    found = re.fullmatch(r"([0-9.]+)(Ki|Mi|Gi|Ti|m|k|M|G|T|)", text)
    if not found:
        raise ValueError(f"not a quantity: {text!r}")
    return float(found[1]) * (BINARY.get(found[2]) or DECIMAL[found[2]])


def _roles(labels: dict[str, str]) -> set[str]:
    return {label.removeprefix(ROLE) for label in labels if label.startswith(ROLE)}
