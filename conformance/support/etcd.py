# SPDX-License-Identifier: Apache-2.0
"""The members of etcd that run, and what they report of themselves."""

from conformance.facts.model import Etcd, Facts, MemberStatus
from conformance.outcome import Unavailable


def all_members(facts: Facts) -> dict[str, Etcd]:
    """The members that run, by node."""
    return {node: view.etcd for node, view in facts.views.items() if isinstance(view.etcd, Etcd)}


def statuses(facts: Facts) -> dict[str, MemberStatus]:
    """What each member says of itself, by node; those that say nothing are judged apart."""
    return answered({node: etcd.status for node, etcd in all_members(facts).items()})


def later_statuses(facts: Facts) -> dict[str, MemberStatus]:
    """The same when all else had been asked; nothing if not all answered again."""
    again = answered({node: etcd.later for node, etcd in all_members(facts).items()})
    return again if again.keys() >= statuses(facts).keys() else {}


def answered(told: dict[str, MemberStatus | Unavailable]) -> dict[str, MemberStatus]:
    """Those that said something."""
    return {node: status for node, status in told.items() if not isinstance(status, Unavailable)}
