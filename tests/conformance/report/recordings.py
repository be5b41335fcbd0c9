# SPDX-License-Identifier: Apache-2.0
"""Results and clusters for tests of the reports."""

import dataclasses
from typing import Any

from conformance.report.cluster import CONTROL, WORKER, Echo, Node, Overview
from conformance.results.records import Recording, Result
from tests.conformance import healthy

CONTROL_NODE, ONE, TWO = healthy.NODES

DETAIL = (
    f"{ONE} -> {TWO}: ping\n  expected  every echo\n  seen      none\n            at all\n"
    "  likely    a firewall\n  next      on a: look\n  code      pod-unreachable"
)

FAILED = Result(
    test=f"test_pod_network.py::test_pod_reaches_pod[{ONE}->{TWO}]",
    check="test_pod_reaches_pod",
    layer="network",
    outcome="failed",
    seconds=0.1,
    headline=f"{ONE} -> {TWO}: ping: expected every echo, seen none",
    detail=DETAIL,
    nodes=[ONE, TWO],
    detects=["vxlan-one-way"],
    asserts="A pod pings a pod.",
    code="pod-unreachable",
    start=100.0,
    setup=1.0,
)

PASSED = Result(
    test="test_nodes.py::test_fine[x]",
    check="test_fine",
    layer="os",
    outcome="passed",
    seconds=0.2,
    asserts="It is fine.",
)

INCONCLUSIVE = Result(
    test="test_nodes.py::test_inconclusive[x]",
    check="test_inconclusive",
    layer="os",
    outcome="error",
    seconds=0.2,
    headline="no answer",
    detail="no answer",
)

SKIPPED = Result(
    test="test_nodes.py::test_skipped",
    check="test_skipped",
    layer="os",
    outcome="skipped",
    seconds=0,
    headline="no etcd",
    detail="no etcd",
)

ENDED = {
    "ended": "2026-11-24T03:01:00+00:00",
    "exit": 1,
    "notes": [],
    "seconds": {"collecting": 2.0},
}

HEADER = {"format": 1, "began": "2026-11-24T03:00:00+00:00", "run": "0badcafe", "nodes": [ONE]}


def cluster(nodes: int = 3) -> Overview:
    """Return a cluster of healthy nodes."""
    names = [f"n{at}" for at in range(nodes)]
    found = [
        Node(
            name=n,
            role=CONTROL if at < 1 else WORKER,
            address=f"192.0.2.{at}",
            runtime="containerd://2",
            kubelet="v1",
        )
        for at, n in enumerate(names)
    ]
    matrix = {a: {b: Echo(0.0, 0.4 + at / 100) for at, b in enumerate(names)} for a in names}
    return Overview(
        name="demo", server="v1.37.2", taken="now", nodes=found, pods=matrix, hosts=matrix
    )


def recording(*results: Result, of: Overview | None = None, **footer: Any) -> Recording:
    """Return a run that ended regularly."""
    plain = dataclasses.asdict(of) if of else None
    return Recording(HEADER, list(results), ENDED | footer, plain)


def green(**footer: Any) -> Recording:
    """Return a run without failures."""
    return recording(PASSED, SKIPPED, of=cluster(), **{"exit": 0} | footer)
