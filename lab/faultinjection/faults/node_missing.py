# SPDX-License-Identifier: Apache-2.0
"""A worker of the stack is not in the cluster: its kubelet never registers."""

from lab.faultinjection.context import Context, Victims
from lab.harness import health

KIND = "real"
MESSAGE_CONTAINS = ("journalctl -u kubelet",)
COMPANIONS: dict[str, str] = {}


def inject(context: Context) -> Victims:
    """Stop the kubelet, and delete its node."""
    context.victim.run("systemctl stop kubelet")
    context.kubectl("delete", "node", context.victim.name, "--ignore-not-found")
    return Victims.of(context.victim)


def heal(context: Context) -> None:
    """Start the kubelet, which registers its node, and restore the role label."""
    context.victim.run("systemctl start kubelet")
    context.wait_for("Ready nodes", 120, lambda: health.all_ready(context.cluster))
    # A kubelet may not set its own role label.
    role = f"node-role.kubernetes.io/{context.victim.role}="
    context.kubectl("label", "node", context.victim.name, role, "--overwrite")
