# SPDX-License-Identifier: Apache-2.0
"""What is honestly red, too, where packets of pods are lost between nodes; and pieces of shell."""

from lab.faultinjection.context import Context
from lab.harness import health
from lab.harness.cluster import Node

BEHIND = "one of the service's pods is behind the lost way, and may be chosen again and again"
DNS = "a replica of the cluster's DNS is behind the lost way"
HOSTS = {"test_host_reaches_pod": "hosts reach pods of other nodes by the same way"}
COMPANIONS = {
    "test_cluster_ip_answers_*": BEHIND,
    "test_node_port_answers": BEHIND,
    "test_no_request_fails": BEHIND,
    "test_client_keeps_its_pod": BEHIND,
    "test_endpoints_follow_a_scale_up_and_down": BEHIND,
    "test_udp_leaves_a_backend_that_is_gone": BEHIND,
    "test_service_name_resolves": DNS,
    "test_api_name_resolves": DNS,
    "test_dns_answers_at_its_service": DNS,
    "test_every_replica_of_dns_answers": DNS,
    "test_no_replica_of_dns_is_late": DNS,
    "test_headless_service_names_its_pods": DNS,
}
UNASKED = "what is asked of a way that is lost has no answer"

FLANNEL_ENV = "/etc/flannel/flanneld.env"
COMMENT = "-m comment --comment heatgen-fault"


def await_not_ready(context: Context, seconds: float) -> None:
    """Wait until the API says that the victim's node is not Ready."""
    name = context.victim.name
    context.wait_for(
        f"{name} to be not Ready",
        seconds,
        lambda: health.node_states(context.cluster).get(name) != "True",
    )


def add_rule(node: Node, rule: str, table: str = "filter") -> None:
    """Put a rule for packets first in its chain; `rule` begins with the chain."""
    node.run(f"iptables -w -t {table} -I {rule.replace(' -j ', f' {COMMENT} -j ')}")


def drop_rules(nodes: list[Node], context: Context, tables: str = "filter") -> None:
    """Take away all rules of faults, however often they are there."""
    script = (
        f"for table in {tables}; do "
        "iptables -w -t $table -S | grep heatgen-fault | sed 's/^-A/-D/' | "
        'while read -r rule; do eval "iptables -w -t $table $rule"; done; done'
    )
    context.on(nodes, script)


# A place where the kernel's settings may be written: the lab's servers, being containers, are shown
# /proc/sys read-only.
PROC = "/run/heatgen-fault"
OPEN_PROC = f"mkdir -p {PROC}; mountpoint -q {PROC} || mount -t proc proc {PROC}; "
CLOSE_PROC = f"; umount {PROC} || true"


def background(node: Node, script: str) -> None:
    """Run a script on the node until `stop_background`, as a unit of its own."""
    node.run(
        "systemctl reset-failed heatgen-fault 2>/dev/null; "
        "systemd-run --quiet --unit heatgen-fault --property RuntimeMaxSec=900 "
        f"bash -c '{script}'"
    )


def stop_background(node: Node) -> None:
    """End it, if it runs."""
    node.run("systemctl stop heatgen-fault 2>/dev/null || true")
