# SPDX-License-Identifier: Apache-2.0
"""A worker lost the image of which every pod's sandbox is made, and does not reach the registry.

An image collector may take it, if the runtime does not know that it is its own.
"""

from lab.faultinjection.context import Context, Victims
from lab.faultinjection.faults import image_unavailable

KIND = "real"
SAYS = ("no sandbox image",)
COMPANIONS = {
    "test_pod_without_wishes_runs": "the scheduler may have put it on that node",
}
UNASKED = "no pod starts on a node that cannot make a sandbox"

CTR = "/opt/heatgen/bin/ctr -n k8s.io images"
REMOVE = f"{CTR} ls -q | grep -e '/pause[:@]' | xargs -r {CTR} rm --sync"


def inject(context: Context) -> Victims:
    """Refuse the node's connections to the registry, then remove the image."""
    victims = image_unavailable.inject(context)
    context.victim.run(f"set -o pipefail; {REMOVE}")
    return victims


def heal(context: Context) -> None:
    """Let the runtime fetch it; it does so when it needs it."""
    image_unavailable.heal(context)
