# SPDX-License-Identifier: Apache-2.0
"""Layer 5, the API as its users meet it: it calls itself ready, and keeps what it is given.

These two need no probe: on a cluster in which nothing can be made they are what tells why.
"""

import pytest

from conformance.facts.model import Facts
from conformance.faults import detects
from conformance.outcome import InconclusiveError, require, value_or_skip

pytestmark = pytest.mark.orchestration


@detects("etcd-no-quorum")
def test_api_is_ready(facts: Facts) -> None:
    """The API server that users reach says that every part of it is ready, etcd among them."""
    told = value_or_skip(facts.readiness)
    if not told:
        raise InconclusiveError("/readyz?verbose names no part of the API server")
    sick = {part: said for part, said in told.items() if said != "ok"}
    require(
        not sick,
        at="/readyz?verbose of the API",
        expected="every part ok",
        seen=", ".join(f"{part} {said}" for part, said in sick.items()),
        likely="etcd has no leader, for most of its members are down; or the server cannot reach it"
        if any(part.startswith("etcd") for part in sick)
        else "the server has not ended its start, or is about to stop",
        look="kubectl get --raw '/readyz?verbose'; on the control plane: journalctl -u etcd -n 50",
    )


@detects("etcd-no-quorum", "etcd-no-space")
def test_api_keeps_objects(facts: Facts) -> None:
    """The API kept the first objects of this run: its store takes what is written."""
    why_not = value_or_skip(facts.not_stored)
    require(
        not why_not,
        at="the run's own namespace and what comes first in it",
        expected="made",
        seen=why_not,
        likely="etcd is over its quota (alarm NOSPACE)"
        if "space exceeded" in why_not
        else "etcd has no quorum, or an admission webhook that must be asked does not answer",
        look="kubectl get --raw '/readyz?verbose'; etcdctl endpoint health; etcdctl alarm list",
    )
