# SPDX-License-Identifier: Apache-2.0
"""The running etcd members and the status that each of them reports."""

from conformance.facts.model import Etcd, Facts, MemberStatus
from conformance.outcome import Unavailable


def all_members(facts: Facts) -> dict[str, Etcd]:
    """Return the running members by node."""
    return {node: view.etcd for node, view in facts.views.items() if isinstance(view.etcd, Etcd)}


def statuses(facts: Facts) -> dict[str, MemberStatus]:
    """Return the status of each member that reported one, by node."""
    return available({node: etcd.status for node, etcd in all_members(facts).items()})


def later_statuses(facts: Facts) -> dict[str, MemberStatus]:
    """Return the statuses at the end of the run; empty unless all members reported again."""
    again = available({node: etcd.later for node, etcd in all_members(facts).items()})
    return again if again.keys() >= statuses(facts).keys() else {}


def available(found: dict[str, MemberStatus | Unavailable]) -> dict[str, MemberStatus]:
    """Return the statuses that are available."""
    return {node: status for node, status in found.items() if not isinstance(status, Unavailable)}
