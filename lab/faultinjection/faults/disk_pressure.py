# SPDX-License-Identifier: Apache-2.0
"""A worker's disk is full but for three in a hundred.

It is really full. The condition DiskPressure is not raised by it, for in the lab's containers a
kubelet does not know its file system; the suite looks at the disk itself.
"""

from lab.faultinjection.context import Context, Victims, hit

KIND = "real"
SAYS = ("left",)
COMPANIONS: dict[str, str] = {}

FILE = "/var/lib/heatgen-fault"
FILL = f"""
set -eu
set -- $(stat -f -c '%S %b %a' /var/lib)
fallocate -l $(($1 * ($3 - $2 * 3 / 100))) {FILE}
"""


def inject(context: Context) -> Victims:
    """Set aside what is free; nothing is written."""
    context.victim.run(FILL)
    return hit(context.victim)


def heal(context: Context) -> None:
    """Give it back."""
    context.victim.run(f"rm -f {FILE}")
