# SPDX-License-Identifier: Apache-2.0
"""A worker has a leftover taint, for example of a drain or a test."""

from lab.faultinjection.context import Context, Victims

KIND = "real"
FEW = True
MESSAGE_CONTAINS = ("heatgen-fault",)
COMPANIONS: dict[str, str] = {}

TAINT = "heatgen-fault=forgotten:NoSchedule"


def inject(context: Context) -> Victims:
    """Add the taint to one worker."""
    context.kubectl("taint", "node", context.victim.name, TAINT, "--overwrite")
    return Victims.of(context.victim)


def heal(context: Context) -> None:
    """Remove the taint, if it exists."""
    context.kubectl("taint", "node", context.victim.name, f"{TAINT}-", check=False)
