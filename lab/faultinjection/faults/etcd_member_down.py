# SPDX-License-Identifier: Apache-2.0
"""etcd is stopped on one of three servers; the other two are a quorum."""

from lab.faultinjection.context import Context, Victims, hit

KIND = "real"
NEEDS = "quorum"
SAYS = ("no such process",)
COMPANIONS = {
    "test_api_server_answers": "that server's kube-apiserver reads and writes by its own member",
    "test_api_service_leads_to_every_server": "so it is no endpoint of the service any more",
    "test_api_server_knows_no_anonymous": "started again it waits for its member (error)",
}
UNASKED = "a member that does not run can be asked nothing (see test_member_runs)"


def inject(context: Context) -> Victims:
    """Stop the last server's member, and see its API server be started again, without watches.

    Until then a replica of DNS that watches it hears of nothing new.
    """
    node = context.control[-1]
    before = node.process("kube-apiserver")
    # Had it been started again not long ago, by the fault before, it would be given minutes.
    node.run("systemctl try-restart apiserver-liveness; systemctl stop etcd")
    context.wait_for(
        "the API server to be given up", 120, lambda: node.process("kube-apiserver") != before
    )
    return hit(node)


def heal(context: Context) -> None:
    """Start it; that waits until it is ready. So does its API server."""
    node = context.control[-1]
    node.run("systemctl start etcd")
    context.wait_for(
        "the API server to be back",
        120,
        lambda: node.run("systemctl is-active kube-apiserver || true").strip() == "active",
    )
