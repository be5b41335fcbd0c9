# SPDX-License-Identifier: Apache-2.0
"""kube-apiserver is stopped on one of three servers; users reach the other two all the same."""

from lab.trial.scene import Scene, Victims, hit

KIND = "real"
NEEDS = "quorum"
SAYS = ("kube-apiserver",)
COMPANIONS = {
    "test_api_server_knows_no_anonymous": "a server that does not answer cannot be asked (error)",
}
UNASKED = "what that server alone can tell is not told"


def inject(scene: Scene) -> Victims:
    """Stop it on the last server, and see that the service of pods leads there no more."""
    node = scene.control[-1]
    node.run("systemctl stop kube-apiserver")
    scene.wait_for("the server to be forgotten", 60, lambda: node.address not in listed(scene))
    return hit(node)


def heal(scene: Scene) -> None:
    """Start it, and wait until the service of pods leads there again."""
    node = scene.control[-1]
    node.run("systemctl start kube-apiserver")
    scene.wait_for("the server to be known again", 60, lambda: node.address in listed(scene))


def listed(scene: Scene) -> str:
    """Where the service kubernetes leads."""
    name = "kubernetes.io/service-name=kubernetes"
    return str(scene.kubectl("get", "endpointslices", "-n", "default", "-l", name, "-o", "json"))
