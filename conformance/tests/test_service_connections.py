# SPDX-License-Identifier: Apache-2.0
"""Across the layers: connections to services of each kind, from each node."""

import pytest

from conformance.codes import Code
from conformance.facts.model import Facts
from conformance.faults import detects
from conformance.outcome import InconclusiveError, require, value_or_skip
from conformance.support import back_ends
from conformance.support.prerequisites import direct, paths, require_path

pytestmark = pytest.mark.services

AT_ONCE_MS = 2900  # for a refusal, which needs no timeout
# For the first answer on a new connection: one lost packet takes one second, two take three.
IN_TIME_MS = 3500
STICKY = 15
RULES = "on {}: systemctl status kube-proxy; (iptables-save -t nat; nft list ruleset) | grep {}"


@detects("vxlan-checksum-offload", "kube-proxy-down")
def test_service_on_another_node_answers_at_once(facts: Facts, source: str, target: str) -> None:
    """A connection to a ClusterIP whose pod is on another node succeeds within three seconds.

    Several connections are tried, as the service is new, each with the same timeout: a fault that
    delays every connection by a minute fails them all.
    """
    require_path(facts, source, target)
    answer, device = direct(facts, source, target), back_ends.of(facts).device or "any"
    require(
        bool(answer.said) and answer.ms <= IN_TIME_MS,
        at=f"{source} -> {target}: ClusterIP of a service, from pod to pod",
        expected=f"an answer within {IN_TIME_MS} ms on a new connection",
        seen=f"{answer.problem or 'an answer'} ({answer.tries} connections, the last took "
        f"{answer.ms} ms), while ping between the pods' own addresses works",
        likely="the first packets of translated connections are lost: checksum offload of the "
        f"VXLAN device (ethtool -K {device} tx off), or kube-proxy on {source}",
        look=f"on {source}: ethtool -k {device} | grep tx-checksum; tcpdump -vni {device} tcp",
        code=Code.SERVICE_CONNECTION_DELAYED,
    )


@detects("bridge-netfilter-off", "kube-proxy-down")
def test_service_on_the_same_node_answers(facts: Facts, node: str) -> None:
    """A pod reaches a ClusterIP whose pod is on the same node."""
    answer = direct(facts, node, node)
    require(
        bool(answer.said),
        at=f"{node}: ClusterIP of a service, from pod to pod of the same node",
        expected="an answer",
        seen=f"{answer.problem} ({answer.tries} tries)",
        likely="the bridge returns replies directly to the client pod, which has no connection to "
        "their source address (bridge-nf-call-iptables)",
        look=f"on {node}: sysctl net.bridge.bridge-nf-call-iptables; lsmod | grep br_netfilter",
        code=Code.SERVICE_UNREACHABLE_ON_SAME_NODE,
    )


@detects("hairpin-off", "kube-proxy-down")
def test_pod_reaches_itself_by_its_service(facts: Facts, node: str) -> None:
    """A pod reaches itself through its own service."""
    answer = value_or_skip(paths(facts, node).itself)
    require(
        bool(answer.said),
        at=f"{node}: request of a pod to its own service",
        expected="its own answer",
        seen=f"{answer.problem} ({answer.tries} tries)",
        likely="the bridge does not send packets back through the port that they arrived at "
        "(hairpinMode of the CNI configuration)",
        look=f"on {node}: bridge -d link show | grep hairpin; cat /etc/cni/net.d/*.conflist",
        code=Code.HAIRPIN_OFF,
    )


@detects("kube-proxy-down")
def test_service_without_pods_refuses_at_once(facts: Facts, node: str) -> None:
    """A service without pods refuses connections at once."""
    answer = value_or_skip(paths(facts, node).nobody)
    require(
        not answer.said and "refused" in answer.problem and answer.ms <= AT_ONCE_MS,
        at=f"{node}: ClusterIP of a service without pods, from a pod",
        expected="connection refused at once",
        seen=f"{answer.said or answer.problem} after {answer.ms} ms",
        likely="kube-proxy on the node does not run or does not apply new services",
        look=RULES.format(node, "REJECT"),
        code=Code.EMPTY_SERVICE_NOT_REJECTED,
    )


@detects("kube-proxy-down")
def test_session_affinity_is_honoured(facts: Facts, node: str) -> None:
    """A service with sessionAffinity ClientIP answers one client from one pod."""
    answers = value_or_skip(paths(facts, node).sticky)
    require(
        len(answers) == STICKY and len(set(answers)) == 1 and answers[0] != "-",
        at=f"{node}: {STICKY} requests of a pod to a service with sessionAffinity ClientIP",
        expected=f"{STICKY} answers of one pod",
        seen=f"{len(answers)} requests: {', '.join(sorted(set(answers)))} (- is no answer)",
        likely=f"kube-proxy on {node} does not run, or its rules do not track clients (xt_recent)",
        look=RULES.format(node, "recent"),
        code=Code.SESSION_AFFINITY_LOST,
    )


@detects("kube-proxy-down")
def test_service_answers_every_request(facts: Facts, node: str) -> None:
    """Every one of many requests, each a connection that is tried once, is answered in time."""
    requests = value_or_skip(paths(facts, node).requests)
    require(
        requests.failed == 0 and requests.slowest <= IN_TIME_MS,
        at=f"{node}: {requests.count} requests of a pod to a service with pods on all nodes",
        expected=f"no failure, and no answer later than {IN_TIME_MS} ms",
        seen=f"{requests.failed} failed ({requests.problem or 'none'}), the slowest took "
        f"{requests.slowest} ms",
        likely="one of the service's pods cannot be reached from this node, or packets are lost",
        look="see test_pod_reaches_pod and test_service_on_another_node_answers_at_once",
        code=Code.SERVICE_REQUESTS_FAIL,
    )


@detects("kube-proxy-down", "node-port-closed")
def test_node_port_preserves_the_client_address(facts: Facts, source: str, target: str) -> None:
    """With externalTrafficPolicy Local the node's own pod answers and sees the client's address."""
    answer = value_or_skip(paths(facts, source).outside).get(target)
    if answer is None:
        raise InconclusiveError(f"{source} -> {target}: {target} runs no probe")
    want = facts.nodes[source].address
    require(
        answer.said.rpartition(":")[0] == want,
        at=f"{source} -> {target}: client of a NodePort with externalTrafficPolicy Local",
        expected=want,
        seen=answer.said or f"no answer: {answer.problem} ({answer.tries} tries)",
        likely=f"kube-proxy on {target} is inactive or masquerades nonetheless, or TCP "
        f"30000-32767 to {target} is blocked",
        look=RULES.format(target, "KUBE-EXT"),
        code=Code.CLIENT_ADDRESS_LOST if answer.said else Code.NODE_PORT_UNREACHABLE,
    )
