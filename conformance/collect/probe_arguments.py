# SPDX-License-Identifier: Apache-2.0
"""Arguments of ``probe/collect.sh``: what the probe of a node inspects and queries."""

from dataclasses import dataclass

from conformance import cis_rules
from conformance.api.pods import Json
from conformance.collect.path_targets import PathTargets
from conformance.facts import components
from conformance.facts.expected import Expectation
from conformance.facts.model import Services
from conformance.manifests import base
from conformance.manifests.base import Run

UNITS = (
    "etcd", "flanneld", "containerd", "docker", "cri-docker", "cri-dockerd", "kubelet",
    "kube-proxy", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "keepalived",
    "apiserver-liveness", "kubelet-approver", "flannel-resync",
)  # fmt: skip
# CA, certificate and key of an etcd client for health checks: paths of heatgen, of kubeadm.
IDENTITIES = (
    ("/etc/etcd/pki/ca.crt", "/etc/etcd/pki/health.crt", "/etc/etcd/pki/health.key"),
    (
        "/etc/kubernetes/pki/etcd/ca.crt",
        "/etc/kubernetes/pki/etcd/healthcheck-client.crt",
        "/etc/kubernetes/pki/etcd/healthcheck-client.key",
    ),
)
ETCD_PORT, ETCD_PEER_PORT, KUBELET_PORT = 2379, 2380, 10250

# Arguments of every node.
LOOKED_AT = [
    *(f"authority={file}" for file in cis_rules.AUTHORITIES),
    *(f"program={name}" for name in cis_rules.INSPECTED_PROGRAMS),
    *(f"component={name}" for name in components.PROGRAMS),
    *(f"flag={name}" for name in cis_rules.FLAGS),
    *(f"tree={path}" for path in cis_rules.TREES),
    f"certificate={cis_rules.KUBELET_CLIENT}",
]


@dataclass(frozen=True, kw_only=True)
class ProbeArguments:
    """The arguments for every node."""

    run: Run
    expected: Expectation
    services: Services
    pods: dict[tuple[str, str], Json]
    """The run's probes, by app and node."""
    targets: PathTargets

    def of(self, node: str) -> list[str]:
        """Return the arguments for a node, each KEY=VALUE."""
        names = ("kubernetes.default.svc", f"{base.WEB}.{self.run.namespace}.svc")
        return [
            *(f"peer={peer}" for peer in self.peers()),
            f"service={self.web()}",
            f"node_port={self.services.node_port}",
            *(f"lookup={name}" for name in names),
            *(f"unit={unit}.service" for unit in UNITS),
            f"prefix={self.expected.flannel.get('prefix', '/coreos.com/network')}",
            *self.etcd(node),
            *self.backup(node),
            *(["quick=1"] if self.run.quick else []),
            *(f"identity={','.join(identity)}" for identity in self.identities()),
            *(f"api={url}" for url in self.apis()),
            *(f"own_api={url}" for url in self.servers() if f"//{self.address(node)}:" in url),
            *(f"tls={label},{address}" for label, address in self.tls_ports(node).items()),
            f"secret={self.run.namespace}/{base.ENCRYPTED},{base.secret_value(self.run)}",
            *LOOKED_AT,
            *self.targets.words(node),
        ]

    def etcd(self, node: str) -> list[str]:
        """Return the argument with the etcd endpoint; flags of etcd override the default."""
        expected = self.endpoint(node) in self.expected.etcd.get("endpoints", [])
        return [f"{'etcd' if expected else 'usual_etcd'}={self.endpoint(node)}"]

    def backup(self, node: str) -> list[str]:
        """Return the argument with the status file of the node's backups, if it takes any."""
        file = self.expected.etcd.get("backup_status")
        return [f"backup={file}"] if file and self.has_etcd(node) else []

    def address(self, node: str) -> str:
        """Return the node's internal address."""
        return self.run.node(node).address

    def servers(self) -> list[str]:
        """Return the URL of each API server: as expected, else as found in the cluster."""
        return self.expected.api_servers() or self.run.api_servers

    def apis(self) -> list[str]:
        """Return the URL of each API server and of the Service ``kubernetes``."""
        return [*self.servers(), f"https://{self.services.kubernetes}"]

    def tls_ports(self, node: str) -> dict[str, str]:
        """Return the node's TLS ports: ADDRESS:PORT by label."""
        address = self.address(node)
        ports = {"kubelet": f"{address}:{KUBELET_PORT}"}
        for url in self.servers():
            if f"//{address}:" in url:
                ports["api"] = url.partition("//")[2]
        if self.run.node(node).is_control:
            ports["etcd"] = self.endpoint(node).partition("//")[2]
            ports["peer"] = f"{address}:{ETCD_PEER_PORT}"
        return ports

    def peers(self) -> list[str]:
        """Return NODE,ADDRESS,POD of every node whose pod-network probe has an address."""
        addresses = {
            node: pod["status"]["podIP"]
            for (app, node), pod in self.pods.items()
            if app == base.NET_PROBE and pod["status"].get("podIP")
        }
        return [
            f"{node.name},{node.address},{addresses[node.name]}"
            for node in self.run.nodes
            if node.name in addresses
        ]

    def web(self) -> str:
        """Return ADDRESS:PORT of the run's own Service."""
        return f"{self.services.web}:{self.services.web_port}"

    def endpoint(self, node: str) -> str:
        """Return the endpoint of the node's etcd member: as expected, else on the default port."""
        address = self.run.node(node).address
        endpoints: list[str] = self.expected.etcd.get("endpoints", [])
        usual = f"https://{address}:{ETCD_PORT}"
        return next((url for url in endpoints if f"//{address}:" in url), usual)

    def has_etcd(self, node: str) -> bool:
        """Return whether the node should run an etcd member."""
        endpoints = self.expected.etcd.get("endpoints", [])
        expected = any(f"//{self.address(node)}:" in url for url in endpoints)
        return expected if endpoints else self.run.node(node).is_control

    def identities(self) -> list[tuple[str, ...]]:
        """Return the etcd client files to try in order: as expected, then the default paths."""
        etcd = self.expected.etcd
        named = [tuple(etcd[key] for key in ("ca", "certificate", "key"))] if "key" in etcd else []
        return [*named, *IDENTITIES]
