# SPDX-License-Identifier: Apache-2.0
"""What the objects of the API mean for the removal of a node. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from heatgen.stack.members import NodeState

CORDONED = "heatgen/cordoned"
"""Annotation of a node that heatgen has cordoned, and that it makes schedulable again."""
_MIRROR = "kubernetes.io/config.mirror"


@dataclass(frozen=True, kw_only=True)
class Pod:
    """A pod on a node."""

    namespace: str
    name: str
    uid: str
    controller: str
    """Kind of the object that recreates it; '' if no controller does."""
    finished: bool
    """Whether its containers have ended."""
    deleting: bool
    mirror: bool
    """Whether it is defined by a file of the kubelet."""
    tolerates_all: bool
    """Whether it tolerates every taint, as a part of the node does: for storage or network."""

    @property
    def moves(self) -> bool:
        """Whether it has to leave the node; a DaemonSet would recreate its pod on the same node."""
        return not self.mirror and self.controller not in ("DaemonSet", "Node")

    @property
    def serves(self) -> bool:
        """Whether it is of a DaemonSet that leaves a node with a taint."""
        return self.controller == "DaemonSet" and not self.tolerates_all and not self.finished

    def __str__(self) -> str:
        """Return namespace and name."""
        return f"{self.namespace}/{self.name}"


def pod(item: Mapping[str, Any]) -> Pod:
    """Return a pod of the API."""
    metadata = item["metadata"]
    owners = metadata.get("ownerReferences") or []
    controllers = [str(owner["kind"]) for owner in owners if owner.get("controller")]
    return Pod(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        controller=controllers[0] if controllers else "",
        finished=(item.get("status") or {}).get("phase") in ("Succeeded", "Failed"),
        deleting=bool(metadata.get("deletionTimestamp")),
        mirror=_MIRROR in (metadata.get("annotations") or {}),
        tolerates_all=any(
            toleration.get("operator") == "Exists"
            and not toleration.get("key")
            and toleration.get("effect") in (None, "", "NoExecute")
            for toleration in (item.get("spec") or {}).get("tolerations") or []
        ),
    )


def node_state(
    item: Mapping[str, Any], now: datetime, pods: int = 0, renewed: str = ""
) -> NodeState:
    """Return the state of a node.

    Args:
        item: the node of the API.
        now: time of the API server.
        pods: number of pods that would have to leave the node.
        renewed: time at which the kubelet has reported last; '' if it is not known. Kubernetes
            changes the condition almost a minute after a kubelet has stopped.
    """
    conditions = {each["type"]: each for each in item["status"].get("conditions") or []}
    condition = conditions.get("Ready", {})
    since = str(condition.get("lastTransitionTime") or item["metadata"]["creationTimestamp"])
    changed = min(datetime.fromisoformat(time) for time in (since, renewed) if time)
    ready = condition.get("status") == "True"
    return NodeState(
        name=item["metadata"]["name"],
        ready=ready,
        unready_seconds=0.0 if ready else max(0.0, (now - changed).total_seconds()),
        cordoned=bool(item["spec"].get("unschedulable")),
        cordoned_by_heatgen=CORDONED in (item["metadata"].get("annotations") or {}),
        pods=pods,
    )
