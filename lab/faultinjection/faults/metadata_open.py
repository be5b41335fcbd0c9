# SPDX-License-Identifier: Apache-2.0
"""A worker has lost the packet filter that denies pods access to the metadata service."""

from lab.faultinjection.context import Context, Victims

KIND = "real"
MESSAGE_CONTAINS = ("169.254.169.254", "pod-metadata")
COMPANIONS: dict[str, str] = {}


def inject(context: Context) -> Victims:
    """Delete the packet filter, as a firewall does that flushes all tables."""
    context.victim.run("nft delete table inet heatgen-metadata")
    return Victims.of(context.victim)


def heal(context: Context) -> None:
    """Load the packet filter again."""
    context.victim.run("systemctl restart pod-metadata")
