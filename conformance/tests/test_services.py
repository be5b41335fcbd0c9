# SPDX-License-Identifier: Apache-2.0
"""Across the layers: new services and their DNS names work on every node."""

import pytest

from conformance.api.client import WaitTimeout, poll_until
from conformance.codes import Code
from conformance.deploy.live import RunHandle
from conformance.facts.expected import Expectation
from conformance.facts.model import Facts
from conformance.facts.network import Answer
from conformance.faults import detects
from conformance.manifests import base
from conformance.outcome import CheckFailed, InconclusiveError, require, value_or_skip
from conformance.support.prerequisites import (
    is_inactive,
    require_controllers,
    require_startable,
    startup_failure,
)

pytestmark = pytest.mark.services

UNKNOWN = "NXDOMAIN"  # in the message of a resolver
FOLLOW_SECONDS = 15.0  # until kube-proxy applies new endpoints; it usually takes a second or two
PROXY = "on {}: systemctl status kube-proxy; (iptables-save -t nat; nft list ruleset) | grep {}"
NO_PROBE = "no node runs a probe that can send requests to the service"


@detects("kube-proxy-down")
def test_cluster_ip_answers_in_pods(facts: Facts, node: str) -> None:
    """A new service answers a pod of the node at its ClusterIP, on a new connection."""
    require_answer(facts, value_or_skip(facts.view(node).web_from_pod), node, "pod")


@detects("kube-proxy-down")
def test_cluster_ip_answers_on_host(facts: Facts, node: str) -> None:
    """A new service answers the node itself at its ClusterIP, on a new connection."""
    require_answer(facts, value_or_skip(facts.view(node).web_from_host), node, "host")


@detects("kube-proxy-down", "node-port-closed")
def test_node_port_answers(facts: Facts, host: str, peer: str) -> None:
    """A new service answers every node at its NodePort on every node."""
    answers, services = value_or_skip(facts.view(host).node_ports), facts.services
    if peer not in answers:
        raise InconclusiveError(
            f"{host} -> {peer}: no request was sent to the NodePort, as {peer} runs no probe"
        )
    answer = answers[peer]
    require(
        bool(answer.said),
        at=f"{host} -> {peer}: NodePort {services.node_port}",
        expected="the name of one of the service's pods",
        seen=f"{answer.problem} ({answer.tries} tries)",
        likely=f"kube-proxy on {peer} is inactive, or TCP 30000-32767 to it is blocked",
        look=PROXY.format(peer, services.node_port),
        code=Code.NODE_PORT_UNREACHABLE,
    )


@detects("dns-down")
def test_service_name_resolves(facts: Facts, node: str) -> None:
    """A pod of the node resolves the name of a new service to its ClusterIP."""
    name = f"{base.WEB}.{facts.services.namespace}.svc"
    require_name(facts, node, name, facts.services.web)


@detects("dns-down")
def test_api_name_resolves(facts: Facts, node: str) -> None:
    """A pod of the node resolves the name of the API, kubernetes.default."""
    require_name(facts, node, "kubernetes.default.svc", facts.services.kubernetes)


def test_pods_use_the_clusters_dns(facts: Facts, expected: Expectation, node: str) -> None:
    """The name server of the node's pods is the cluster DNS service."""
    want = expected.networks.get("dns") or facts.services.dns
    if not want:
        pytest.skip(
            "no --expect sets the DNS address, and kube-system has no service k8s-app=kube-dns"
        )
    seen = value_or_skip(facts.view(node).nameservers)
    require(
        seen == [want],
        at=f"{node}: nameserver in a pod's /etc/resolv.conf",
        expected=want,
        seen=", ".join(seen),
        likely="clusterDNS of the kubelet is not the address of the DNS service",
        look=f"on {node}: grep -A2 clusterDNS /etc/kubernetes/kubelet.json",
        code=Code.NAMESERVER_WRONG,
    )


@pytest.mark.thorough
@pytest.mark.parametrize("replicas", [(1, 3, 1, 0)], ids=["1-3-1-0"])
def test_endpoints_follow_a_scale_up_and_down(live: RunHandle, replicas: tuple[int, ...]) -> None:
    """When a Deployment is scaled, its service answers from exactly the current pods.

    When no pod is left, connections are refused at once.
    """
    live.require_made(base.SCALED)
    require_endpoints(live, replicas[0], live.left())
    for count in replicas:
        live.cluster.patch(
            f"{live.apps('deployments', base.SCALED)}/scale", {"spec": {"replicas": count}}
        )
        require_endpoints(live, count, live.patience)
        if count:
            require_answers_from(live, ready_pods(live))
    require_refusal(live)


# ---- endpoints ----


def ready_pods(live: RunHandle) -> dict[str, str]:
    """Return the pods of the scaled Deployment: names by address."""
    label = f"{base.APP_LABEL}={base.SCALED}"
    return {
        pod["status"]["podIP"]: pod["metadata"]["name"]
        for pod in live.cluster.items(live.path("pods"), labelSelector=label)
        if pod["status"].get("podIP") and not pod["metadata"].get("deletionTimestamp")
    }


def endpoints(live: RunHandle) -> set[str]:
    """Return the ready addresses in the EndpointSlices of the scaled service."""
    slices = live.cluster.items(
        f"/apis/discovery.k8s.io/v1/namespaces/{live.run.namespace}/endpointslices",
        labelSelector=f"kubernetes.io/service-name={base.SCALED}",
    )
    return {
        address
        for each in slices
        for endpoint in each.get("endpoints") or []
        if endpoint["conditions"].get("ready")
        for address in endpoint["addresses"]
    }


