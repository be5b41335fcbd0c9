# SPDX-License-Identifier: Apache-2.0
"""A worker has the /etc of an older version of its system, as after a rollback with ostree.

The number of changes in /etc is lowered, and /etc itself remains as it is: what a real rollback
takes back depends on the changes since then (tests/lab/test_ostree.py rolls a worker back).
"""

from lab.faultinjection.context import Context, Victims

KIND = "effect"
NEEDS = "ostree"
MESSAGE_CONTAINS = ("/etc/heatgen/generation", "rollback")
COMPANIONS: dict[str, str] = {}

ETC, VAR = "/etc/heatgen/generation", "/var/lib/heatgen/generation"


def inject(context: Context) -> Victims:
    """Lower the number in /etc below that in /var."""
    context.machine.run(f"echo $(($(cat {VAR}) - 1)) >{ETC}")
    return Victims.of(context.machine)


def heal(context: Context) -> None:
    """Set the number in /etc to that in /var."""
    context.machine.run(f"cat {VAR} >{ETC}")
