# SPDX-License-Identifier: Apache-2.0
"""Layer 5, the API as its users reach it: it reports itself ready and stores objects.

These checks need no probe. They name the cause on a cluster in which no object can be created.
"""

import pytest

from conformance.codes import Code
from conformance.facts.model import Facts
from conformance.faults import detects
from conformance.outcome import InconclusiveError, require, value_or_skip

pytestmark = pytest.mark.orchestration


@detects("etcd-no-quorum")
def test_api_is_ready(facts: Facts) -> None:
    """The API server that users reach reports all of its parts ready, including etcd."""
    parts = value_or_skip(facts.readiness)
    if not parts:
        raise InconclusiveError("/readyz?verbose lists no part of the API server")
    unready = {part: state for part, state in parts.items() if state != "ok"}
    require(
        not unready,
        at="/readyz?verbose of the API",
        expected="every part ok",
        seen=", ".join(f"{part} {state}" for part, state in unready.items()),
        likely="etcd has no leader because most members are down, or the server cannot reach it"
        if any(part.startswith("etcd") for part in unready)
        else "the server is still starting or is shutting down",
        look="kubectl get --raw '/readyz?verbose'; on the control plane: journalctl -u etcd -n 50",
        code=Code.API_NOT_READY,
    )


@detects("etcd-no-quorum", "etcd-no-space")
def test_api_stores_objects(facts: Facts) -> None:
    """The API stored the first objects of this run."""
    reason = value_or_skip(facts.not_stored)
    require(
        not reason,
        at="the run's namespace and its first objects",
        expected="created",
        seen=reason,
        likely="etcd has reached its quota (alarm NOSPACE)"
        if "space exceeded" in reason
        else "etcd has no quorum, or a required admission webhook does not answer",
        look="kubectl get --raw '/readyz?verbose'; etcdctl endpoint health; etcdctl alarm list",
        code=Code.API_WRITES_FAIL,
    )
