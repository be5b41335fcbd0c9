# SPDX-License-Identifier: Apache-2.0
"""Collect the facts: wait for the probes, then run each of them once, concurrently."""

import dataclasses
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any, TypeVar

from conformance.api import cluster_resources, core_resources
from conformance.api.client import (
    ApiStatusError,
    Cluster,
    WaitTimeout,
    or_unavailable,
    poll_until,
    retry_once,
)
from conformance.api.pods import Json, is_ready, node_of, state
from conformance.collect import path_targets
from conformance.collect.parse_network import paths_of
from conformance.collect.parse_node import NO_ENTRY, ProbeOutput, node_view, split
from conformance.collect.path_targets import PathTargets
from conformance.collect.probe_arguments import ProbeArguments
from conformance.deploy import pod_diagnosis
from conformance.deploy.creation import COMPLETE, CreationResult
from conformance.deploy.pod_monitor import PodMonitor
from conformance.facts.expected import Expectation
from conformance.facts.model import Facts, NodeView, Services
from conformance.facts.network import Paths
from conformance.manifests import base
from conformance.manifests.base import Run
from conformance.outcome import ConnectionLostError, InconclusiveError, Unavailable

AT_ONCE = 16
EXEC_SECONDS = 60.0
SECRETS = "/api/v1/secrets"


View = TypeVar("View", NodeView, Paths)
NO_POD: Json = {"spec": {}}
FROM_HOSTS = ("host_pings", "frames", "outside", "forward")  # facts of `Paths` from the host probe
# Facts that the pod-network probe collects.
FROM_PODS = ("pod_pings", "web_from_pod", "nameservers", "lookups", "paths")


def collect(
    cluster: Cluster,
    run: Run,
    expected: Expectation,
    patience: float,
    creation: CreationResult = COMPLETE,
) -> Facts:
    """Return the facts of the cluster; those that cannot be read are ``Unavailable``.

    Raises:
        InconclusiveError: the API did not respond.
    """
    begun = time.monotonic()
    probes, services = Probes({}, {}), core_resources.NO_SERVICES
    meanwhile = ThreadPoolExecutor(2)
    leaders = meanwhile.submit(or_unavailable, lambda: cluster_resources.watched_leaders(cluster))
    resources = meanwhile.submit(or_unavailable, lambda: cluster_resources.read(cluster, run.nodes))
    if not creation.broken:
        probes = await_probes(PodMonitor(cluster, run), patience, creation.rejected)
        services = core_resources.services(cluster, run.namespace, base.WEB)
    started = time.monotonic()
    collector = Collector(
        cluster=cluster,
        run=run,
        expected=expected,
        services=services,
        probes=probes,
        creation=creation,
    )
    collector = replace(collector, targets=collector.prepare())
    names = [node.name for node in run.nodes]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        results = pool.map(collector.node_view, names)
        kubelets = pool.map(collector.kubelet_config, names)
        answers = {
            name: pool.submit(or_unavailable, read) for name, read in api_readers(cluster).items()
        }
        nodes = or_unavailable(lambda: {node.name: node for node in core_resources.nodes(cluster)})
        pods = or_unavailable(lambda: core_resources.pods(cluster))
        views = {
            name: replace(view, kubelet=kubelet)
            for name, view, kubelet in zip(names, results, kubelets, strict=True)
        }
        more: dict[str, Any] = {name: answer.result() for name, answer in answers.items()}
    return Facts(
        taken=cluster.now().isoformat(timespec="seconds"),
        server=str(cluster.get("/version")["gitVersion"]),
        nodes={node.name: node for node in run.nodes} if isinstance(nodes, Unavailable) else nodes,
        pods=[] if isinstance(pods, Unavailable) else pods,
        services=services,
        views=views,
        leaders=leaders.result(),
        governance=resources.result(),
        api_servers=collector.arguments.servers(),
        not_stored=creation.broken,
        causes=collector.causes(),
        seconds={
            "waiting for probes": round(started - begun, 2),
            "querying the nodes": round(time.monotonic() - started, 2),
        },
        **more,
    )


