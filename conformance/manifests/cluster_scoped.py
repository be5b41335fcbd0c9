# SPDX-License-Identifier: Apache-2.0
"""What a run makes outside its namespace: two priority classes, and resources that nobody has.

The resources are put on one node, for pods of this run alone, so that trying the scheduler takes no
room from anybody. All bear the run's id in their names; who sweeps finds them by it.
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
    """The name of a resource that only this run knows."""
    return f"{PREFIX}{kind}-{run.id}"


def priority_class(run: Run, kind: str) -> str:
    """The name of one of the run's priority classes."""
    return f"conformance-{run.id}-{kind}"


def make(cluster: Cluster, run: Run) -> list[str]:
    """Make all of it; what the API refuses to this user, with the reason.

    Raises:
        InconclusiveError: if the API does not answer.
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
    """One for pods that make way, one for those that come first; nobody gets them unasked."""
    for kind, value in PRIORITIES.items():
        metadata = {"name": priority_class(run, kind), "labels": {RUN_LABEL: run.id}}
        yield {
            "apiVersion": "scheduling.k8s.io/v1",
            "kind": "PriorityClass",
            "metadata": metadata,
            "value": value,
            "description": "made by a run of heatgen's conformance suite, for its own pods",
        }


def put(cluster: Cluster, node: str, amounts: Mapping[str, str | None]) -> None:
    """Say that the node has so much of each; `None` takes it away."""
    status = {"capacity": amounts, "allocatable": amounts}
    cluster.patch(f"{NODES}/{node}/status", {"status": status})


def found(cluster: Cluster) -> dict[str, list[str]]:
    """What there is of any run, by the run's id."""
    by_run: dict[str, list[str]] = {}
    for each in cluster.items(CLASSES, labelSelector=RUN_LABEL):
        name, run = each["metadata"]["name"], each["metadata"]["labels"][RUN_LABEL]
        by_run.setdefault(run, []).append(f"priority class {name}")
    for node in cluster.items(NODES):
        for name, run in ours(node):
            by_run.setdefault(run, []).append(f"resource {name} of {node['metadata']['name']}")
    return by_run


def ours(node: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The resources of a node that runs have put there, each with the run's id."""
    for name in node.get("status", {}).get("capacity", {}):
        if told := OURS.fullmatch(name):
            yield name, told[1]


def remove(cluster: Cluster, runs: Iterable[str]) -> None:
    """Take away what these runs have made; what is gone already is no matter.

    Raises:
        InconclusiveError: if the API refuses.
    """
    doomed = set(runs)
    for each in cluster.items(CLASSES, labelSelector=RUN_LABEL):
        if each["metadata"]["labels"][RUN_LABEL] in doomed:
            cluster.delete(f"{CLASSES}/{each['metadata']['name']}")
    for node in cluster.items(NODES):
        amounts: dict[str, str | None] = {name: None for name, run in ours(node) if run in doomed}
        if amounts:
            put(cluster, node["metadata"]["name"], amounts)


def remains(cluster: Cluster, run: str) -> list[str]:
    """What is still there of the run."""
    try:
        return [f"{what} is still there" for what in found(cluster).get(run, [])]
    except InconclusiveError as problem:
        return [f"what the run made outside its namespace may still be there: {problem}"]


def missing(cluster: Cluster, run: Run) -> list[str]:
    """What the run should have made, and is not there.

    Raises:
        InconclusiveError: if the API refuses to tell.
    """
    node = run.schedulable_node()
    wanted = [f"priority class {priority_class(run, kind)}" for kind in PRIORITIES]
    if node:
        wanted += [f"resource {resource(run, kind)} of {node.name}" for kind in AMOUNTS]
    return sorted(set(wanted) - set(found(cluster).get(run.id, [])))
