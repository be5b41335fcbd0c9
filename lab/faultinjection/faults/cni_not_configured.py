# SPDX-License-Identifier: Apache-2.0
"""A worker's CNI configuration is gone: nobody has written it, or somebody has cleaned up."""

from lab.faultinjection.context import Context, Victims, hit
from lab.faultinjection.faults import _shared

KIND = "real"
SAYS = ("no CNI configuration",)
COMPANIONS: dict[str, str] = {}
UNASKED = "no pod with a network of its own starts on a node that has none to give"

FOLDER, AWAY = "/etc/cni/net.d", "/etc/cni/away"


def inject(context: Context) -> Victims:
    """Move it away, and wait until the node is not Ready."""
    context.victim.run(f"mkdir -p {AWAY}; mv {FOLDER}/* {AWAY}/")
    _shared.await_not_ready(context, 60)
    return hit(context.victim)


def heal(context: Context) -> None:
    """Write it anew: containerd looks at what is written, not at what is moved there."""
    context.victim.run(
        f"if [ -d {AWAY} ]; then\n"
        f'    for file in {AWAY}/*; do cat "$file" >"{FOLDER}/${{file##*/}}"; done\n'
        f"    rm -rf {AWAY}\n"
        "fi"
    )
