# SPDX-License-Identifier: Apache-2.0
"""Cluster-scoped objects of a run: two PriorityClasses, and extended resources of one node.

The extended resources are for pods of this run alone, so that checks of the scheduler do not take
capacity from other pods. All names contain the run ID; cleanup finds the objects by it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from conformance.api.client import ApiStatusError, Cluster
from conformance.manifests.base import RUN_LABEL, Manifest, Run
from conformance.outcome import InconclusiveError

NODES = "/api/v1/nodes"
CLASSES = "/apis/scheduling.k8s.io/v1/priorityclasses"
PREFIX = "heatgen-conformance/"
# Extended resources of one node, named for the checks that use them.
FIT, PREEMPTION = "fit", "preemption"
AMOUNTS = {FIT: "2", PREEMPTION: "1"}
LOW, HIGH = "low", "high"
PRIORITIES = {LOW: 1, HIGH: 1000}
OURS = re.compile(rf"{PREFIX}(?:{'|'.join(AMOUNTS)})-([0-9a-f]+)")


def resource(run: Run, kind: str) -> str:
    """Return the name of one of the run's extended resources."""
    return f"{PREFIX}{kind}-{run.id}"


def priority_class(run: Run, kind: str) -> str:
    """Return the name of one of the run's PriorityClasses."""
    return f"conformance-{run.id}-{kind}"


def make(cluster: Cluster, run: Run) -> list[str]:
    """Create the objects; return the API's reasons for those that it rejects.

    Raises:
        InconclusiveError: the API did not respond.
    """
    refused = []
    for manifest in priority_classes(run):
        try:
            cluster.create(manifest)
        except ApiStatusError as refusal:
            refused.append(str(refusal))
    if node := run.schedulable_node():
        amounts = {resource(run, kind): amount for kind, amount in AMOUNTS.items()}
        try:
            put(cluster, node.name, amounts)
        except ApiStatusError as refusal:
            refused.append(str(refusal))
    return refused


def priority_classes(run: Run) -> Iterator[Manifest]:
    """Yield a class of low and one of high priority; neither is the default."""
    for kind, value in PRIORITIES.items():
        metadata = {"name": priority_class(run, kind), "labels": {RUN_LABEL: run.id}}
        yield {
            "apiVersion": "scheduling.k8s.io/v1",
            "kind": "PriorityClass",
            "metadata": metadata,
            "value": value,
            "description": "created by a run of heatgen's conformance suite for its own pods",
        }


def put(cluster: Cluster, node: str, amounts: Mapping[str, str | None]) -> None:
    """Set the node's amounts of extended resources; ``None`` removes one."""
    status = {"capacity": amounts, "allocatable": amounts}
    cluster.patch(f"{NODES}/{node}/status", {"status": status})


def found(cluster: Cluster) -> dict[str, list[str]]:
    """Return the objects of all runs by run ID."""
    by_run: dict[str, list[str]] = {}
    for each in cluster.items(CLASSES, labelSelector=RUN_LABEL):
        name, run = each["metadata"]["name"], each["metadata"]["labels"][RUN_LABEL]
        by_run.setdefault(run, []).append(f"priority class {name}")
    for node in cluster.items(NODES):
        for name, run in ours(node):
            by_run.setdefault(run, []).append(f"resource {name} of {node['metadata']['name']}")
    return by_run


def ours(node: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the extended resources of a node that runs have added, each with the run ID."""
    for name in node.get("status", {}).get("capacity", {}):
        if match := OURS.fullmatch(name):
            yield name, match[1]


def remove(cluster: Cluster, runs: Iterable[str]) -> None:
    """Delete the objects of these runs; objects that do not exist are ignored.

    Raises:
        InconclusiveError: the API rejected a request or did not respond.
    """
    obsolete = set(runs)
    for each in cluster.items(CLASSES, labelSelector=RUN_LABEL):
        if each["metadata"]["labels"][RUN_LABEL] in obsolete:
            cluster.delete(f"{CLASSES}/{each['metadata']['name']}")
    for node in cluster.items(NODES):
        amounts: dict[str, str | None] = {name: None for name, run in ours(node) if run in obsolete}
        if amounts:
            put(cluster, node["metadata"]["name"], amounts)


def remains(cluster: Cluster, run: str) -> list[str]:
    """Return which objects of the run still exist."""
    try:
        return [f"{what} still exists" for what in found(cluster).get(run, [])]
    except InconclusiveError as problem:
        return [f"cluster-scoped objects of the run may still exist: {problem}"]


def missing(cluster: Cluster, run: Run) -> list[str]:
    """Return which objects of the run do not exist.

    Raises:
        InconclusiveError: the API rejected a request or did not respond.
    """
    node = run.schedulable_node()
    wanted = [f"priority class {priority_class(run, kind)}" for kind in PRIORITIES]
    if node:
        wanted += [f"resource {resource(run, kind)} of {node.name}" for kind in AMOUNTS]
    return sorted(set(wanted) - set(found(cluster).get(run.id, [])))
