# SPDX-License-Identifier: Apache-2.0
"""A worker has no CNI configuration: it was never written, or was deleted."""

from lab.faultinjection.context import Context, Victims
from lab.faultinjection.faults import _shared

KIND = "real"
MESSAGE_CONTAINS = ("no CNI configuration",)
COMPANIONS: dict[str, str] = {}
INCONCLUSIVE = "pods without host network cannot start on a node without CNI configuration"

FOLDER, BACKUP = "/etc/cni/net.d", "/etc/cni/away"


def inject(context: Context) -> Victims:
    """Move the configuration away, and wait until the node is not Ready."""
    context.victim.run(f"mkdir -p {BACKUP}; mv {FOLDER}/* {BACKUP}/")
    _shared.await_not_ready(context, 60)
    return Victims.of(context.victim)


def heal(context: Context) -> None:
    """Write the files again: containerd does not notice files that are moved to the directory."""
    context.victim.run(
        f"if [ -d {BACKUP} ]; then\n"
        f'    for file in {BACKUP}/*; do cat "$file" >"{FOLDER}/${{file##*/}}"; done\n'
        f"    rm -rf {BACKUP}\n"
        "fi"
    )
