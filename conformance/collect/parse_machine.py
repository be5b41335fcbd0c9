# SPDX-License-Identifier: Apache-2.0
"""Parse the output of ``probe/machine.sh``. Pure: text of a section in, facts out."""

import json

from conformance.collect.parse_security import by_label, moment
from conformance.facts.machine import Deployment, Disk, Generations, Room, Validity


def parse_clock(text: str) -> float:
    """Parse seconds since the epoch."""
    return float(text.strip())


def parse_disks(text: str) -> dict[str, Disk]:
    """Parse lines of PATH BLOCK-SIZE BLOCKS FREE INODES FREE-INODES."""
    disks = {}
    for line in text.splitlines():
        path, *numbers = line.rsplit(" ", 5)
        block, blocks, free, inodes, free_inodes = map(int, numbers)
        disks[path] = Disk(Room(block * blocks, block * free), Room(inodes, free_inodes))
    return disks


def parse_validities(text: str) -> dict[str, Validity]:
    """Parse lines of PATH KEY REST."""
    return {
        path: Validity(lines["subject"], moment(lines["notBefore"]), moment(lines["notAfter"]))
        for path, lines in by_label(text).items()
    }


def parse_deployments(text: str) -> list[Deployment]:
    """Parse ``rpm-ostree status --json``."""
    return [
        Deployment(
            str(each.get("version") or each.get("checksum", "")[:12]),
            bool(each.get("booted")),
            str(each.get("unlocked", "none")),
            bool(each.get("staged")),
        )
        for each in json.loads(text)["deployments"]
    ]


def parse_generations(text: str) -> Generations:
    """Parse the numbers in ``/etc`` and ``/var``; ``-`` for a file that does not exist."""
    etc, var = (0 if word == "-" else int(word) for word in text.split())
    return Generations(etc, var)
