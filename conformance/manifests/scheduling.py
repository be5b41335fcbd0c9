# SPDX-License-Identifier: Apache-2.0
"""Pods that only have to be placed: one for each rule that the scheduler must honour.

None of them ever starts, so that many cost little: each waits on its node for a ConfigMap that
nobody makes.
"""

from collections.abc import Iterator
from typing import Any

from conformance.api.core_resources import HOSTNAME
from conformance.manifests import cluster_scoped
from conformance.manifests.base import (
    APP_LABEL,
    SELECTED,
    Manifest,
    Run,
    bare_pod,
    labels_of,
    sleeper,
)
from conformance.manifests.cluster_scoped import HIGH, LOW, ROOM, SEAT

NEVER = "never-made"
AVOIDING, BESIDE = "avoiding", "beside"
PINNED = "pinned"
APART = ["apart-0", "apart-1"]
SPREAD = ["spread-0", "spread-1", "spread-2"]
ROOMY = ["roomy-0", "roomy-1", "roomy-2"]  # there is room for two of them
HUMBLE, PROUD = "humble", "proud"


def scene(run: Run) -> list[Manifest]:
    """A pod for each rule; where no node takes ordinary pods there is nothing to try."""
    return list(_pods(run)) if run.welcoming() else []


def _pods(run: Run) -> Iterator[Manifest]:
    welcoming = hostname(run)
    yield bare_pod(run, PINNED, sleeper(run) | {"nodeName": run.free()[-1].name})
    others = [name for name in free_hostnames(run) if name != welcoming]
    terms: list[Manifest] = [{"key": HOSTNAME, "operator": "Exists"}]
    terms += [{"key": HOSTNAME, "operator": "NotIn", "values": others}] if others else []
    yield _shadow(run, AVOIDING, affinity={"nodeAffinity": _required_nodes(terms)})
    yield _shadow(run, BESIDE, affinity={"podAffinity": _required(SELECTED)})
    for name in APART:
        yield _shadow(run, name, "apart", affinity={"podAntiAffinity": _required("apart")})
    for name in SPREAD:
        yield _shadow(run, name, "spread", **_spread(welcoming))
    for name in ROOMY:
        yield _shadow(run, name, resources={cluster_scoped.resource(run, ROOM): "1"})


def humble(run: Run) -> Manifest:
    """The pod that makes way; its priority class must be there before it."""
    return _seated(run, HUMBLE, LOW)


def proud(run: Run) -> Manifest:
    """The pod that comes first; it is made when the humble one has its seat."""
    return _seated(run, PROUD, HIGH)


def hostname(run: Run) -> str:
    """The label by which the welcoming node is selected."""
    node = run.welcoming()
    return node.labels.get(HOSTNAME, node.name) if node else ""


def free_hostnames(run: Run) -> list[str]:
    """The same of all nodes that take ordinary pods."""
    return [node.labels.get(HOSTNAME, node.name) for node in run.free()]


def _seated(run: Run, name: str, priority: str) -> Manifest:
    seat = {cluster_scoped.resource(run, SEAT): "1"}
    rank = {"priorityClassName": cluster_scoped.priority_class(run, priority)}
    return _shadow(run, name, resources=seat, **rank)


def _shadow(
    run: Run, name: str, app: str = "", resources: dict[str, str] | None = None, **wishes: Any
) -> Manifest:
    made = bare_pod(run, name, shadow(run, resources, **wishes))
    return made | {"metadata": made["metadata"] | {"labels": labels_of(run, app or name)}}


def shadow(run: Run, resources: dict[str, str] | None = None, **wishes: Any) -> Manifest:
    """The spec of a pod that is placed, and never starts; `wishes` are merged into it."""
    spec = sleeper(run) | wishes
    container = spec["containers"][0]
    container["volumeMounts"] = [{"name": NEVER, "mountPath": "/never"}]
    container["resources"]["requests"] |= resources or {}
    container["resources"]["limits"] = resources or {}
    spec["volumes"] = [{"name": NEVER, "configMap": {"name": NEVER}}]
    return spec


def _required(app: str) -> Manifest:
    selector = {"matchLabels": {APP_LABEL: app}}
    term = {"labelSelector": selector, "topologyKey": HOSTNAME}
    return {"requiredDuringSchedulingIgnoredDuringExecution": [term]}


def _required_nodes(expressions: list[Manifest]) -> Manifest:
    terms = {"nodeSelectorTerms": [{"matchExpressions": expressions}]}
    return {"requiredDuringSchedulingIgnoredDuringExecution": terms}


def _spread(drawn_to: str) -> Manifest:
    """All would rather be on one node, but must be spread over those that take them."""
    constraint = {
        "maxSkew": 1,
        "topologyKey": HOSTNAME,
        "whenUnsatisfiable": "DoNotSchedule",
        "nodeTaintsPolicy": "Honor",
        "labelSelector": {"matchLabels": {APP_LABEL: "spread"}},
    }
    there = [{"key": HOSTNAME, "operator": "In", "values": [drawn_to]}]
    preference = {"weight": 100, "preference": {"matchExpressions": there}}
    wish = {"preferredDuringSchedulingIgnoredDuringExecution": [preference]}
    return {"topologySpreadConstraints": [constraint], "affinity": {"nodeAffinity": wish}}
