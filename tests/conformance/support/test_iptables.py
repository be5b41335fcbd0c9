# SPDX-License-Identifier: Apache-2.0
"""Evaluation of rules of the FORWARD chain."""

import pytest

from conformance.support.iptables import accepts


@pytest.mark.parametrize(
    ("rule", "is_accepting"),
    [
        ("-A F -s 10.244.0.0/16 -m comment --comment \"to all\" -j ACCEPT", True),
        ("-A FORWARD -s 10.0.0.0/8 -j ACCEPT", True),
        ("-A FORWARD -j ACCEPT", True),
        ("-A FORWARD -s 10.244.1.0/24 -j ACCEPT", False),
        ("-A FORWARD -d 10.244.0.0/16 -j ACCEPT", False),
        ("-A KUBE-FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", False),
        ("-A FORWARD -s 10.244.0.0/16 -j DROP", False),
    ],
)  # fmt: skip
def test_rule_must_cover_the_pod_network(rule: str, is_accepting: bool) -> None:
    """Rules for replies only, for one node's pods or for the other direction are not enough."""
    assert accepts(rule, "-s", "10.244.0.0/16") is is_accepting
