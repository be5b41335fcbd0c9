# SPDX-License-Identifier: Apache-2.0
"""Across the layers: what connections to services come to, by node and by what each promises."""

import pytest

from conformance.facts.model import Facts
from conformance.faults import detects
from conformance.outcome import InconclusiveError, require, value_or_skip
from conformance.support.prerequisites import direct, paths, require_path

pytestmark = pytest.mark.services

AT_ONCE_MS = 2900  # a refusal is no matter of waiting
IN_TIME_MS = (
    3500  # for the first answer on a new connection: one lost packet costs a second, two three
)
STICKY = 15
RULES = "on {}: systemctl status kube-proxy; iptables-save -t nat | grep {}"


@detects("vxlan-checksum-offload", "kube-proxy-down")
def test_service_on_another_node_answers_at_once(facts: Facts, source: str, target: str) -> None:
    """A connection to a ClusterIP whose pod is on another node is made within three seconds.

    Several connections are tried, for the service is new, but none is waited for any longer:
    where a fault delays each by a minute, none of them passes.
    """
    require_path(facts, source, target)
    answer = direct(facts, source, target)
    require(
        bool(answer.said) and answer.ms <= IN_TIME_MS,
        at=f"{source} -> {target}: a service's ClusterIP from pod to pod",
        expected=f"an answer within {IN_TIME_MS} ms on a new connection",
        seen=f"{answer.problem or 'an answer'} ({answer.tries} connections, the last took "
        f"{answer.ms} ms), while ping between the pods' own addresses works",
        likely="the first packets of translated connections are lost: checksums that the VXLAN "
        f"device leaves to the card (ethtool -K flannel.1 tx off), or kube-proxy on {source}",
        look=f"on {source}: ethtool -k flannel.1 | grep tx-checksum; tcpdump -vni flannel.1 tcp",
    )


@detects("bridge-netfilter-off", "kube-proxy-down")
def test_service_on_the_same_node_answers(facts: Facts, node: str) -> None:
    """A pod reaches a ClusterIP whose pod is its neighbour: answers go back by the service, too."""
    answer = direct(facts, node, node)
    require(
        bool(answer.said),
        at=f"{node}: a service's ClusterIP from pod to pod of the same node",
        expected="an answer",
        seen=f"{answer.problem} ({answer.tries} tries)",
        likely="the bridge hands answers straight to the asking pod (bridge-nf-call-iptables), "
        "where no connection to that address is known",
        look=f"on {node}: sysctl net.bridge.bridge-nf-call-iptables; lsmod | grep br_netfilter",
    )


@detects("hairpin-off", "kube-proxy-down")
def test_pod_reaches_itself_by_its_service(facts: Facts, node: str) -> None:
    """A pod that asks its own service may be answered by itself."""
    answer = value_or_skip(paths(facts, node).itself)
    require(
        bool(answer.said),
        at=f"{node}: a pod asks its own service",
        expected="its own answer",
        seen=f"{answer.problem} ({answer.tries} tries)",
        likely="the bridge does not send a packet back to where it came from (hairpinMode of the "
        "CNI configuration)",
        look=f"on {node}: bridge -d link show | grep hairpin; cat /etc/cni/net.d/*.conflist",
    )


@detects("kube-proxy-down")
def test_service_without_pods_refuses_at_once(facts: Facts, node: str) -> None:
    """Who asks a service that has no pod is refused, and need not wait."""
    answer = value_or_skip(paths(facts, node).nobody)
    require(
        not answer.said and "refused" in answer.problem and answer.ms <= AT_ONCE_MS,
        at=f"{node}: ClusterIP of a service without pods, from a pod",
        expected="connection refused at once",
        seen=f"{answer.said or answer.problem} after {answer.ms} ms",
        likely="kube-proxy on the node does not run or does not follow (the service is new)",
        look=RULES.format(node, "REJECT"),
    )


@detects("kube-proxy-down")
def test_client_keeps_its_pod(facts: Facts, node: str) -> None:
    """A service with sessionAffinity ClientIP answers one client by one and the same pod."""
    said = value_or_skip(paths(facts, node).sticky)
    require(
        len(said) == STICKY and len(set(said)) == 1 and said[0] != "-",
        at=f"{node}: {STICKY} requests of a pod to a service with sessionAffinity ClientIP",
        expected=f"{STICKY} answers of one pod",
        seen=f"{len(said)} requests: {', '.join(sorted(set(said)))} (- is no answer)",
        likely=f"kube-proxy on {node} does not run, or its rules keep no clients (xt_recent)",
        look=RULES.format(node, "recent"),
    )


@detects("kube-proxy-down")
def test_no_request_fails(facts: Facts, node: str) -> None:
    """Of many requests, each a connection that is tried once, every one is answered in time."""
    told = value_or_skip(paths(facts, node).requests)
    require(
        told.failed == 0 and told.slowest <= IN_TIME_MS,
        at=f"{node}: {told.count} requests of a pod to a service on all nodes",
        expected=f"no failure, and no answer later than {IN_TIME_MS} ms",
        seen=f"{told.failed} failed ({told.problem or 'none'}), the slowest took {told.slowest} ms",
        likely="one of the service's pods cannot be reached from here, or packets are lost",
        look="see test_pod_reaches_pod and test_service_on_another_node_answers_at_once",
    )


@detects("kube-proxy-down", "node-port-closed")
def test_node_port_keeps_the_client_s_address(facts: Facts, source: str, target: str) -> None:
    """With externalTrafficPolicy Local the node's own pod answers, and sees who really asks."""
    answer = value_or_skip(paths(facts, source).outside).get(target)
    if answer is None:
        raise InconclusiveError(f"{source} -> {target}: {target} runs no probe")
    want = facts.nodes[source].address
    require(
        answer.said.rpartition(":")[0] == want,
        at=f"{source} -> {target}: the client of a NodePort with externalTrafficPolicy Local",
        expected=want,
        seen=answer.said or f"no answer: {answer.problem} ({answer.tries} tries)",
        likely=f"kube-proxy on {target} does not follow or masquerades nonetheless, or TCP "
        f"30000-32767 to {target} is closed",
        look=RULES.format(target, "KUBE-EXT"),
    )
