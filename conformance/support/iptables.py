# SPDX-License-Identifier: Apache-2.0
"""Evaluation of the iptables rules for forwarded packets. Pure."""

import re
from ipaddress import ip_network

POLICY = "-P FORWARD "


def accepts(rule: str, option: str, pods: str) -> bool:
    """Return whether a rule accepts all packets from (``-s``) or to (``-d``) the pod network."""
    if not rule.endswith(" -j ACCEPT"):
        return False
    plain = re.sub(r'-m comment --comment ("[^"]*"|\S+) ', "", rule)
    found = re.fullmatch(rf"-A \S+ {option} (\S+) -j ACCEPT", plain)
    if not found:
        return plain.count(" ") == 3  # nothing but the chain and its target
    return ip_network(pods).subnet_of(ip_network(found[1], strict=False))  # type: ignore[arg-type]