def api_readers(cluster: Cluster) -> dict[str, Callable[[], Any]]:
    """Return the readers of facts that need no probe, by the name of the fact."""
    return {
        "dns": lambda: core_resources.dns_pods(cluster),
        "api_addresses": lambda: core_resources.api_addresses(cluster),
        "anonymous": lambda: cluster.anonymous_status(SECRETS),
        "noted_leases": lambda: core_resources.noted_leases(cluster),
        "node_leases": lambda: core_resources.node_leases(cluster),
        "readiness": lambda: core_resources.lasting_readiness(cluster),
    }


# ---- the probes ----


@dataclass(frozen=True)
class Probes:
    """The probes' pods, by app and node."""

    pods: dict[tuple[str, str], Json]
    """Pods that exist."""
    causes: dict[tuple[str, str], str]
    """Why a pod cannot run."""


def await_probes(monitor: PodMonitor, patience: float, rejected: Iterable[str] = ()) -> Probes:
    """Wait until every probe runs or has a cause why it cannot.

    Probes on unresponsive nodes are not created, and those in ``rejected`` do not exist.
    """
    run = monitor.run
    path = f"/api/v1/namespaces/{run.namespace}/pods"
    causes: dict[tuple[str, str], str] = {}  # kept: a failing pod alternates between its states
    awaited = {
        (app, node.name)
        for node in run.nodes
        for app in ((base.NET_PROBE, base.HOST_PROBE) if node.ready else (base.HOST_PROBE,))
        if not node.is_silent and base.probe(app, node.name) not in rejected
    }

    def settled(probes: dict[tuple[str, str], Json]) -> bool:
        ready = {key for key, pod in probes.items() if is_ready(pod)}
        for key in awaited - ready - set(causes):
            if key in probes and (cause := monitor.cause(probes[key])):
                causes[key] = cause
        return awaited <= ready | set(causes)

    try:
        found = poll_until(lambda: probes_of(monitor.cluster.items(path)), settled, patience)
    except WaitTimeout as late:
        found = dict(late.last)
    return Probes(found, causes)


def probes_of(pods: list[Json]) -> dict[tuple[str, str], Json]:
    """Return the probes among the run's pods, by app and node."""
    return {
        (pod["metadata"]["labels"].get(base.APP_LABEL, ""), node_of(pod)): pod
        for pod in pods
        if pod["metadata"]["labels"].get(base.APP_LABEL) in (base.NET_PROBE, base.HOST_PROBE)
        and not pod["metadata"].get("deletionTimestamp")
    }


# ---- running the probes ----


def with_reason(view: View, problem: Unavailable) -> View:
    """Replace the reason of facts that are missing because the pod-network probe does not run."""
    missing = {
        part.name: problem
        for part in dataclasses.fields(view)
        if isinstance(fact := getattr(view, part.name), Unavailable) and NO_ENTRY in fact.unasked
    }
    return replace(view, **missing)


