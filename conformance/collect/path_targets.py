# SPDX-License-Identifier: Apache-2.0
"""Targets of the network checks: addresses of Services, pods and name servers."""

from dataclasses import dataclass, field

from conformance.api import core_resources
from conformance.api.client import Cluster, WaitTimeout, poll_until
from conformance.api.pods import Json, is_ready, node_of
from conformance.deploy.pod_monitor import SCHEDULER, PodMonitor
from conformance.manifests import base
from conformance.manifests import services as service_manifests
from conformance.outcome import InconclusiveError

# Seconds for pods that were created together with the probes, which run already. A kubelet retries
# a failed start after ten to fifteen.
PATIENCE = 20.0


@dataclass(frozen=True, kw_only=True)
class PathTargets:
    """Targets of all nodes."""

    services: dict[str, str] = field(default_factory=dict)
    """ADDRESS:PORT by name."""
    node_port: int = 0
    """Of the Service ``external-local``."""
    neighbours: dict[str, str] = field(default_factory=dict)
    """Addresses of the nodes' own pods, by node."""
    directs: dict[str, str] = field(default_factory=dict)
    """Node of the only pod, by name of the Service."""
    servers: list[str] = field(default_factory=list)
    """Name servers."""
    reader: str = ""
    """Node that reads how long flannel's leases last."""

    def words(self, node: str) -> list[str]:
        """Return the arguments for ``collect.sh`` on a node, each KEY=VALUE."""
        single = {
            "itself": service_manifests.HAIRPIN,
            "no_endpoints": service_manifests.NO_ENDPOINTS,
            "sticky": service_manifests.SESSION_AFFINITY,
        }
        return [
            *(f"neighbour={address}" for at, address in self.neighbours.items() if at == node),
            *(
                f"direct={at},{self.services[name]}"
                for name, at in self.directs.items()
                if at in self.neighbours and name in self.services
            ),
            *(
                f"{key}={self.services[name]}"
                for key, name in single.items()
                if name in self.services
            ),
            *([f"outside={self.node_port}"] if self.node_port else []),
            *(f"server={address}" for address in self.servers),
            *(["ttl=yes"] if node == self.reader else []),
        ]


def prepare(monitor: PodMonitor, dns: str, readers: list[str]) -> PathTargets:
    """Read the addresses; wait for the nodes' own pods.

    Args:
        monitor: of the run's pods.
        dns: address of the cluster DNS, if any.
        readers: nodes that can read flannel's leases.
    """
    cluster, run = monitor.cluster, monitor.run
    found = cluster.items(f"/api/v1/namespaces/{run.namespace}/services")
    services = {service["metadata"]["name"]: service["spec"] for service in found}
    ports = services.get(service_manifests.EXTERNAL_LOCAL, {}).get("ports", [{}])
    return PathTargets(
        services={
            name: f"{spec['clusterIP']}:{spec['ports'][0]['port']}"
            for name, spec in services.items()
            if spec.get("clusterIP", "None") != "None"
        },
        node_port=ports[0].get("nodePort", 0),
        neighbours=await_own_pods(monitor, 0 if monitor.why_inactive(SCHEDULER) else PATIENCE),
        directs={name: node.name for name, node in service_manifests.targets(run).items()},
        servers=[*([dns] if dns else []), *replicas(cluster)],
        reader=next(iter(readers), ""),
    )


def await_own_pods(monitor: PodMonitor, patience: float) -> dict[str, str]:
    """Wait for the nodes' own pods, except those that cannot run; return addresses by node."""
    run = monitor.run
    names = {base.own_pod(node.name) for node in run.nodes}
    ready = sum(node.ready for node in run.nodes)
    path = f"/api/v1/namespaces/{run.namespace}/pods"

    def own() -> list[Json]:
        pods: list[Json] = monitor.cluster.items(path)
        return [pod for pod in pods if pod["metadata"]["name"] in names]

    def settled(pods: list[Json]) -> bool:
        waiting = [pod for pod in pods if not runs(pod)]
        return len(pods) - len(waiting) >= ready or all(map(monitor.cause, waiting))

    try:
        found = poll_until(own, settled, patience)
    except WaitTimeout as late:
        found = list(late.last)
    return {node_of(pod): pod["status"]["podIP"] for pod in found if runs(pod)}


def runs(pod: Json) -> bool:
    """Return whether the pod is ready and has an address."""
    return is_ready(pod) and bool(pod["status"].get("podIP"))


def replicas(cluster: Cluster) -> list[str]:
    """Return the addresses of the running pods of the cluster DNS."""
    try:
        return [pod.address for pod in core_resources.dns_pods(cluster)]
    except InconclusiveError:
        return []  # the fact `dns` contains the reason
