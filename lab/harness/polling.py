# SPDX-License-Identifier: Apache-2.0
"""Poll a cluster five times per second while a test changes it."""

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
    """Results of polling, by name of the target; complete when the polling has ended."""

    seen: dict[str, dict[str, Any]] = field(default_factory=dict)

    def outage(self, target: str) -> float:
        """Return the longest time without a response of a target, in seconds."""
        return float(self.seen[target]["outage"])

    def failures(self, target: str) -> int:
        """Return the number of failed requests."""
        return int(self.seen[target]["failures"])

    def requests(self, target: str) -> int:
        """Return the number of requests."""
        return int(self.seen[target]["requests"])

    def __str__(self) -> str:
        """Return one line per target."""
        lines = (
            f"{name}: {seen['outage']} s, {seen['failures']} of {seen['requests']} failed"
            f" {seen['errors'] or ''}"
            for name, seen in self.seen.items()
        )
        return "\n".join(lines)


class Poller:
    """A running `poll.py`."""

    def __init__(self, command: list[str], targets: list[Target]) -> None:
        """Start the program with its targets."""
        self.targets = [str(target["name"]) for target in targets]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=controller.CHECKOUT,
        )

    def wait_ready(self) -> Self:
        """Wait until every target has responded."""
        assert self.process.stdout is not None
        bound = threading.Timer(START_SECONDS, self.process.kill)
        bound.start()
        try:
            line = self.process.stdout.readline()
        finally:
            bound.cancel()
        if line.strip() != b"ready":
            self.process.kill()
            _, errors = self.process.communicate()
            reason = errors.decode(errors="replace")[-1000:]
            raise AssertionError(f"cannot poll {self.targets}: {reason}")
        return self

    def end(self) -> dict[str, dict[str, Any]]:
        """End the polling and return the results."""
        try:
            output, errors = self.process.communicate(timeout=END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        reason = errors.decode(errors="replace")[-1000:]
        assert self.process.returncode == 0, f"polling of {self.targets} failed: {reason}"
        return dict(json.loads(output))

    def stop(self) -> None:
        """Kill the program if it is still running."""
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
    """Poll targets from several places; the results are complete at the end."""
    results = PollResults()
    with ExitStack() as cleanup:
        pollers = [Poller(command(place, targets), targets) for place, targets in places]
        for poller in pollers:
            cleanup.callback(poller.stop)
        for poller in pollers:
            poller.wait_ready()
        yield results
        for poller in pollers:
            results.seen |= poller.end()
    print(results)


def from_outside(cluster: Cluster, identity: dict[str, str], namespace: str) -> list[Target]:
    """Return the requests of an administrator outside: read an object, and change one."""
    base = f"{cluster.external}/api/v1/namespaces/{namespace}"
    change = {"method": "PATCH", "body": '{"data":{"changed":"@TIME@"}}'}
    change |= {"content": "application/merge-patch+json"}
    return [
        {"name": "read from outside", "url": base, **identity},
        {"name": "write from outside", "url": f"{base}/configmaps/pad", **change, **identity},
    ]


def from_node(cluster: Cluster, node: Node) -> list[Target]:
    """Return the request of a kubelet to the internal address: read its Node."""
    pair = "/var/lib/kubelet/pki/kubelet-client-current.pem"
    url = f"{cluster.endpoint}/api/v1/nodes/{node.name}"
    return [
        {"name": "read from a worker", "url": url, "cert": pair, "ca": "/etc/kubernetes/pki/ca.crt"}
    ]
