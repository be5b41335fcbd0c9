# SPDX-License-Identifier: Apache-2.0
"""Watching: somebody asks five times a second while something is done to the cluster."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from lab.harness import controller
from lab.harness.cluster import Cluster, Node

PROGRAM = Path(__file__).parent / "programs" / "poll.py"
START_SECONDS = 60
END_SECONDS = 60

Target = dict[str, Any]


@dataclass
class PollResults:
    """What one place saw; complete once the watching has ended."""

    seen: dict[str, dict[str, Any]] = field(default_factory=dict)

    def outage(self, target: str) -> float:
        """Return the longest time a target did not answer, in seconds."""
        return float(self.seen[target]["outage"])

    def failures(self, target: str) -> int:
        """Return how many requests failed."""
        return int(self.seen[target]["failures"])

    def requests(self, target: str) -> int:
        """Return how many requests there were."""
        return int(self.seen[target]["requests"])

    def __str__(self) -> str:
        """Return what was seen in a line for each target."""
        lines = (
            f"{name}: {seen['outage']} s, {seen['failures']} of {seen['requests']} failed"
            f" {seen['errors'] or ''}"
            for name, seen in self.seen.items()
        )
        return "\n".join(lines)


class Poller:
    """One `poll.py` that runs somewhere."""

    def __init__(self, command: list[str], targets: list[Target]) -> None:
        """Start it; its targets are all it is told."""
        self.targets = [str(target["name"]) for target in targets]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=controller.CHECKOUT,
        )

    def await_ready(self) -> Self:
        """Wait until every target has answered it."""
        assert self.process.stdout is not None
        bound = threading.Timer(START_SECONDS, self.process.kill)
        bound.start()
        try:
            line = self.process.stdout.readline()
        finally:
            bound.cancel()
        if line.strip() != b"ready":
            self.process.kill()
            _, said = self.process.communicate()
            told = said.decode(errors="replace")[-1000:]
            raise AssertionError(f"nobody could be asked for {self.targets}: {told}")
        return self

    def end(self) -> dict[str, dict[str, Any]]:
        """End it and return what it saw."""
        try:
            answer, said = self.process.communicate(timeout=END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        text = said.decode(errors="replace")[-1000:]
        assert self.process.returncode == 0, f"the poller of {self.targets} died: {text}"
        return dict(json.loads(answer))

    def stop(self) -> None:
        """Have it not outlive us, whatever happened."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


def command(place: Node | None, targets: list[Target]) -> list[str]:
    """Return the command that polls from a node, or from the controller."""
    argument = json.dumps(targets)
    if place is None:
        return [str(controller.LAB), "shell", sys.executable, str(PROGRAM), argument]
    program = controller.quoted(PROGRAM.read_text())
    script = f"exec python3 -c {program} {controller.quoted(argument)}"
    return controller.node_command(place.name, script)


@contextmanager
def poll(*places: tuple[Node | None, list[Target]]) -> Iterator[PollResults]:
    """Ask targets from several places meanwhile; what they saw is there at the end."""
    watch = PollResults()
    with ExitStack() as cleanup:
        pollers = [Poller(command(place, targets), targets) for place, targets in places]
        for poller in pollers:
            cleanup.callback(poller.stop)
        for poller in pollers:
            poller.await_ready()
        yield watch
        for poller in pollers:
            watch.seen |= poller.end()
    print(watch)


def from_outside(cluster: Cluster, identity: dict[str, str], namespace: str) -> list[Target]:
    """Return what an administrator asks from outside: to read an object, and to change one."""
    base = f"{cluster.external}/api/v1/namespaces/{namespace}"
    change = {"method": "PATCH", "body": '{"data":{"changed":"@TIME@"}}'}
    change |= {"content": "application/merge-patch+json"}
    return [
        {"name": "read from outside", "url": base, **identity},
        {"name": "write from outside", "url": f"{base}/configmaps/pad", **change, **identity},
    ]


def from_node(cluster: Cluster, node: Node) -> list[Target]:
    """Return what a node's kubelet asks by the address within: to read its own Node."""
    pair = "/var/lib/kubelet/pki/kubelet-client-current.pem"
    url = f"{cluster.endpoint}/api/v1/nodes/{node.name}"
    return [
        {"name": "read from a worker", "url": url, "cert": pair, "ca": "/etc/kubernetes/pki/ca.crt"}
    ]
