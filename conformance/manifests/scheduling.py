# SPDX-License-Identifier: Apache-2.0
"""Pods that only need to be scheduled: one for each rule that the scheduler must honour.

They never start, which saves resources: each mounts a ConfigMap that does not exist.
"""

from collections.abc import Iterator
from typing import Any

from conformance.api.core_resources import HOSTNAME
from conformance.manifests import cluster_scoped
from conformance.manifests.base import (
    APP_LABEL,
    NODE_SELECTOR,
    Manifest,
    Run,
    bare_pod,
    labels_of,
    sleeper,
)
from conformance.manifests.cluster_scoped import FIT, HIGH, LOW, PREEMPTION

MISSING = "intentionally-missing"
NODE_AFFINITY, POD_AFFINITY = "node-affinity", "pod-affinity"
PINNED = "pinned"
ANTI_AFFINITY_APP, SPREAD_APP = "pod-anti-affinity", "topology-spread"
POD_ANTI_AFFINITY = [f"{ANTI_AFFINITY_APP}-{index}" for index in range(2)]
TOPOLOGY_SPREAD = [f"{SPREAD_APP}-{index}" for index in range(3)]
# The node has capacity for two of them.
EXTENDED_RESOURCE = [f"extended-resource-{index}" for index in range(3)]
LOW_PRIORITY, HIGH_PRIORITY = "low-priority", "high-priority"


def manifests(run: Run) -> list[Manifest]:
    """Return a pod for each rule; none if no node accepts ordinary pods."""
    return list(_pods(run)) if run.schedulable_node() else []


def _pods(run: Run) -> Iterator[Manifest]:
    node = hostname(run)
    yield bare_pod(run, PINNED, sleeper(run) | {"nodeName": run.schedulable_nodes()[-1].name})
    others = [name for name in schedulable_hostnames(run) if name != node]
    terms: list[Manifest] = [{"key": HOSTNAME, "operator": "Exists"}]
    terms += [{"key": HOSTNAME, "operator": "NotIn", "values": others}] if others else []
    yield _unstarted_pod(run, NODE_AFFINITY, affinity={"nodeAffinity": _required_nodes(terms)})
    yield _unstarted_pod(run, POD_AFFINITY, affinity={"podAffinity": _required(NODE_SELECTOR)})
    for name in POD_ANTI_AFFINITY:
        yield _unstarted_pod(
            run, name, ANTI_AFFINITY_APP,
            affinity={"podAntiAffinity": _required(ANTI_AFFINITY_APP)},
        )  # fmt: skip
    for name in TOPOLOGY_SPREAD:
        yield _unstarted_pod(run, name, SPREAD_APP, **_spread(node))
    for name in EXTENDED_RESOURCE:
        yield _unstarted_pod(run, name, resources={cluster_scoped.resource(run, FIT): "1"})


def low_priority(run: Run) -> Manifest:
    """Return the pod that is preempted; create it after its PriorityClass."""
    return _preemption_pod(run, LOW_PRIORITY, LOW)


def high_priority(run: Run) -> Manifest:
    """Return the preempting pod; create it when the other pod has the resource."""
    return _preemption_pod(run, HIGH_PRIORITY, HIGH)


def hostname(run: Run) -> str:
    """Return the hostname label of the schedulable node."""
    node = run.schedulable_node()
    return node.labels.get(HOSTNAME, node.name) if node else ""


def schedulable_hostnames(run: Run) -> list[str]:
    """Return the hostname labels of all schedulable nodes."""
    return [node.labels.get(HOSTNAME, node.name) for node in run.schedulable_nodes()]


def _preemption_pod(run: Run, name: str, priority: str) -> Manifest:
    resources = {cluster_scoped.resource(run, PREEMPTION): "1"}
    rank = {"priorityClassName": cluster_scoped.priority_class(run, priority)}
    return _unstarted_pod(run, name, resources=resources, **rank)


def _unstarted_pod(
    run: Run, name: str, app: str = "", resources: dict[str, str] | None = None, **options: Any
) -> Manifest:
    pod = bare_pod(run, name, unstarted(run, resources, **options))
    return pod | {"metadata": pod["metadata"] | {"labels": labels_of(run, app or name)}}


def unstarted(run: Run, resources: dict[str, str] | None = None, **options: Any) -> Manifest:
    """Return the spec of a pod that never starts; ``options`` are merged into it."""
    spec = sleeper(run) | options
    container = spec["containers"][0]
    container["volumeMounts"] = [{"name": MISSING, "mountPath": "/never"}]
    container["resources"]["requests"] |= resources or {}
    container["resources"]["limits"] = resources or {}
    spec["volumes"] = [{"name": MISSING, "configMap": {"name": MISSING}}]
    return spec


def _required(app: str) -> Manifest:
    selector = {"matchLabels": {APP_LABEL: app}}
    term = {"labelSelector": selector, "topologyKey": HOSTNAME}
    return {"requiredDuringSchedulingIgnoredDuringExecution": [term]}


def _required_nodes(expressions: list[Manifest]) -> Manifest:
    terms = {"nodeSelectorTerms": [{"matchExpressions": expressions}]}
    return {"requiredDuringSchedulingIgnoredDuringExecution": terms}


def _spread(preferred: str) -> Manifest:
    """Return a topology spread constraint, and affinity that prefers one node against it."""
    constraint = {
        "maxSkew": 1,
        "topologyKey": HOSTNAME,
        "whenUnsatisfiable": "DoNotSchedule",
        "nodeTaintsPolicy": "Honor",
        "labelSelector": {"matchLabels": {APP_LABEL: SPREAD_APP}},
    }
    node = [{"key": HOSTNAME, "operator": "In", "values": [preferred]}]
    preference = {"weight": 100, "preference": {"matchExpressions": node}}
    affinity = {"preferredDuringSchedulingIgnoredDuringExecution": [preference]}
    return {"topologySpreadConstraints": [constraint], "affinity": {"nodeAffinity": affinity}}
