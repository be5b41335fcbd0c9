# SPDX-License-Identifier: Apache-2.0
"""Across the layers: services and names made a moment ago answer on every node."""

import pytest

from conformance.api.client import WaitTimeout, poll_until
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

UNKNOWN = "NXDOMAIN"  # as a resolver says it
FOLLOW_SECONDS = 15.0  # for kube-proxy to follow its endpoints; it takes a second or two
PROXY = "on {}: systemctl status kube-proxy; iptables-save -t nat | grep {}"


@detects("kube-proxy-down")
def test_cluster_ip_answers_in_pods(facts: Facts, node: str) -> None:
    """A new service answers at its ClusterIP in a pod of the node, on a new connection."""
    require_answer(facts, value_or_skip(facts.view(node).web_from_pod), node, "pod")


@detects("kube-proxy-down")
def test_cluster_ip_answers_on_host(facts: Facts, node: str) -> None:
    """A new service answers at its ClusterIP on the node itself, on a new connection."""
    require_answer(facts, value_or_skip(facts.view(node).web_from_host), node, "host")


@detects("kube-proxy-down", "node-port-closed")
def test_node_port_answers(facts: Facts, host: str, peer: str) -> None:
    """A new service answers at its NodePort on every node, asked from every node."""
    answers, services = value_or_skip(facts.view(host).node_ports), facts.services
    if peer not in answers:
        raise InconclusiveError(
            f"{host} -> {peer}: the NodePort was not asked, {peer} runs no probe"
        )
    answer = answers[peer]
    require(
        bool(answer.said),
        at=f"{host} -> {peer}: NodePort {services.node_port}",
        expected="the name of one of the service's pods",
        seen=f"{answer.problem} ({answer.tries} tries)",
        likely=f"kube-proxy on {peer} does not follow, or TCP 30000-32767 to it is closed",
        look=PROXY.format(peer, services.node_port),
    )


@detects("dns-down")
def test_service_name_resolves(facts: Facts, node: str) -> None:
    """A pod of the node resolves a new service's name to its ClusterIP."""
    name = f"{base.WEB}.{facts.services.namespace}.svc"
    require_name(facts, node, name, facts.services.web)


@detects("dns-down")
def test_api_name_resolves(facts: Facts, node: str) -> None:
    """A pod of the node resolves the API's own name, kubernetes.default."""
    require_name(facts, node, "kubernetes.default.svc", facts.services.kubernetes)


def test_pods_ask_the_clusters_dns(facts: Facts, expected: Expectation, node: str) -> None:
    """Pods of the node are told to ask the cluster's own DNS service."""
    want = expected.networks.get("dns") or facts.services.dns
    if not want:
        pytest.skip(
            "no --expect names the DNS address, and kube-system has no service k8s-app=kube-dns"
        )
    seen = value_or_skip(facts.view(node).nameservers)
    require(
        seen == [want],
        at=f"{node}: nameserver in a pod's /etc/resolv.conf",
        expected=want,
        seen=", ".join(seen),
        likely="kubelet's clusterDNS is another than the DNS service's address",
        look=f"on {node}: grep -A2 clusterDNS /etc/kubernetes/kubelet.json",
    )


@pytest.mark.thorough
@pytest.mark.parametrize("replicas", [(1, 3, 1, 0)], ids=["1-3-1-0"])
def test_endpoints_follow_a_scale_up_and_down(live: RunHandle, replicas: tuple[int, ...]) -> None:
    """When a Deployment grows and shrinks, its service answers with just the pods there are.

    And when none is left, whoever asks is refused at once.
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
    """Names by address of the pods that the scaled service should lead to."""
    label = f"{base.APP_LABEL}={base.SCALED}"
    return {
        pod["status"]["podIP"]: pod["metadata"]["name"]
        for pod in live.cluster.items(live.path("pods"), labelSelector=label)
        if pod["status"].get("podIP") and not pod["metadata"].get("deletionTimestamp")
    }


def endpoints(live: RunHandle) -> set[str]:
    """The addresses to which the scaled service leads."""
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
    """The service leads to `count` pods, and these are the Deployment's."""

    def follow(seen: tuple[set[str], set[str]]) -> bool:
        return seen[0] == seen[1] and len(seen[0]) == count

    try:
        seen = poll_until(
            lambda: (endpoints(live), set(ready_pods(live))),
            lambda seen: (
                follow(seen) or is_inactive(live) or bool(startup_failure(live, base.SCALED))
            ),
            patience,
        )
    except WaitTimeout as late:
        seen = late.last
    if not follow(seen):
        require_controllers(live)
        require_startable(live, base.SCALED)
    slices, pods = seen
    require(
        follow(seen),
        at=f"service {base.SCALED}: EndpointSlices at {count} replicas",
        expected=f"{count} ready addresses, those of its pods",
        seen=f"{sorted(slices)}, while its pods have {sorted(pods)}",
        likely="the pods cannot start, or what writes endpoints is slow",
        look=f"kubectl get endpointslices,pods -n {live.run.namespace}; "
        "the log of kube-controller-manager",
    )


