# SPDX-License-Identifier: Apache-2.0
"""What iptables' rules for packets that are passed on mean for pods. Pure."""

import re
from ipaddress import ip_network

POLICY = "-P FORWARD "


def accepts(rule: str, way: str, pods: str) -> bool:
    """Does the rule accept whatever comes from (`-s`) or goes to (`-d`) the pods' network?"""
    if not rule.endswith(" -j ACCEPT"):
        return False
    plain = re.sub(r'-m comment --comment ("[^"]*"|\S+) ', "", rule)
    found = re.fullmatch(rf"-A \S+ {way} (\S+) -j ACCEPT", plain)
    if not found:
        return plain.count(" ") == 3  # nothing but the chain and its target
    return ip_network(pods).subnet_of(ip_network(found[1], strict=False))  # type: ignore[arg-type]