@dataclass(frozen=True, kw_only=True)
class Collector:
    """Runs the probe of every node once."""

    cluster: Cluster
    run: Run
    expected: Expectation
    services: Services
    probes: Probes
    creation: CreationResult = COMPLETE
    targets: PathTargets = field(default_factory=PathTargets)

    @cached_property
    def arguments(self) -> ProbeArguments:
        """Arguments of the probes."""
        return ProbeArguments(
            run=self.run,
            expected=self.expected,
            services=self.services,
            pods=self.probes.pods,
            targets=self.targets,
        )

    def prepare(self) -> PathTargets:
        """Return the targets of the network paths."""
        if self.creation.broken:
            return PathTargets()
        readers = [
            node.name
            for node in self.run.nodes
            if self.runs(base.HOST_PROBE, node.name) and self.arguments.has_etcd(node.name)
        ]
        return path_targets.prepare(PodMonitor(self.cluster, self.run), self.services.dns, readers)

    def node_view(self, node: str) -> NodeView:
        """Run the node's host probe and return its results."""
        begun = time.time()
        try:
            printed = self.run_in(self.probe(base.HOST_PROBE, node), "node", node)
        except ApiStatusError as refusal:
            return self.pod_view(node, Unavailable(f"{node}: {refusal}", refusal.is_permanent))
        except InconclusiveError as problem:
            return NodeView.unavailable(str(problem))
        window = begun, time.time()
        view = node_view(
            node, self.run.id, printed, self.arguments.endpoint(node), self.arguments.web(), window
        )
        view = replace(view, paths=paths_of(ProbeOutput(node, split(self.run.id, printed))))
        return self.with_cause(view, node)

    def kubelet_config(self, node: str) -> Json | Unavailable:
        """Return the kubelet's configuration, which needs no probe."""
        if (status := self.run.node(node)).is_silent:
            return Unavailable(f"{node}: {pod_diagnosis.of_node(status)}")
        return or_unavailable(lambda: core_resources.kubelet_config(self.cluster, node))

    def pod_view(self, node: str, why: Unavailable) -> NodeView:
        """Return the results of the pod-network probe where the API rejects the host probe."""
        unavailable = NodeView.unavailable(why.unasked, why.permanent)
        try:
            printed = self.run_in(self.probe(base.NET_PROBE, node), "pod", node)
        except InconclusiveError:
            return unavailable
        frame = f"@@{self.run.id} begin network\n{printed}\n@@{self.run.id} end network 0 \n"
        view = node_view(node, self.run.id, frame, "", self.arguments.web())
        paths = paths_of(ProbeOutput(node, split(self.run.id, frame)))
        view = replace(view, paths=replace(paths, **dict.fromkeys(FROM_HOSTS, why)))
        return replace(unavailable, **{name: getattr(view, name) for name in FROM_PODS})

    def run_in(self, pod: str, mode: str, node: str) -> str:
        """Run the probe's script in a pod of the run; return its output.

        Raises:
            InconclusiveError: the script cannot be run, or it failed.
        """
        command = ["sh", "/probe/collect.sh", mode, self.run.id, *self.arguments.of(node)]
        execute = partial(self.cluster.execute, self.run.namespace, pod, command, EXEC_SECONDS)
        try:
            ran = retry_once(execute, ConnectionLostError)
        except InconclusiveError as problem:
            raise InconclusiveError(f"{node}: {problem}") from None
        if ran.status != 0:
            complaint = f"exit status {ran.status}: {ran.stderr[-300:]}"
            raise InconclusiveError(f"{node}: collect.sh: {complaint}")
        return ran.stdout

    def with_cause(self, view: NodeView, node: str) -> NodeView:
        """Add to missing facts why the pod-network probe does not run."""
        if self.runs(base.NET_PROBE, node):
            return view
        problem = Unavailable(
            f"{node}: the pod-network probe cannot be used: {self.why_not(base.NET_PROBE, node)}"
        )
        if isinstance(view.paths, Paths):
            view = replace(view, paths=with_reason(view.paths, problem))
        return with_reason(view, problem)

    def probe(self, app: str, node: str) -> str:
        """Return the name of the node's probe.

        Raises:
            ApiStatusError: the API rejected it.
            InconclusiveError: it does not run; the message contains the cause.
        """
        if refusal := self.creation.rejected.get(base.probe(app, node)):
            raise refusal.error()
        if not self.runs(app, node):
            raise InconclusiveError(f"{node}: {self.why_not(app, node)}")
        return base.probe(app, node)

    def runs(self, app: str, node: str) -> bool:
        """Return whether the node's probe is ready."""
        return is_ready(self.probes.pods.get((app, node), NO_POD))

    def why_not(self, app: str, node: str) -> str:
        """Return why a probe does not run on a node."""
        status = self.run.node(node)
        if self.creation.broken:
            return self.creation.broken
        if refusal := self.creation.rejected.get(base.probe(app, node)):
            return refusal.message
        if status.is_silent or (not status.ready and app == base.NET_PROBE):
            return pod_diagnosis.of_node(status)
        pod = self.probes.pods.get((app, node))
        if pod is None:
            return "the probe pod was deleted during the run"
        cause = self.probes.causes.get((app, node)) or pod_diagnosis.meaning(state(pod))
        look = f"kubectl describe pod -n {self.run.namespace} {base.probe(app, node)}"
        also = f"; {pod_diagnosis.of_node(status)}" if not status.ready else ""
        return f"its probe does not run: {cause} ({look}){also}"

    def causes(self) -> dict[str, str]:
        """Return why probes do not run, by node; without nodes that run both."""
        return {
            node.name: self.why_not(app, node.name)
            for node in self.run.nodes
            for app in (base.HOST_PROBE, base.NET_PROBE)
            if not self.runs(app, node.name)
        }
