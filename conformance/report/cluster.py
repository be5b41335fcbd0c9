# SPDX-License-Identifier: Apache-2.0
"""Overview of the cluster for reports: nodes, ping matrices, versions, unavailable facts. Pure.

It is small enough to be part of the results file, so that a report needs no other file and can be
compared with a later run.
"""

from dataclasses import dataclass, field, fields

from conformance.facts.expected import Expectation
from conformance.facts.model import Etcd, Facts, MemberStatus, NodeStatus, NodeView
from conformance.facts.network import Ping
from conformance.outcome import Unavailable

CONTROL, WORKER = "control plane", "worker"


@dataclass(frozen=True, kw_only=True)
class Node:
    """A node according to the API and the expectation."""

    name: str
    role: str
    address: str = ""
    runtime: str = ""
    kubelet: str = ""
    group: str = ""
    ready: bool = True
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Echo:
    """The pings of a path."""

    loss: float
    """Share of lost packets."""
    ms: float | None
    """Mean latency of the others."""


Matrix = dict[str, dict[str, Echo]]


@dataclass(frozen=True, kw_only=True)
class Overview:
    """Overview of the cluster."""

    name: str
    server: str
    taken: str
    nodes: list[Node]
    pods: Matrix
    hosts: Matrix
    versions: dict[str, list[str]] = field(default_factory=dict)
    """By component."""
    unasked: dict[str, list[str]] = field(default_factory=dict)
    """Unavailable facts by reason."""
    seconds: dict[str, float] = field(default_factory=dict)


def overview_of(facts: Facts, expected: Expectation) -> Overview:
    """Return the overview of a cluster from its facts, including nodes that are only expected."""
    nodes = [_node(status, expected) for _, status in sorted(facts.nodes.items())]
    nodes += [
        Node(
            name=name,
            role=CONTROL if node.role == "control" else WORKER,
            address=node.address,
            group=node.group,
            ready=False,
            problems=["expected, but not registered"],
        )
        for name, node in sorted(expected.nodes.items())
        if name not in facts.nodes
    ]
    return Overview(
        name=expected.cluster,
        server=facts.server,
        taken=facts.taken,
        nodes=sorted(nodes, key=lambda node: (node.role != CONTROL, node.group, node.name)),
        pods={node: _echoes(view.pod_pings) for node, view in sorted(facts.views.items())},
        hosts={node: _echoes(view.host_pings) for node, view in sorted(facts.views.items())},
        versions=_versions(facts),
        unasked=_unavailable(facts),
        seconds=dict(facts.seconds),
    )


def _node(node: NodeStatus, expected: Expectation) -> Node:
    wanted = expected.nodes.get(node.name)
    control = wanted.role == "control" if wanted else node.is_control
    problems = [f"{kind}: {reason}" for kind, reason in node.reasons.items()]
    problems += ["cordoned"] if node.unschedulable else []
    return Node(
        name=node.name,
        role=CONTROL if control else WORKER,
        address=node.address,
        runtime=node.runtime,
        kubelet=node.kubelet,
        group=wanted.group if wanted else "",
        ready=node.ready,
        problems=problems,
    )


def _echoes(pings: dict[str, Ping] | Unavailable) -> dict[str, Echo]:
    if isinstance(pings, Unavailable):
        return {}
    return {node: _echo(ping) for node, ping in sorted(pings.items())}


def _echo(ping: Ping) -> Echo:
    lost = 0.0 if ping.is_complete else 1 - ping.received / max(ping.sent, 1)
    return Echo(round(lost, 3), ping.ms if ping.received else None)


def _versions(facts: Facts) -> dict[str, list[str]]:
    etcd = [view.etcd.status for view in facts.views.values() if isinstance(view.etcd, Etcd)]
    found = {
        "API server": {facts.server},
        "kubelet": {node.kubelet for node in facts.nodes.values()},
        "runtime": {node.runtime for node in facts.nodes.values()},
        "etcd": {status.version for status in etcd if isinstance(status, MemberStatus)},
    }
    return {name: sorted(versions - {""}) for name, versions in found.items() if versions - {""}}


def _unavailable(facts: Facts) -> dict[str, list[str]]:
    """Return facts that could not be collected, by reason, without those that never can be."""
    found: dict[str, list[str]] = {}
    for node, view in sorted(facts.views.items()):
        for part in fields(NodeView):
            value = getattr(view, part.name)
            if isinstance(value, Unavailable) and not value.permanent:
                found.setdefault(value.unasked, []).append(f"{node}: {part.name}")
    return found
