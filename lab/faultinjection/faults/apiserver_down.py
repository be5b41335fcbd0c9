# SPDX-License-Identifier: Apache-2.0
"""kube-apiserver is stopped on one of three control-plane nodes; clients reach the other two."""

from lab.faultinjection.context import Context, Victims

KIND = "real"
NEEDS = "quorum"
MESSAGE_CONTAINS = ("kube-apiserver",)
COMPANIONS = {
    "test_api_server_needs_credentials": "a stopped API server does not respond (inconclusive)",
}
INCONCLUSIVE = "facts that only this API server provides are missing"


def inject(context: Context) -> Victims:
    """Stop it on the last node, and wait until it is no endpoint of the service `kubernetes`."""
    node = context.control[-1]
    node.run("systemctl stop kube-apiserver")
    context.wait_for("removal of endpoint", 60, lambda: node.address not in endpoints(context))
    return Victims.of(node)


def heal(context: Context) -> None:
    """Start it, and wait until it is an endpoint of the service `kubernetes` again."""
    node = context.control[-1]
    node.run("systemctl start kube-apiserver")
    context.wait_for("endpoint", 60, lambda: node.address in endpoints(context))


def endpoints(context: Context) -> str:
    """Return the endpoint slices of the service `kubernetes`, as text."""
    name = "kubernetes.io/service-name=kubernetes"
    return str(context.kubectl("get", "endpointslices", "-n", "default", "-l", name, "-o", "json"))
