# SPDX-License-Identifier: Apache-2.0
"""etcd is stopped on one of three control-plane nodes; the other two have a quorum."""

from lab.faultinjection.context import Context, Victims

KIND = "real"
NEEDS = "quorum"
MESSAGE_CONTAINS = ("no such process",)
COMPANIONS = {
    "test_api_server_answers": "the kube-apiserver of that node uses its local member",
    "test_api_service_has_all_endpoints": "so it is removed from the endpoints of the service",
    "test_api_server_needs_credentials": "after its restart it waits for etcd (inconclusive)",
}
INCONCLUSIVE = "a stopped member does not respond (see test_member_runs)"


def inject(context: Context) -> Victims:
    """Stop the member on the last node, and wait until its API server has been restarted.

    Until then, a DNS replica that watches this API server receives no updates.
    """
    node = context.control[-1]
    before = node.process("kube-apiserver")
    # After a recent restart, by the previous fault, the liveness service would wait for minutes.
    node.run("systemctl try-restart apiserver-liveness; systemctl stop etcd")
    context.wait_for(
        "restart of the API server", 120, lambda: node.process("kube-apiserver") != before
    )
    return Victims.of(node)


def heal(context: Context) -> None:
    """Start the member, which waits until it is ready, and wait for its API server."""
    node = context.control[-1]
    node.run("systemctl start etcd")
    context.wait_for(
        "the API server",
        120,
        lambda: node.run("systemctl is-active kube-apiserver || true").strip() == "active",
    )
