# SPDX-License-Identifier: Apache-2.0
"""The cluster as a fault's module sees it: nodes that run scripts, kubectl, a memory."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from lab.faultinjection.journal import Journal
from lab.harness import cluster as clusters
from lab.harness import controller
from lab.harness.cluster import Cluster, Node

Json = dict[str, Any]
Found = TypeVar("Found")


@dataclass(frozen=True)
class Victims:
    """Whom a fault hits, by name.

    Each check that must be red names one of them in a message; one message at least names all.
    None: the fault is the whole cluster's.
    """

    nodes: tuple[str, ...] = ()


def hit(*nodes: Node) -> Victims:
    """These nodes are the victims."""
    return Victims(tuple(node.name for node in nodes))


WHOLE_CLUSTER = Victims()


@dataclass(frozen=True)
class Context:
    """A standing cluster of the lab. Scripts run as root; what they need goes in as text."""

    cluster: Cluster
    journal: Journal

    @property
    def nodes(self) -> list[Node]:
        """All nodes, by name."""
        return self.cluster.nodes

    @property
    def control(self) -> list[Node]:
        """The control plane, the first server first."""
        return self.cluster.control

    @property
    def workers(self) -> list[Node]:
        """The workers, those on containerd first."""
        return self.cluster.workers

    @property
    def victim(self) -> Node:
        """The node that a fault of one node hits: always the same, so that `heal` knows it."""
        return self.workers[0]

    def on(self, nodes: list[Node], script: str) -> dict[str, str]:
        """Run a script on several nodes side by side; return what each printed, by name."""
        return clusters.on_all(nodes, script)

    def kubectl(self, *words: str, check: bool = True) -> str:
        """Run kubectl as the administrator; return what it prints."""
        return self.cluster.kubectl(*words, check=check)

    def ask(self, *words: str) -> Json:
        """Return the JSON that kubectl prints."""
        return self.cluster.get_json(*words)

    def apply(self, *objects: Json) -> None:
        """Make objects, or make them as they are here."""
        plain = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self._with_input(plain, "apply", "-f", "-")

    def remove(self, *objects: Json) -> None:
        """Remove objects, if they are there, without waiting for it."""
        plain = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self._with_input(plain, "delete", "--ignore-not-found", "--wait=false", "-f", "-")

    def openstack(self, *words: str, check: bool = True) -> str:
        """Run the cloud's client as the user whose stack it is; return what it prints."""
        return controller.inside("openstack", *words, check=check).decode(errors="replace")

    def wait_for(self, what: str, seconds: float, find: Callable[[], Found]) -> Found:
        """Wait until what is found is true; AssertionError tells what was wrong last."""
        return controller.wait_for(what, seconds, find, pause=0.5)

    def keep(self, name: str, value: Any) -> None:
        """Remember a plain value for `heal`, also of another process."""
        self.journal.keep(name, value)

    def kept(self, name: str, otherwise: Any = None) -> Any:
        """What `inject` kept; `otherwise` if it did not come that far."""
        return self.journal.kept(name, otherwise)

    def _with_input(self, plain: Json, *words: str) -> None:
        file = str(self.cluster.directory / "kubeconfig")
        options = ["--kubeconfig", file, "--request-timeout", "15s"]
        text = json.dumps(plain).encode()
        controller.run(controller.LAB, "shell", "kubectl", *options, *words, text=text)
