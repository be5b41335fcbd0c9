# SPDX-License-Identifier: Apache-2.0
"""All users of a worker can read its password for Heat, as on servers that heatgen 0.1 created."""

from lab.faultinjection.context import Context, Victims

KIND = "real"
MESSAGE_CONTAINS = ("/var/lib/cloud/data/cfn-init-data", "644")
COMPANIONS: dict[str, str] = {}

FILE = "/var/lib/cloud/data/cfn-init-data"


def inject(context: Context) -> Victims:
    """Give the file the mode with which Heat's part handler creates it."""
    context.victim.run(f"chmod 0644 {FILE}")
    return Victims.of(context.victim)


def heal(context: Context) -> None:
    """Restore the mode."""
    context.victim.run(f"chmod 0600 {FILE}")
