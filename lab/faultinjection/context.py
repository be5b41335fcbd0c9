# SPDX-License-Identifier: Apache-2.0
"""The interface of fault modules to a cluster: scripts on nodes, kubectl, saved values."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from lab.faultinjection.journal import Journal
from lab.harness import cluster as clusters
from lab.harness import controller
from lab.harness.cluster import Cluster, Node

Json = dict[str, Any]
Found = TypeVar("Found")


@dataclass(frozen=True)
class Victims:
    """The nodes that a fault affects, by name; empty if it affects the whole cluster.

    A message of each declared check must name one of them, and at least one message all of them.
    """

    nodes: tuple[str, ...] = ()

    @classmethod
    def of(cls, *nodes: Node) -> Self:
        """Return these nodes as victims."""
        return cls(tuple(node.name for node in nodes))


WHOLE_CLUSTER = Victims()


@dataclass(frozen=True)
class Context:
    """A running cluster of the lab. Scripts run as root and receive input as text on stdin."""

    cluster: Cluster
    journal: Journal

    @property
    def nodes(self) -> list[Node]:
        """All nodes, by name."""
        return self.cluster.nodes

    @property
    def control(self) -> list[Node]:
        """The control-plane nodes, the first one first."""
        return self.cluster.control

    @property
    def workers(self) -> list[Node]:
        """The workers, those with containerd first."""
        return self.cluster.workers

    @property
    def victim(self) -> Node:
        """The node for faults that affect one node: always the same, so that `heal` finds it."""
        return self.workers[0]

    @property
    def machine(self) -> Node:
        """The worker with its own kernel, for faults that a container cannot have."""
        return self.cluster.machines[0]

    def run_on(self, nodes: list[Node], script: str) -> dict[str, str]:
        """Run a script on several nodes in parallel; return the output of each, by name."""
        return clusters.on_all(nodes, script)

    def kubectl(self, *arguments: str, check: bool = True) -> str:
        """Run kubectl as the administrator; return its output."""
        return self.cluster.kubectl(*arguments, check=check)

    def kubectl_json(self, *arguments: str) -> Json:
        """Run kubectl with JSON output; return the parsed output."""
        return self.cluster.get_json(*arguments)

    def apply(self, *objects: Json) -> None:
        """Create or update objects."""
        plain = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self._with_input(plain, "apply", "-f", "-")

    def delete(self, *objects: Json) -> None:
        """Delete objects if they exist, without waiting."""
        plain = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self._with_input(plain, "delete", "--ignore-not-found", "--wait=false", "-f", "-")

    def openstack(self, *arguments: str, check: bool = True) -> str:
        """Run the OpenStack client as the owner of the stack; return its output."""
        return controller.inside("openstack", *arguments, check=check).decode(errors="replace")

    def wait_for(self, what: str, seconds: float, find: Callable[[], Found]) -> Found:
        """Poll until `find` returns a true value, and return it; AssertionError after the limit."""
        return controller.wait_for(what, seconds, find, pause=0.5)

    def save(self, name: str, value: Any) -> None:
        """Save a JSON value for `heal`, which may run in another process."""
        self.journal.save(name, value)

    def saved(self, name: str, default: Any = None) -> Any:
        """Return a value that `inject` saved; `default` if it did not get that far."""
        return self.journal.saved(name, default)

    def _with_input(self, plain: Json, *arguments: str) -> None:
        file = str(self.cluster.directory / "kubeconfig")
        options = ["--kubeconfig", file, "--request-timeout", "15s"]
        text = json.dumps(plain).encode()
        controller.run(controller.LAB, "shell", "kubectl", *options, *arguments, text=text)
