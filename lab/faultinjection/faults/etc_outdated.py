# SPDX-License-Identifier: Apache-2.0
"""A worker has the /etc of an older version of its system, as after a rollback with ostree.

The number of changes in /etc is lowered, and /etc itself remains as it is: what a real rollback
takes back depends on the changes since then (tests/lab/test_ostree.py rolls a worker back). Workers
without ostree, whose agents do not count, get both numbers.
"""

from lab.faultinjection.context import Context, Victims

KIND = "effect"
MESSAGE_CONTAINS = ("/etc/heatgen/generation", "rollback")
COMPANIONS: dict[str, str] = {}

COUNTED = "[ -e /run/ostree-booted ]"
ETC, VAR = "/etc/heatgen/generation", "/var/lib/heatgen/generation"


def inject(context: Context) -> Victims:
    """Lower the number in /etc below that in /var."""
    context.victim.run(
        f"set -e; {COUNTED} || {{ mkdir -p {VAR.rpartition('/')[0]}; echo 2 >{VAR}; }}; "
        f"echo $(($(cat {VAR}) - 1)) >{ETC}"
    )
    return Victims.of(context.victim)


def heal(context: Context) -> None:
    """Set the number in /etc to that in /var; delete both if the agent does not count."""
    context.victim.run(
        f"if {COUNTED}; then cat {VAR} >{ETC}; else rm -f {ETC} {VAR}; "
        f"rmdir --ignore-fail-on-non-empty {VAR.rpartition('/')[0]} 2>/dev/null || true; fi"
    )
