# SPDX-License-Identifier: Apache-2.0
"""A worker has lost the sandbox image that every pod needs, and cannot reach the registry.

Image garbage collection can delete it if the runtime has not pinned it.
"""

from lab.faultinjection.context import Context, Victims
from lab.faultinjection.faults import image_unavailable

KIND = "real"
MESSAGE_CONTAINS = ("no sandbox image",)
COMPANIONS = {
    "test_unconstrained_pod_runs": "the scheduler may have selected that node",
}
INCONCLUSIVE = "no pod starts on a node without the sandbox image"

CTR = "/opt/heatgen/bin/ctr -n k8s.io images"
REMOVE = f"{CTR} ls -q | grep -e '/pause[:@]' | xargs -r {CTR} rm --sync"


def inject(context: Context) -> Victims:
    """Reject connections to the registry, then delete the image."""
    victims = image_unavailable.inject(context)
    context.victim.run(f"set -o pipefail; {REMOVE}")
    return victims


def heal(context: Context) -> None:
    """Allow connections to the registry; the runtime pulls the image when it needs it."""
    image_unavailable.heal(context)