def require_answers_from(live: RunHandle, pods: dict[str, str]) -> None:
    """Asked many times, the service answers with all of these pods and no other."""
    probes = live.net_probes()
    if not probes:
        raise InconclusiveError("no node runs a probe from which to ask the service")
    node, probe = max(probes.items())
    address = live.cluster.get(live.path("services", base.SCALED))["spec"]["clusterIP"]
    wget = f'echo "$(timeout 2 wget -q -O - http://{address}:{base.WEB_PORT}/hostname)"'
    tries = 8 * len(pods)
    script = f"i=0; while [ $i -lt {tries} ]; do {wget} & i=$((i + 1)); done 2>/dev/null; wait"
    want = set(pods.values())
    try:
        poll_until(
            lambda: set(live.shell(probe, script).stdout.split()),
            lambda said: said == want,
            min(live.patience, FOLLOW_SECONDS),
        )
    except WaitTimeout as late:
        raise CheckFailed(
            at=f"{node}: service {base.SCALED} at {address}, asked {tries} times",
            expected=f"answers from {', '.join(sorted(want))}",
            seen=f"answers from {', '.join(sorted(late.last)) or 'nobody'}",
            likely=f"kube-proxy on {node} does not follow the endpoints",
            look=PROXY.format(node, address),
        ) from None


def require_refusal(live: RunHandle) -> None:
    """Asked without a pod left, the service refuses, and nobody has to wait."""
    probes = live.net_probes()
    if not probes:
        raise InconclusiveError("no node runs a probe from which to ask the service")
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
            at=f"{node}: service {base.SCALED} at {address} after its last pod went",
            expected="connection refused at once",
            seen=late.last.stdout.strip() or "no answer in 2 s",
            likely=f"kube-proxy on {node} does not follow the endpoints",
            look=PROXY.format(node, address),
        ) from None


# ---- answers ----


def require_answer(facts: Facts, answer: Answer, node: str, where: str) -> None:
    """The run's own service said which pod it is."""
    services = facts.services
    require(
        bool(answer.said),
        at=f"{node}: ClusterIP {services.web}:{services.web_port} from a {where}",
        expected="the name of one of the service's pods",
        seen=f"{answer.problem} ({answer.tries} tries)",
        likely="kube-proxy on the node does not run or does not follow (the service is new)",
        look=PROXY.format(node, services.web),
    )


def require_name(facts: Facts, node: str, name: str, address: str) -> None:
    """The name resolves to exactly that address."""
    lookup = value_or_skip(facts.view(node).lookups)[name]
    answers = bool(lookup.addresses) or UNKNOWN in lookup.problem
    require(
        lookup.addresses == [address],
        at=f"{node}: DNS lookup of {name} in a pod",
        expected=address,
        seen=", ".join(lookup.addresses) or f"{lookup.problem} ({lookup.ms} ms)",
        likely="CoreDNS answers, but hears nothing new from the API: its watch there is silent"
        if answers
        else "CoreDNS does not run, or is out of the node's reach",
        look="kubectl logs -n kube-system -l k8s-app=kube-dns; kubectl get --raw '/readyz?verbose'"
        if answers
        else "kubectl get pods,endpointslices -n kube-system -l k8s-app=kube-dns -o wide",
    )
