# SPDX-License-Identifier: Apache-2.0
"""Pods with ``imagePullPolicy: Always``, one for each node, to check that it can pull images.

The layers exist on the node, so the pull only resolves the manifest in the registry. The pods use
the host network, so that a failure is not one of the pod network.
"""

from conformance.manifests.base import Manifest, Run, bare_pod, only_on, pod_spec


def pull_pod(node: str) -> str:
    """Return the name of a node's pod."""
    return f"pull-{node}"


def manifests(run: Run) -> list[Manifest]:
    """Return the pods of all nodes whose kubelet responds."""
    return [
        bare_pod(run, pull_pod(node.name), _puller(run, node.name))
        for node in run.nodes
        if not node.is_silent
    ]


def _puller(run: Run, node: str) -> Manifest:
    spec = pod_spec(run, ["/agnhost", "pause"]) | only_on(node) | {"hostNetwork": True}
    container = spec["containers"][0] | {"imagePullPolicy": "Always"}
    return spec | {"containers": [container]}
