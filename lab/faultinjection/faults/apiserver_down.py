# SPDX-License-Identifier: Apache-2.0
"""kube-apiserver is stopped on one of three servers; users reach the other two all the same."""

from lab.faultinjection.context import Context, Victims, hit

KIND = "real"
NEEDS = "quorum"
SAYS = ("kube-apiserver",)
COMPANIONS = {
    "test_api_server_knows_no_anonymous": "a server that does not answer cannot be asked (error)",
}
UNASKED = "what that server alone can tell is not told"


def inject(context: Context) -> Victims:
    """Stop it on the last server, and see that the service of pods leads there no more."""
    node = context.control[-1]
    node.run("systemctl stop kube-apiserver")
    context.wait_for("the server to be forgotten", 60, lambda: node.address not in listed(context))
    return hit(node)


def heal(context: Context) -> None:
    """Start it, and wait until the service of pods leads there again."""
    node = context.control[-1]
    node.run("systemctl start kube-apiserver")
    context.wait_for("the server to be known again", 60, lambda: node.address in listed(context))


def listed(context: Context) -> str:
    """Where the service kubernetes leads."""
    name = "kubernetes.io/service-name=kubernetes"
    return str(context.kubectl("get", "endpointslices", "-n", "default", "-l", name, "-o", "json"))
