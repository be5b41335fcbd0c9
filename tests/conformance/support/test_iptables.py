# SPDX-License-Identifier: Apache-2.0
"""Rules of the FORWARD chain."""

import pytest

from conformance.support.iptables import accepts


@pytest.mark.parametrize(
    ("rule", "does"),
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
def test_only_a_rule_for_all_of_the_pods_network_counts(rule: str, does: bool) -> None:
    """What accepts answers only, one node's pods or the other direction lets no pod through."""
    assert accepts(rule, "-s", "10.244.0.0/16") is does
