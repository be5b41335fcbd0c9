# SPDX-License-Identifier: Apache-2.0
"""A pod for each node that must fetch its image anew: the one way to see that it still could.

The image is there already, so next to nothing is fetched: its registry is asked for it. On the
host's network, so that pods' own has no part in it.
"""

from conformance.manifests.base import Manifest, Run, bare_pod, only_on, pod_spec


def pull_pod(node: str) -> str:
    """Its name."""
    return f"pull-{node}"


def manifests(run: Run) -> list[Manifest]:
    """One for each node, but those that are silent: nothing starts there."""
    return [
        bare_pod(run, pull_pod(node.name), _puller(run, node.name))
        for node in run.nodes
        if not node.is_silent
    ]


def _puller(run: Run, node: str) -> Manifest:
    spec = pod_spec(run, ["/agnhost", "pause"]) | only_on(node) | {"hostNetwork": True}
    container = spec["containers"][0] | {"imagePullPolicy": "Always"}
    return spec | {"containers": [container]}
