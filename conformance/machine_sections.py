# SPDX-License-Identifier: Apache-2.0
"""Reads what `probe/machine.sh` prints, and what a kubelet tells of its room. Pure."""

import json
from typing import Any

from conformance.hardening_sections import by_label, moment
from conformance.machine import Deployment, Disk, Life, Room


def parse_clock(text: str) -> float:
    """Seconds since the epoch."""
    return float(text.strip())


def parse_disks(text: str) -> dict[str, Disk]:
    """Lines of PATH BLOCK-SIZE BLOCKS FREE INODES FREE-INODES."""
    disks = {}
    for line in text.splitlines():
        path, *numbers = line.rsplit(" ", 5)
        block, blocks, free, inodes, free_inodes = map(int, numbers)
        disks[path] = Disk(Room(block * blocks, block * free), Room(inodes, free_inodes))
    return disks


def parse_lives(text: str) -> dict[str, Life]:
    """Lines of PATH KEY REST; what is no certificate told nothing."""
    return {
        path: Life(lines["subject"], moment(lines["notBefore"]), moment(lines["notAfter"]))
        for path, lines in by_label(text).items()
    }


def parse_deployments(text: str) -> list[Deployment]:
    """`rpm-ostree status --json`."""
    return [
        Deployment(
            str(each.get("version") or each.get("checksum", "")[:12]),
            bool(each.get("booted")),
            str(each.get("unlocked", "none")),
        )
        for each in json.loads(text)["deployments"]
    ]


def room(summary: dict[str, Any]) -> dict[str, Room]:
    """A kubelet's /stats/summary, by the names of its eviction signals, as far as told."""
    node = summary["node"]
    found: dict[str, Room] = {}
    places = {"nodefs": node.get("fs"), "imagefs": (node.get("runtime") or {}).get("imageFs")}
    for name, place in places.items():
        for signal, size, free in (
            (f"{name}.available", "capacityBytes", "availableBytes"),
            (f"{name}.inodesFree", "inodes", "inodesFree"),
        ):
            if place and place.get(size) and free in place:
                found[signal] = Room(int(place[size]), int(place[free]))
    limit = node.get("rlimit") or {}
    if limit.get("maxpid"):
        most = int(limit["maxpid"])
        found["pid.available"] = Room(most, most - int(limit.get("curproc", 0)))
    return found
