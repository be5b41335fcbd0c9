# SPDX-License-Identifier: Apache-2.0
"""Gathers the facts: waits for the probes, then asks every node once, all of them side by side."""

import dataclasses
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

from conformance import cis_rules
from conformance.api import cluster_resources, core_resources
from conformance.api.client import Cluster, RefusedError, TooLateError, asked, once_more, until
from conformance.api.pods import Json, is_ready, node_of, state
from conformance.collect import path_targets
from conformance.collect.parse_network import paths_of
from conformance.collect.parse_node import Printed, node_view, split
from conformance.collect.path_targets import Questions
from conformance.deploy import pod_diagnosis
from conformance.deploy.creation import ALL_OF_IT, Made
from conformance.deploy.pod_monitor import Outlook
from conformance.facts import components
from conformance.facts.expected import Expectation
from conformance.facts.model import Facts, NodeView, Services
from conformance.facts.network import Paths
from conformance.manifests import base
from conformance.manifests.base import Run
from conformance.outcome import CouldNotAskError, LostError, Unasked

AT_ONCE = 16
EXEC_SECONDS = 60.0
UNITS = (
    "etcd", "flanneld", "containerd", "docker", "cri-docker", "cri-dockerd", "kubelet",
    "kube-proxy", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "keepalived",
    "apiserver-liveness", "kubelet-approver", "flannel-resync",
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
ETCD_PORT, ETCD_PEER_PORT, KUBELET_PORT = 2379, 2380, 10250
SECRETS = "/api/v1/secrets"


# What is looked at on every node alike.
LOOKED_AT = [
    *(f"authority={file}" for file in cis_rules.AUTHORITIES),
    *(f"program={name}" for name in cis_rules.LOOKED_AT),
    *(f"component={name}" for name in components.PROGRAMS),
    *(f"flag={name}" for name in cis_rules.FLAGS),
    *(f"tree={path}" for path in cis_rules.TREES),
    f"certificate={cis_rules.KUBELET_CLIENT}",
]

View = TypeVar("View", NodeView, Paths)
NO_POD: Json = {"spec": {}}
NO_ENTRY = "cannot enter its pod"  # what a view says that lacks the pod-network probe
FROM_HOSTS = ("host_pings", "frames", "outside", "forward")  # of the ways between nodes
# What a node's own pod can tell without the host.
FROM_PODS = ("pod_pings", "web_from_pod", "nameservers", "lookups", "paths")


def collect(
    cluster: Cluster, run: Run, expected: Expectation, patience: float, made: Made = ALL_OF_IT
) -> Facts:
    """All facts of the cluster; what could not be asked is in them as such.

    Raises:
        CouldNotAskError: if the API itself does not answer.
    """
    begun = time.monotonic()
    probes, services = Probes({}, {}), core_resources.NO_SERVICES
    meanwhile = ThreadPoolExecutor(2)
    leaders = meanwhile.submit(asked, lambda: cluster_resources.watched_leaders(cluster))
    governed = meanwhile.submit(asked, lambda: cluster_resources.governance(cluster, run.nodes))
    if not made.broken:
        probes = await_probes(Outlook(cluster, run), patience, made.refused)
        services = core_resources.services(cluster, run.namespace, base.WEB)
    started = time.monotonic()
    inquiry = Inquiry(cluster, run, expected, services, probes, made)
    inquiry = replace(inquiry, questions=inquiry.prepare())
    names = [node.name for node in run.nodes]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        told = pool.map(inquiry.ask, names)
        kubelets = pool.map(inquiry.ask_kubelet, names)
        answers = {name: pool.submit(asked, ask) for name, ask in questions(cluster).items()}
        nodes = asked(lambda: {node.name: node for node in core_resources.nodes(cluster)})
        pods = asked(lambda: core_resources.pods(cluster))
        views = {
            name: replace(view, kubelet=kubelet)
            for name, view, kubelet in zip(names, told, kubelets, strict=True)
        }
        more: dict[str, Any] = {name: answer.result() for name, answer in answers.items()}
    return Facts(
        taken=cluster.now().isoformat(timespec="seconds"),
        server=str(cluster.get("/version")["gitVersion"]),
        nodes={node.name: node for node in run.nodes} if isinstance(nodes, Unasked) else nodes,
        pods=[] if isinstance(pods, Unasked) else pods,
        services=services,
        views=views,
        leaders=leaders.result(),
        governance=governed.result(),
        api_servers=inquiry.servers(),
        not_stored=made.broken,
        causes=inquiry.causes(),
        seconds={
            "waiting for probes": round(started - begun, 2),
            "asking the nodes": round(time.monotonic() - started, 2),
        },
        **more,
    )


def questions(cluster: Cluster) -> dict[str, Callable[[], Any]]:
    """What the API alone is asked, by the facts' names for it."""
    return {
        "dns": lambda: core_resources.dns_pods(cluster),
        "api_addresses": lambda: core_resources.api_addresses(cluster),
        "anonymous": lambda: cluster.stranger(SECRETS),
        "noted_leases": lambda: core_resources.noted_leases(cluster),
        "node_leases": lambda: core_resources.node_leases(cluster),
        "readiness": lambda: core_resources.lasting_readiness(cluster),
    }


# ---- the probes ----


@dataclass(frozen=True)
class Probes:
    """The probes that are there, and why others never will be: both by app and node."""

    pods: dict[tuple[str, str], Json]
    causes: dict[tuple[str, str], str]


def await_probes(outlook: Outlook, patience: float, refused: Iterable[str] = ()) -> Probes:
    """Wait until all probes run, or it is plain that some never will.

    What was not made is not waited for: on nodes that are silent, or because the API refused it.
    """
    run = outlook.run
    path = f"/api/v1/namespaces/{run.namespace}/pods"
    causes: dict[tuple[str, str], str] = {}  # for good: a failing pod flickers between its states
    awaited = {
        (app, node.name)
        for node in run.nodes
        for app in ((base.NET_PROBE, base.HOST_PROBE) if node.ready else (base.HOST_PROBE,))
        if not node.is_silent and base.probe(app, node.name) not in refused
    }

    def settled(probes: dict[tuple[str, str], Json]) -> bool:
        ready = {key for key, pod in probes.items() if is_ready(pod)}
        for key in awaited - ready - set(causes):
            if key in probes and (cause := outlook.cause(probes[key])):
                causes[key] = cause
        return awaited <= ready | set(causes)

    try:
        found = until(lambda: probes_of(outlook.cluster.items(path)), settled, patience)
    except TooLateError as late:
        found = dict(late.last)
    return Probes(found, causes)


def probes_of(pods: list[Json]) -> dict[tuple[str, str], Json]:
    """The probes among the run's pods, by app and node."""
    return {
        (pod["metadata"]["labels"].get(base.APP_LABEL, ""), node_of(pod)): pod
        for pod in pods
        if pod["metadata"]["labels"].get(base.APP_LABEL) in (base.NET_PROBE, base.HOST_PROBE)
        and not pod["metadata"].get("deletionTimestamp")
    }


# ---- asking ----


def named(view: View, problem: Unasked) -> View:
    """The view, in which this is why there is no answer of the pod that could not be entered."""
    untold = {
        part.name: problem
        for part in dataclasses.fields(view)
        if isinstance(told := getattr(view, part.name), Unasked) and NO_ENTRY in told.unasked
    }
    return replace(view, **untold)


@dataclass(frozen=True)
class Inquiry:
    """One round of asking all nodes: the same questions to each, about itself and its peers."""

    cluster: Cluster
    run: Run
    expected: Expectation
    services: Services
    probes: Probes
    made: Made = ALL_OF_IT
    questions: Questions = field(default_factory=Questions)

    def prepare(self) -> Questions:
        """What is asked about the ways between nodes."""
        if self.made.broken:
            return Questions()
        readers = [
            node.name
            for node in self.run.nodes
            if self.runs(base.HOST_PROBE, node.name) and self.has_etcd(node.name)
        ]
        return path_targets.prepare(Outlook(self.cluster, self.run), self.services.dns, readers)

    def ask(self, node: str) -> NodeView:
        """One exec in the node's probe, and what it told."""
        asked_at = time.time()
        try:
            printed = self.run_in(self.probe(base.HOST_PROBE, node), "node", node)
        except RefusedError as refusal:
            return self.ask_from_pod(node, Unasked(f"{node}: {refusal}", refusal.is_lasting))
        except CouldNotAskError as problem:
            return NodeView.unasked(str(problem))
        moments = asked_at, time.time()
        view = node_view(node, self.run.id, printed, self.endpoint(node), self.web(), moments)
        view = replace(view, paths=paths_of(Printed(node, split(self.run.id, printed))))
        return self.with_cause(view, node)

    def ask_kubelet(self, node: str) -> Json | Unasked:
        """The configuration of the node's kubelet: that needs no probe, but a kubelet alive."""
        if (status := self.run.node(node)).is_silent:
            return Unasked(f"{node}: {pod_diagnosis.of_node(status)}")
        return asked(lambda: core_resources.kubelet_config(self.cluster, node))

    def ask_from_pod(self, node: str, why: Unasked) -> NodeView:
        """Where the host may not be looked at, its pod still tells what pods see."""
        told = NodeView.unasked(why.unasked, why.permanent)
        try:
            printed = self.run_in(self.probe(base.NET_PROBE, node), "pod", node)
        except CouldNotAskError:
            return told
        frame = f"@@{self.run.id} begin network\n{printed}\n@@{self.run.id} end network 0 \n"
        view = node_view(node, self.run.id, frame, "", self.web())
        paths = paths_of(Printed(node, split(self.run.id, frame)))
        untold = dict.fromkeys(FROM_HOSTS, why)
        view = replace(view, paths=replace(paths, **untold))
        return replace(told, **{name: getattr(view, name) for name in FROM_PODS})

    def run_in(self, pod: str, mode: str, node: str) -> str:
        """Run the probe's script in a pod of the run; what it prints.

        Raises:
            CouldNotAskError: if it cannot be run, or does not end well.
        """
        command = ["sh", "/probe/collect.sh", mode, self.run.id, *self.arguments(node)]
        ask = partial(self.cluster.execute, self.run.namespace, pod, command, EXEC_SECONDS)
        try:
            ran = once_more(ask, LostError)
        except CouldNotAskError as problem:
            raise CouldNotAskError(f"{node}: {problem}") from None
        if ran.status != 0:
            complaint = f"exit status {ran.status}: {ran.stderr[-300:]}"
            raise CouldNotAskError(f"{node}: collect.sh: {complaint}")
        return ran.stdout

    def with_cause(self, view: NodeView, node: str) -> NodeView:
        """The view, in which what a missing pod could not tell names why the pod is missing."""
        if self.runs(base.NET_PROBE, node):
            return view
        problem = Unasked(
            f"{node}: no pod can be asked there: {self.why_not(base.NET_PROBE, node)}"
        )
        if isinstance(view.paths, Paths):
            view = replace(view, paths=named(view.paths, problem))
        return named(view, problem)

    def probe(self, app: str, node: str) -> str:
        """The pod to ask.

        Raises:
            RefusedError: if the API did not let it be made.
            CouldNotAskError: if it does not run; why, as far as anybody knows.
        """
        if refusal := self.made.refused.get(base.probe(app, node)):
            raise refusal.error()
        if not self.runs(app, node):
            raise CouldNotAskError(f"{node}: {self.why_not(app, node)}")
        return base.probe(app, node)

    def runs(self, app: str, node: str) -> bool:
        """Does the node's probe of that kind run?"""
        return is_ready(self.probes.pods.get((app, node), NO_POD))

    def why_not(self, app: str, node: str) -> str:
        """Why a probe does not run on a node: the one cause that all who ask for it are told."""
        status = self.run.node(node)
        if self.made.broken:
            return self.made.broken
        if refusal := self.made.refused.get(base.probe(app, node)):
            return refusal.message
        if status.is_silent or (not status.ready and app == base.NET_PROBE):
            return pod_diagnosis.of_node(status)
        pod = self.probes.pods.get((app, node))
        if pod is None:
            return "its probe is gone: somebody has deleted it"
        said = self.probes.causes.get((app, node)) or pod_diagnosis.meaning(state(pod))
        look = f"kubectl describe pod -n {self.run.namespace} {base.probe(app, node)}"
        also = f"; {pod_diagnosis.of_node(status)}" if not status.ready else ""
        return f"its probe does not run: {said} ({look}){also}"

    def causes(self) -> dict[str, str]:
        """Why probes do not run, by node; nodes that run both are left out."""
        return {
            node.name: self.why_not(app, node.name)
            for node in self.run.nodes
            for app in (base.HOST_PROBE, base.NET_PROBE)
            if not self.runs(app, node.name)
        }

    def arguments(self, node: str) -> list[str]:
        """The KEY=VALUE words for `collect.sh` on `node`."""
        names = ("kubernetes.default.svc", f"{base.WEB}.{self.run.namespace}.svc")
        return [
            *(f"peer={peer}" for peer in self.peers()),
            f"service={self.web()}",
            f"node_port={self.services.node_port}",
            *(f"lookup={name}" for name in names),
            *(f"unit={unit}.service" for unit in UNITS),
            f"prefix={self.expected.flannel.get('prefix', '/coreos.com/network')}",
            *self.etcd_words(node),
            *(["quick=1"] if self.run.quick else []),
            *(f"identity={','.join(identity)}" for identity in self.identities()),
            *(f"api={url}" for url in self.apis()),
            *(f"own_api={url}" for url in self.servers() if f"//{self.address(node)}:" in url),
            *(f"tls={label},{address}" for label, address in self.tls_ports(node).items()),
            f"sealed={self.run.namespace}/{base.SEALED},{base.sealed_word(self.run)}",
            *LOOKED_AT,
            *self.questions.words(node),
        ]

    def etcd_words(self, node: str) -> list[str]:
        """Where the node's etcd member answers: as expected, else it says so itself."""
        expected = self.endpoint(node) in self.expected.etcd.get("endpoints", [])
        return [f"{'etcd' if expected else 'usual_etcd'}={self.endpoint(node)}"]

    def address(self, node: str) -> str:
        """The node's internal address."""
        return self.run.node(node).address

    def servers(self) -> list[str]:
        """URL of each API server: as expected, else as they tell themselves."""
        return self.expected.api_servers() or self.run.api_servers

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
        if self.run.node(node).is_control:
            ports["etcd"] = self.endpoint(node).partition("//")[2]
            ports["peer"] = f"{address}:{ETCD_PEER_PORT}"
        return ports

    def peers(self) -> list[str]:
        """NODE,ADDRESS,POD of every node whose pod-network probe has an address."""
        addresses = {
            node: pod["status"]["podIP"]
            for (app, node), pod in self.probes.pods.items()
            if app == base.NET_PROBE and pod["status"].get("podIP")
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

    def has_etcd(self, node: str) -> bool:
        """Should the node have a member of etcd?"""
        endpoints = self.expected.etcd.get("endpoints", [])
        expected = any(f"//{self.address(node)}:" in url for url in endpoints)
        return expected if endpoints else self.run.node(node).is_control

    def identities(self) -> list[tuple[str, ...]]:
        """The etcd client files to try in order: what is expected, then the usual places."""
        etcd = self.expected.etcd
        named = [tuple(etcd[key] for key in ("ca", "certificate", "key"))] if "key" in etcd else []
        return [*named, *IDENTITIES]
