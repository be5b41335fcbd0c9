# SPDX-License-Identifier: Apache-2.0
"""A worker's CNI configuration is gone: nobody has written it, or somebody has cleaned up."""

from lab.faults import _ways
from lab.trial.scene import Scene, Victims, hit

KIND = "real"
SAYS = ("no CNI configuration",)
COMPANIONS: dict[str, str] = {}
UNASKED = "no pod with a network of its own starts on a node that has none to give"

FOLDER, AWAY = "/etc/cni/net.d", "/etc/cni/away"


def inject(scene: Scene) -> Victims:
    """Move it away, and wait until the node is not Ready."""
    scene.victim.run(f"mkdir -p {AWAY}; mv {FOLDER}/* {AWAY}/")
    _ways.await_not_ready(scene, 60)
    return hit(scene.victim)


def heal(scene: Scene) -> None:
    """Write it anew: containerd looks at what is written, not at what is moved there."""
    scene.victim.run(
        f"if [ -d {AWAY} ]; then\n"
        f'    for file in {AWAY}/*; do cat "$file" >"{FOLDER}/${{file##*/}}"; done\n'
        f"    rm -rf {AWAY}\n"
        "fi"
    )
