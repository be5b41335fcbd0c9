# SPDX-License-Identifier: Apache-2.0
"""A worker bears a taint that nobody ordered, as after a drain or a trial that was forgotten."""

from lab.faultinjection.context import Context, Victims, hit

KIND = "real"
FEW = True
SAYS = ("heatgen-fault",)
COMPANIONS: dict[str, str] = {}

TAINT = "heatgen-fault=forgotten:NoSchedule"


def inject(context: Context) -> Victims:
    """Taint one worker."""
    context.kubectl("taint", "node", context.victim.name, TAINT, "--overwrite")
    return hit(context.victim)


def heal(context: Context) -> None:
    """Take the taint away, if it is there."""
    context.kubectl("taint", "node", context.victim.name, f"{TAINT}-", check=False)
