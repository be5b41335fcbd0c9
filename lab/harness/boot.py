# SPDX-License-Identifier: Apache-2.0
"""Boots of a virtual machine: wait until it has booted again and its node is healthy."""

import time
from collections.abc import Callable

from lab.harness import controller, health
from lab.harness.cluster import Cluster, Node

BOOT_SECONDS = 600
REBOOT = "systemd-run --quiet --on-active=1 systemctl reboot"
BOOT_ID = "/proc/sys/kernel/random/boot_id"


def boots(node: Node, act: Callable[[], object]) -> float:
    """Act, and wait until the node has booted again; return the time of the action."""
    before = node.run(f"cat {BOOT_ID}")
    began = time.time()
    act()
    controller.wait_for(f"{node.name} boots", BOOT_SECONDS, lambda: _booted(node, before), 5.0)
    return began


def returns(cluster: Cluster, node: Node, act: Callable[[], object]) -> float:
    """Act, and wait until the node has booted again and is Ready; return the seconds."""
    began = boots(node, act)
    health.wait_return(cluster, node, began, BOOT_SECONDS)
    return time.time() - began


def reboot(cluster: Cluster, node: Node) -> float:
    """Reboot a node, and wait until it is Ready; return the seconds."""
    return returns(cluster, node, lambda: node.run(REBOOT))


def _booted(node: Node, before: str) -> bool:
    """Return whether the node responds with another boot id than before."""
    return node.run(f"cat {BOOT_ID}", check=False) not in ("", before)
