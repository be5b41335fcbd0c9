# SPDX-License-Identifier: Apache-2.0
"""Companions of faults that lose packets of pods between nodes, and shell helpers."""

from lab.faultinjection.context import Context
from lab.harness import health
from lab.harness.cluster import Node

BEHIND = "a backend of the service is on the broken path and may be selected repeatedly"
DNS = "a replica of the cluster DNS is on the broken path"
HOSTS = {"test_host_reaches_pod": "hosts reach pods of other nodes over the same path"}
COMPANIONS = {
    "test_cluster_ip_answers_*": BEHIND,
    "test_node_port_answers": BEHIND,
    "test_service_answers_every_request": BEHIND,
    "test_session_affinity_is_honoured": BEHIND,
    "test_endpoints_follow_a_scale_up_and_down": BEHIND,
    "test_udp_clients_switch_to_the_new_backend": BEHIND,
    "test_service_name_resolves": DNS,
    "test_api_name_resolves": DNS,
    "test_dns_answers_at_its_service": DNS,
    "test_every_dns_replica_answers": DNS,
    "test_every_dns_replica_answers_in_time": DNS,
    "test_headless_service_names_its_pods": DNS,
}
INCONCLUSIVE = "requests over the broken path get no response"

FLANNEL_ENV = "/etc/flannel/flanneld.env"
COMMENT = "-m comment --comment heatgen-fault"


def await_not_ready(context: Context, seconds: float) -> None:
    """Wait until the API server reports the victim's node as not Ready."""
    name = context.victim.name
    context.wait_for(
        f"NotReady state of {name}",
        seconds,
        lambda: health.node_states(context.cluster).get(name) != "True",
    )


def add_rule(node: Node, rule: str, table: str = "filter") -> None:
    """Insert an iptables rule first in its chain; `rule` begins with the chain."""
    node.run(f"iptables -w -t {table} -I {rule.replace(' -j ', f' {COMMENT} -j ')}")


def drop_rules(nodes: list[Node], context: Context, tables: str = "filter") -> None:
    """Delete all rules that faults inserted, with duplicates."""
    script = (
        f"for table in {tables}; do "
        "iptables -w -t $table -S | grep heatgen-fault | sed 's/^-A/-D/' | "
        'while read -r rule; do eval "iptables -w -t $table $rule"; done; done'
    )
    context.run_on(nodes, script)


def degrade(node: Node, netem: str) -> None:
    """Lose or delay the packets that a node with its own kernel sends through flannel.1."""
    node.run(f"modprobe sch_netem; tc qdisc replace dev flannel.1 root netem {netem}")


def restore_quality(node: Node) -> None:
    """Remove what `degrade` added, if it exists."""
    node.run("! tc qdisc show dev flannel.1 | grep -q netem || tc qdisc del dev flannel.1 root")


# A writable mount of /proc: in the lab's servers, which are containers, /proc/sys is read-only.
PROC = "/run/heatgen-fault"
OPEN_PROC = f"mkdir -p {PROC}; mountpoint -q {PROC} || mount -t proc proc {PROC}; "
CLOSE_PROC = f"; umount {PROC} || true"


def background(node: Node, script: str) -> None:
    """Run a script on the node as a transient unit until `stop_background`."""
    node.run(
        "systemctl reset-failed heatgen-fault 2>/dev/null; "
        "systemd-run --quiet --unit heatgen-fault --property RuntimeMaxSec=900 "
        f"bash -c '{script}'"
    )


def stop_background(node: Node) -> None:
    """Stop the script, if it is running."""
    node.run("systemctl stop heatgen-fault 2>/dev/null || true")
