# SPDX-License-Identifier: Apache-2.0
"""What tests ask of the ways between nodes; where there is no way, they cannot ask."""

import pytest

from conformance import causes, path_scene
from conformance.facts import Facts
from conformance.paths import Answer, Paths, Ping
from conformance.verdict import CouldNotAskError, Unasked, known


def paths(facts: Facts, node: str) -> Paths:
    """What the node's probes saw of the ways to others."""
    return known(facts.view(node).paths)


def need_way(facts: Facts, source: str, target: str) -> None:
    """Between these pods packets must pass at all, or nothing else can be asked.

    Raises:
        CouldNotAskError: naming the test that judges it.
    """
    if (source, target) in causes.lost_pairs(facts):
        where = f"test_pod_reaches_pod[{source}->{target}]"
        raise CouldNotAskError(f"{source} -> {target}: no packet passes (see {where})")


def need_kubelets(facts: Facts) -> None:
    """Every kubelet has let its node's pods be asked, or something is not known here.

    Raises:
        CouldNotAskError: naming the nodes whose kubelets did not answer.
    """
    if deaf := causes.deaf_nodes(facts):
        raise CouldNotAskError("; ".join(deaf.values()))


def least_of(facts: Facts, source: str, target: str) -> float | None:
    """The time of the quickest echo between two nodes' pods; old recordings know the mean only."""
    pings = facts.view(source).pod_pings
    ping = None if isinstance(pings, Unasked) else pings.get(target)
    return None if not isinstance(ping, Ping) else ping.least or ping.ms


def direct(facts: Facts, source: str, target: str) -> Answer:
    """What the service whose only pod is on the target told the source.

    Raises:
        CouldNotAskError: if that pod did not run.
    """
    answers = known(paths(facts, source).direct)
    if target not in sorted(facts.nodes)[: path_scene.MOST_TARGETS]:
        pytest.skip(f"only the first {path_scene.MOST_TARGETS} nodes have a service of their own")
    if target not in answers:
        raise CouldNotAskError(
            f"{source} -> {target}: the pod on {target} did not run (see test_container_starts)"
        )
    return answers[target]