def require_endpoints(live: RunHandle, count: int, patience: float) -> None:
    """Require that the service has ``count`` endpoints, which are the Deployment's pods."""

    def is_current(seen: tuple[set[str], set[str]]) -> bool:
        return seen[0] == seen[1] and len(seen[0]) == count

    try:
        seen = poll_until(
            lambda: (endpoints(live), set(ready_pods(live))),
            lambda seen: (
                is_current(seen) or is_inactive(live) or bool(startup_failure(live, base.SCALED))
            ),
            patience,
        )
    except WaitTimeout as late:
        seen = late.last
    if not is_current(seen):
        require_controllers(live)
        require_startable(live, base.SCALED)
    slices, pods = seen
    require(
        is_current(seen),
        at=f"service {base.SCALED}: EndpointSlices at {count} replicas",
        expected=f"{count} ready addresses, those of its pods",
        seen=f"{sorted(slices)}, while its pods have {sorted(pods)}",
        likely="the pods cannot start, or the endpoint slice controller is slow",
        look=f"kubectl get endpointslices,pods -n {live.run.namespace}; "
        "the log of kube-controller-manager",
        code=Code.ENDPOINTS_STALE,
    )


def require_answers_from(live: RunHandle, pods: dict[str, str]) -> None:
    """Require that many requests to the service are answered by all of these pods and no other."""
    probes = live.net_probes()
    if not probes:
        raise InconclusiveError(NO_PROBE)
    node, probe = max(probes.items())
    address = live.cluster.get(live.path("services", base.SCALED))["spec"]["clusterIP"]
    wget = f'echo "$(timeout 2 wget -q -O - http://{address}:{base.WEB_PORT}/hostname)"'
    tries = 8 * len(pods)
    script = f"i=0; while [ $i -lt {tries} ]; do {wget} & i=$((i + 1)); done 2>/dev/null; wait"
    want = set(pods.values())
    try:
        poll_until(
            lambda: set(live.shell(probe, script).stdout.split()),
            lambda answers: answers == want,
            min(live.patience, FOLLOW_SECONDS),
        )
    except WaitTimeout as late:
        raise CheckFailed(
            at=f"{node}: service {base.SCALED} at {address}, {tries} requests",
            expected=f"answers from {', '.join(sorted(want))}",
            seen=f"answers from {', '.join(sorted(late.last)) or 'no pod'}",
            likely=f"kube-proxy on {node} does not apply changed endpoints",
            look=PROXY.format(node, address),
            code=Code.SERVICE_BACKENDS_STALE,
        ) from None


def require_refusal(live: RunHandle) -> None:
    """Require that the service without pods refuses connections at once."""
    probes = live.net_probes()
    if not probes:
        raise InconclusiveError(NO_PROBE)
    node, probe = max(probes.items())
    address = live.cluster.get(live.path("services", base.SCALED))["spec"]["clusterIP"]
    script = f"timeout 2 wget -q -O - http://{address}:{base.WEB_PORT}/hostname 2>&1"
    try:
        poll_until(
            lambda: live.shell(probe, script),
            lambda ran: ran.status != 0 and "refused" in ran.stdout,
            min(live.patience, FOLLOW_SECONDS),
        )
    except WaitTimeout as late:
        raise CheckFailed(
            at=f"{node}: service {base.SCALED} at {address} after its last pod was deleted",
            expected="connection refused at once",
            seen=late.last.stdout.strip() or "no answer in 2 s",
            likely=f"kube-proxy on {node} does not apply changed endpoints",
            look=PROXY.format(node, address),
            code=Code.EMPTY_SERVICE_NOT_REJECTED,
        ) from None


# ---- answers ----


def require_answer(facts: Facts, answer: Answer, node: str, where: str) -> None:
    """Require that one of the service's pods answered."""
    services = facts.services
    require(
        bool(answer.said),
        at=f"{node}: ClusterIP {services.web}:{services.web_port} from a {where}",
        expected="the name of one of the service's pods",
        seen=f"{answer.problem} ({answer.tries} tries)",
        likely="kube-proxy on the node does not run or does not apply new services",
        look=PROXY.format(node, services.web),
        code=Code.CLUSTER_IP_UNREACHABLE,
    )


def require_name(facts: Facts, node: str, name: str, address: str) -> None:
    """Require that the name resolves to exactly that address."""
    lookup = value_or_skip(facts.view(node).lookups)[name]
    is_answered = bool(lookup.addresses) or UNKNOWN in lookup.problem
    require(
        lookup.addresses == [address],
        at=f"{node}: DNS lookup of {name} in a pod",
        expected=address,
        seen=", ".join(lookup.addresses) or f"{lookup.problem} ({lookup.ms} ms)",
        likely="CoreDNS answers, but receives no updates from the API: its watch is broken"
        if is_answered
        else "CoreDNS does not run, or the node cannot reach it",
        look="kubectl logs -n kube-system -l k8s-app=kube-dns; kubectl get --raw '/readyz?verbose'"
        if is_answered
        else "kubectl get pods,endpointslices -n kube-system -l k8s-app=kube-dns -o wide",
        code=Code.DNS_RECORD_WRONG if is_answered else Code.DNS_NO_ANSWER,
    )
