# SPDX-License-Identifier: Apache-2.0
"""A worker that the stack has made is not in the cluster: its kubelet never comes."""

from lab.faultinjection.context import Context, Victims, hit
from lab.harness import health

KIND = "real"
SAYS = ("journalctl -u kubelet",)
COMPANIONS: dict[str, str] = {}


def inject(context: Context) -> Victims:
    """Stop the kubelet, and have the cluster forget its node."""
    context.victim.run("systemctl stop kubelet")
    context.kubectl("delete", "node", context.victim.name, "--ignore-not-found")
    return hit(context.victim)


def heal(context: Context) -> None:
    """Start it; it makes its node itself."""
    context.victim.run("systemctl start kubelet")
    context.wait_for("all nodes to be Ready", 120, lambda: health.all_ready(context.cluster))
    # A kubelet may not give itself a role.
    role = f"node-role.kubernetes.io/{context.victim.role}="
    context.kubectl("label", "node", context.victim.name, role, "--overwrite")
