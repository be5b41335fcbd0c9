# SPDX-License-Identifier: Apache-2.0
"""Layer 2, the container runtime: containers run on every node, and answer exec and logs."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from conformance.expectation import Expectation
from conformance.facts import Facts
from conformance.live import Live
from conformance.stage import log_line, own_pod
from conformance.verdict import BrokenError, CouldNotAskError, require

pytestmark = pytest.mark.runtime


def test_node_runs_expected_runtime(facts: Facts, expected: Expectation, node: str) -> None:
    """The node's container runtime is the one that was deployed."""
    name = expected.blocks.get("runtime", "")
    if name not in expected.versions:
        pytest.skip("no --expect names the runtime's version")
    want = f"{name}://{expected.versions[name]}"
    seen = facts.nodes[node].runtime.replace("://v", "://")
    require(
        seen == want,
        at=f"{node}: containerRuntimeVersion",
        expected=want,
        seen=seen,
        likely="the image's own runtime is in the way, or an upgrade has not reached this node",
        look=f"on {node}: systemctl status {name}; {name} --version",
    )


def test_container_starts(live: Live, node: str) -> None:
    """A container starts on the node."""
    likely = "the runtime cannot make the sandbox or get the image, or kubelet does not act"
    live.running(own_pod(node), likely)


def test_exec_answers(live: Live, node: str) -> None:
    """A command runs in a pod of the node (API server -> kubelet -> runtime)."""
    live.require_running(own_pod(node), "test_container_starts")
    with kubelet_must_answer(node, f"exec in pod {own_pod(node)}"):
        ran = live.shell(own_pod(node), "echo out; echo err >&2; exit 7")
    require(
        (ran.status, ran.stdout, ran.stderr) == (7, "out\n", "err\n"),
        at=f"{node}: exec in pod {own_pod(node)}",
        expected="exit status 7, 'out' and 'err' on their own streams",
        seen=f"exit status {ran.status}, {ran.stdout!r} and {ran.stderr!r}",
        likely="the stream between API server, kubelet and runtime is broken",
        look=f"on {node}: journalctl -u kubelet -n 50",
    )


def test_logs_answer(live: Live, node: str) -> None:
    """What a pod of the node prints can be read through the API."""
    live.require_running(own_pod(node), "test_container_starts")
    with kubelet_must_answer(node, f"log of pod {own_pod(node)}"):
        seen = live.cluster.logs(live.run.namespace, own_pod(node))
    want = log_line(live.run.id, node)
    require(
        want in seen.splitlines(),
        at=f"{node}: log of pod {own_pod(node)}",
        expected=want,
        seen=repr(seen[-200:]),
        likely="the runtime does not write logs where kubelet looks for them",
        look=f"on {node}: ls -l /var/log/pods",
    )


@contextmanager
def kubelet_must_answer(node: str, at: str) -> Iterator[None]:
    """Elsewhere a call that fails is a could-not-ask; here the call itself is what is judged."""
    try:
        yield
    except CouldNotAskError as problem:
        raise BrokenError(
            at=f"{node}: {at}",
            expected="an answer of the node's kubelet, by way of the API server",
            seen=problem,
            likely="TCP 10250 from the API server to the node is closed, or kubelet's certificate "
            "or its authorization of the API server is wrong",
            look=f"on {node}: journalctl -u kubelet -n 50; ss -ltnp | grep 10250",
        ) from None
