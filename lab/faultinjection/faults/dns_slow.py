# SPDX-License-Identifier: Apache-2.0
"""One replica of the cluster DNS responds seconds late: it receives queries at 1200 bit/s.

The replica stays Ready, because only UDP to port 53 is slow.
"""

from lab.faultinjection.context import WHOLE_CLUSTER, Context, Victims

KIND = "effect"
LATE = "some queries are delayed until the resolver times out or retries"
COMPANIONS = {
    "test_dns_answers_at_its_service": LATE,
    "test_service_name_resolves": LATE,
    "test_api_name_resolves": LATE,
    "test_headless_service_names_its_pods": LATE,
    "test_every_dns_replica_answers": LATE,
}

SHAPE = """
ping -c 1 -W 2 {pod} >/dev/null
mac=$(ip neighbour show {pod} dev cni0 | sed -n 's/.*lladdr \\([0-9a-f:]*\\).*/\\1/p')
port=$(bridge fdb show br cni0 | sed -n "s/^$mac dev \\([^ ]*\\).*/\\1/p" | head -n 1)
tc qdisc replace dev $port root handle 1: htb default 10
tc class replace dev $port parent 1: classid 1:10 htb rate 1gbit quantum 1500
tc class replace dev $port parent 1: classid 1:20 htb rate 1200bit burst 100 cburst 100 quantum 1500
tc filter add dev $port parent 1: protocol ip u32 \\
    match ip protocol 17 0xff match ip dport 53 0xffff flowid 1:20
"""
RESTORE = """
for port in $(tc qdisc show | sed -n 's/^qdisc htb 1: dev \\([^ ]*\\) root.*/\\1/p'); do
    tc qdisc del dev $port root
done
"""


def inject(context: Context) -> Victims:
    """Limit the rate of queries to the first replica."""
    pods = context.kubectl_json("get", "pods", "-n", "kube-system", "-l", "k8s-app=kube-dns")
    pod = min(pods["items"], key=lambda each: str(each["metadata"]["name"]))
    (node,) = (node for node in context.nodes if node.name == pod["spec"]["nodeName"])
    node.run(SHAPE.format(pod=pod["status"]["podIP"]))
    return WHOLE_CLUSTER


def heal(context: Context) -> None:
    """Remove all rate limits."""
    context.run_on(context.nodes, RESTORE)
