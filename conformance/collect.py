# SPDX-License-Identifier: Apache-2.0
"""Gathers the facts: waits for the probes, then asks every node once, all of them side by side."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from conformance import components, governance_roster, roster, rules, stage
from conformance.cluster import Cluster, TooLateError, asked, until
from conformance.expectation import Expectation
from conformance.facts import Facts, NodeView, Services
from conformance.pods import Json, is_hopeless, is_ready, node_of, state
from conformance.sections import node_view
from conformance.stage import Run
from conformance.verdict import CouldNotAskError

AT_ONCE = 16
EXEC_SECONDS = 60.0
UNITS = (
    "etcd", "flanneld", "containerd", "docker", "cri-docker", "cri-dockerd", "kubelet",
    "kube-proxy", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "keepalived",
    "kubelet-approver", "flannel-resync",
)  # fmt: skip
# CA, certificate, key of an etcd client that may ask for health: heatgen's paths, kubeadm's.
IDENTITIES = (
    ("/etc/etcd/pki/ca.crt", "/etc/etcd/pki/health.crt", "/etc/etcd/pki/health.key"),
    (
        "/etc/kubernetes/pki/etcd/ca.crt",
        "/etc/kubernetes/pki/etcd/healthcheck-client.crt",
        "/etc/kubernetes/pki/etcd/healthcheck-client.key",
    ),
)
ETCD_PORT, ETCD_PEER_PORT, KUBELET_PORT, API_PORT = 2379, 2380, 10250, 6443
SECRETS = "/api/v1/secrets"


# What is looked at on every node alike.
LOOKED_AT = [
    *(f"authority={file}" for file in rules.AUTHORITIES),
    *(f"program={name}" for name in rules.LOOKED_AT),
    *(f"component={name}" for name in components.PROGRAMS),
    *(f"flag={name}" for name in rules.FLAGS),
    *(f"tree={path}" for path in rules.TREES),
    f"certificate={rules.KUBELET_CLIENT}",
]

Probes = dict[tuple[str, str], Json]  # pods by app and node


def collect(cluster: Cluster, run: Run, expected: Expectation, patience: float) -> Facts:
    """All facts of the cluster; what could not be asked is in them as such.

    Raises:
        CouldNotAskError: if the API itself does not answer.
    """
    begun = time.monotonic()
    meanwhile = ThreadPoolExecutor(2)
    leaders = meanwhile.submit(asked, lambda: governance_roster.watched_leaders(cluster))
    governed = meanwhile.submit(asked, lambda: governance_roster.governance(cluster, run.nodes))
    probes = await_probes(cluster, run, patience)
    started = time.monotonic()
    services = roster.services(cluster, run.namespace, stage.WEB)
    inquiry = Inquiry(cluster, run, expected, services, probes)
    names = [node.name for node in run.nodes]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        told = pool.map(inquiry.ask, names)
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
        leaders=leaders.result(),
        dns=asked(lambda: roster.dns_pods(cluster)),
        api_addresses=asked(lambda: roster.api_addresses(cluster)),
        anonymous=asked(lambda: cluster.stranger(SECRETS)),
        governance=governed.result(),
        noted_leases=asked(lambda: roster.noted_leases(cluster)),
        seconds={
            "waiting for probes": round(started - begun, 2),
            "asking the nodes": round(time.monotonic() - started, 2),
        },
    )


# ---- the probes ----


def await_probes(cluster: Cluster, run: Run, patience: float) -> Probes:
    """Wait until every Ready node runs both probes, or it is plain that some never will."""
    path = f"/api/v1/namespaces/{run.namespace}/pods"
    apps = (stage.NET_PROBE, stage.HOST_PROBE)
    awaited = {(app, node.name) for node in run.nodes if node.ready for app in apps}
    given_up: set[tuple[str, str]] = set()  # for good: a failing pod flickers between its states

    def settled(probes: Probes) -> bool:
        now = cluster.now()
        given_up.update(key for key, pod in probes.items() if is_hopeless(pod, now))
        ready = {key for key, pod in probes.items() if is_ready(pod)}
        return awaited <= ready | given_up

    try:
        return until(lambda: probes_of(cluster.items(path)), settled, patience)
    except TooLateError as late:
        return dict(late.last)


def probes_of(pods: list[Json]) -> Probes:
    """The probes among the run's pods."""
    return {
        (pod["metadata"]["labels"].get(stage.APP_LABEL, ""), meant_for(pod)): pod
        for pod in pods
        if pod["metadata"]["labels"].get(stage.APP_LABEL) in (stage.NET_PROBE, stage.HOST_PROBE)
        and not pod["metadata"].get("deletionTimestamp")
    }


