# SPDX-License-Identifier: Apache-2.0
"""A worker's disk has only 3 % of free space.

The disk is really full, but the kubelet does not set the condition DiskPressure, because it cannot
determine its file system in the lab's containers. The suite checks the disk itself.
"""

from lab.faultinjection.context import Context, Victims

KIND = "real"
MESSAGE_CONTAINS = ("left",)
COMPANIONS: dict[str, str] = {}

FILE = "/var/lib/heatgen-fault"
FILL = f"""
set -eu
set -- $(stat -f -c '%S %b %a' /var/lib)
fallocate -l $(($1 * ($3 - $2 * 3 / 100))) {FILE}
"""


def inject(context: Context) -> Victims:
    """Allocate the free space with `fallocate`; nothing is written."""
    context.victim.run(FILL)
    return Victims.of(context.victim)


def heal(context: Context) -> None:
    """Delete the file."""
    context.victim.run(f"rm -f {FILE}")