def meant_for(pod: Json) -> str:
    """The node a DaemonSet's pod is on, or is meant for while it is not yet scheduled."""
    if node := node_of(pod):
        return node
    affinity = pod["spec"]["affinity"]["nodeAffinity"]
    terms = affinity["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    return str(terms[0]["matchFields"][0]["values"][0])


# ---- asking ----


@dataclass(frozen=True)
class Inquiry:
    """One round of asking all nodes: the same questions to each, about itself and its peers."""

    cluster: Cluster
    run: Run
    expected: Expectation
    services: Services
    probes: Probes

    def ask(self, node: str) -> NodeView:
        """One exec, and what it told."""
        try:
            pod = self.host_probe(node)
            command = ["sh", "/probe/collect.sh", "node", self.run.id, *self.arguments(node)]
            ran = self.cluster.execute(self.run.namespace, pod, command, EXEC_SECONDS)
        except CouldNotAskError as problem:
            return NodeView.unasked(f"{node}: {problem}")
        if ran.status != 0:
            complaint = f"exit status {ran.status}: {ran.stderr[-300:]}"
            return NodeView.unasked(f"{node}: collect.sh: {complaint}")
        view = node_view(node, self.run.id, ran.stdout, self.endpoint(node), self.web())
        return replace(view, kubelet=asked(lambda: roster.kubelet_config(self.cluster, node)))

    def host_probe(self, node: str) -> str:
        """The pod to ask.

        Raises:
            CouldNotAskError: if it does not run; why, as far as the API knows.
        """
        probe = self.probes.get((stage.HOST_PROBE, node))
        if probe and is_ready(probe):
            return str(probe["metadata"]["name"])
        status = self.run.node(node)
        if not status.ready:
            why = status.reasons.get("Ready", "no reason given")
            raise CouldNotAskError(f"the node is not Ready: {why}")
        if probe is None:
            raise CouldNotAskError("the DaemonSet made no probe for it (kube-controller-manager?)")
        look = f"kubectl describe pod -n {self.run.namespace} {probe['metadata']['name']}"
        raise CouldNotAskError(f"its probe does not run: {state(probe)} ({look})")

    def arguments(self, node: str) -> list[str]:
        """The KEY=VALUE words for `collect.sh` on `node`."""
        names = ("kubernetes.default.svc", f"{stage.WEB}.{self.run.namespace}.svc")
        return [
            *(f"peer={peer}" for peer in self.peers()),
            f"service={self.web()}",
            f"node_port={self.services.node_port}",
            *(f"lookup={name}" for name in names),
            *(f"unit={unit}.service" for unit in UNITS),
            f"prefix={self.expected.flannel.get('prefix', '/coreos.com/network')}",
            f"etcd={self.endpoint(node)}",
            *(f"identity={','.join(identity)}" for identity in self.identities()),
            *(f"api={url}" for url in self.apis()),
            *(f"own_api={url}" for url in self.servers() if f"//{self.address(node)}:" in url),
            *(f"tls={label},{address}" for label, address in self.tls_ports(node).items()),
            f"sealed={self.run.namespace}/{stage.SEALED},{stage.sealed_word(self.run)}",
            *LOOKED_AT,
        ]

    def address(self, node: str) -> str:
        """The node's internal address."""
        return self.run.node(node).address

    def servers(self) -> list[str]:
        """URL of each API server: as expected, else the usual port on each control-plane node."""
        control = [node for node in self.run.nodes if roster.is_control(node)]
        usual = [f"https://{node.address}:{API_PORT}" for node in control]
        return self.expected.api_servers() or usual

    def apis(self) -> list[str]:
        """Ways to the API, beside the kubelet's own: each server by itself, the service of pods."""
        return [*self.servers(), f"https://{self.services.kubernetes}"]

    def tls_ports(self, node: str) -> dict[str, str]:
        """ADDRESS:PORT by label of what speaks TLS on the node."""
        address = self.address(node)
        ports = {"kubelet": f"{address}:{KUBELET_PORT}"}
        for url in self.servers():
            if f"//{address}:" in url:
                ports["api"] = url.partition("//")[2]
        if roster.is_control(self.run.node(node)):
            ports["etcd"] = self.endpoint(node).partition("//")[2]
            ports["peer"] = f"{address}:{ETCD_PEER_PORT}"
        return ports

    def peers(self) -> list[str]:
        """NODE,ADDRESS,POD of every node whose pod-network probe has an address."""
        addresses = {
            node: pod["status"]["podIP"]
            for (app, node), pod in self.probes.items()
            if app == stage.NET_PROBE and pod["status"].get("podIP")
        }
        return [
            f"{node.name},{node.address},{addresses[node.name]}"
            for node in self.run.nodes
            if node.name in addresses
        ]

    def web(self) -> str:
        """ADDRESS:PORT of the run's own service."""
        return f"{self.services.web}:{self.services.web_port}"

    def endpoint(self, node: str) -> str:
        """Where the node's etcd member would answer: as expected, else at the usual port."""
        address = self.run.node(node).address
        endpoints: list[str] = self.expected.etcd.get("endpoints", [])
        usual = f"https://{address}:{ETCD_PORT}"
        return next((url for url in endpoints if f"//{address}:" in url), usual)

    def identities(self) -> list[tuple[str, ...]]:
        """The etcd client files to try in order: what is expected, then the usual places."""
        etcd = self.expected.etcd
        named = [tuple(etcd[key] for key in ("ca", "certificate", "key"))] if "key" in etcd else []
        return [*named, *IDENTITIES]
