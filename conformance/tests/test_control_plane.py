# SPDX-License-Identifier: Apache-2.0
"""Layer 5, the control plane: every API server answers, one leads, and none is alone."""

from urllib.parse import urlsplit

import pytest

from conformance.api.cluster_resources import SLACK
from conformance.facts.expected import Expectation
from conformance.facts.model import Facts
from conformance.facts.security import ApiAnswer
from conformance.faults import detects
from conformance.outcome import Unavailable, require, value_or_skip

pytestmark = pytest.mark.orchestration

LEADERS = ("kube-controller-manager", "kube-scheduler")


@detects("apiserver-down")
def test_api_server_answers(facts: Facts, host: str, api_server: str) -> None:
    """Each API server, asked on its own from each node, is ready and knows a pod's token.

    Its certificate must hold for the address, and each server must know the keys of all, for any of
    them may have signed the token.
    """
    server = urlsplit(api_server).hostname
    names = [name for name, node in facts.nodes.items() if node.address == server]
    require_ready(facts, host, api_server, f"kube-apiserver of {', '.join(names) or server}")


def test_api_endpoint_answers(facts: Facts, node: str) -> None:
    """The address by which the node's own components reach the API answers there."""
    url = value_or_skip(facts.view(node).endpoint)
    require_ready(facts, node, url, "no control-plane node holds the address, or what it leads to")


def test_api_service_answers(facts: Facts, node: str) -> None:
    """The service `kubernetes`, by which pods reach the API, answers on every node."""
    url = f"https://{facts.services.kubernetes}"
    require_ready(facts, node, url, "kube-proxy on the node, or one of the servers it leads to")


@detects("apiserver-down")
def test_api_service_leads_to_every_server(facts: Facts, expected: Expectation) -> None:
    """The service `kubernetes` leads to exactly the API servers there should be."""
    control = [node.address for node in facts.nodes.values() if node.is_control]
    want = sorted(urlsplit(url).hostname or "" for url in expected.api_servers()) or sorted(control)
    if not want:
        pytest.skip("nobody says where the API servers are")
    seen = value_or_skip(facts.api_addresses)
    away = [name for name, node in facts.nodes.items() if node.address in set(want) - set(seen)]
    require(
        seen == want,
        at="service kubernetes in namespace default: its endpoints",
        expected=", ".join(want),
        seen=", ".join(seen) or "none",
        likely=f"the API server of {', '.join(away) or 'a node'} does not run, or "
        "advertises another address; one that is gone is forgotten after a minute",
        look="kubectl get endpointslices -n default -o wide; kubectl get leases -n kube-system "
        "-l apiserver.kubernetes.io/identity",
    )


def test_one_node_holds_the_endpoint(facts: Facts, expected: Expectation) -> None:
    """The virtual address is on exactly one node, and that is one of the control plane."""
    if expected.api.get("load_balancer") != "vip":
        pytest.skip("no --expect names a virtual address that moves between nodes")
    address = endpoint_address(facts)
    holders = [name for name in facts.views if address in addresses_of(facts, name)]
    control = [name for name, node in expected.nodes.items() if node.role == "control"]
    require(
        len(holders) == 1 and holders[0] in control,
        at=f"{address}: which nodes have it (ip address)",
        expected=f"one of {', '.join(control)}",
        seen=", ".join(holders) or "no node",
        likely="two: VRRP (IP protocol 112) does not pass between them; none: keepalived does not "
        "run, or its check finds no ready API server",
        look="on each control-plane node: ip -br address; journalctl -u keepalived -n 50",
    )


@detects("scheduler-down", "controller-manager-down")
@pytest.mark.parametrize("lease", LEADERS)
def test_leader_is_alive(facts: Facts, lease: str) -> None:
    """One of the control-plane nodes leads, and renews its lease while it is looked at."""
    leaders = value_or_skip(facts.leaders)
    if lease not in leaders:
        pytest.skip(f"kube-system has no lease {lease}")
    leader = leaders[lease]
    control = [name for name, node in facts.nodes.items() if node.is_control]
    holder = leader.holder.rpartition("_")[0] or leader.holder
    require(
        leader.moved is not False
        and leader.age <= leader.term + SLACK
        and (not control or holder in control),
        at=f"lease {lease} in namespace kube-system",
        expected=f"held by one of {', '.join(control) or 'the servers'}, renewed again and again, "
        f"at most {leader.term:.0f} s ago",
        seen=f"held by {leader.holder or 'nobody'}, renewed {leader.age:.0f} s ago"
        f"{', and not while it was looked at' * (leader.moved is False)}",
        likely=f"no {lease} runs, or none reaches the API",
        look=f"kubectl get lease -n kube-system {lease} -o yaml; on {holder or 'a control node'}: "
        f"journalctl -u {lease} -n 50",
    )


def test_dns_is_spread(facts: Facts, expected: Expectation) -> None:
    """The cluster's DNS runs more than once, on different nodes, where there is more than one."""
    pods = value_or_skip(facts.dns)
    if not pods:
        pytest.skip("kube-system has no pods k8s-app=kube-dns")
    nodes = sorted({pod.node for pod in pods})
    control = [name for name, node in expected.nodes.items() if node.role == "control"]
    least = 2 if len(control) > 1 and len(facts.nodes) > 1 else 1
    require(
        len(nodes) >= least and (len(nodes) == len(pods) or len(nodes) == len(facts.nodes)),
        at="pods k8s-app=kube-dns in namespace kube-system",
        expected=f"at least {least}, each on a node of its own",
        seen=", ".join(f"{pod.name} on {pod.node}" for pod in pods),
        likely="all were put on the one node that was there, and nothing moved them since",
        look="kubectl get pods -n kube-system -l k8s-app=kube-dns -o wide; kubectl rollout restart "
        "-n kube-system deployment/coredns",
    )


# ---- ways to the API ----


def require_ready(facts: Facts, node: str, url: str, blamed: str) -> None:
    """From the node, /readyz answers with 200 to a pod's token, by a certificate that holds."""
    answer = answer_of(facts, node, url)
    require(
        answer.token == 200,
        at=f"{node}: {url}/readyz with a pod's token",
        expected="HTTP 200",
        seen=answer.problem or f"HTTP {answer.token}",
        likely=cause(answer, blamed),
        look=f"on {node}: curl --cacert /etc/kubernetes/pki/ca.crt {url}/readyz (401 means: up); "
        "on the server: journalctl -u kube-apiserver -n 50",
    )


def answer_of(facts: Facts, node: str, url: str) -> ApiAnswer:
    """What the node was told at that URL; one that was not asked about is skipped."""
    told = value_or_skip(facts.view(node).api)
    if url not in told:
        pytest.skip(f"{node}: {url} was not asked")
    return told[url]


def cause(answer: ApiAnswer, blamed: str) -> str:
    """Why there is no HTTP 200."""
    if answer.token == 401:
        return "the server does not know the key that signed the token (service-accounts.pub)"
    if answer.token == 0 and answer.anonymous:
        return "its certificate is of another authority, or not for this address"
    if answer.token == 0:
        return f"{blamed} does not run, or TCP to it is closed"
    return f"{blamed} is not ready: etcd, or a part that has not started"


def endpoint_address(facts: Facts) -> str:
    """The address by which all nodes reach the API; if they name different ones, the test fails."""
    told = {
        name: urlsplit(view.endpoint).hostname or ""
        for name, view in facts.views.items()
        if not isinstance(view.endpoint, Unavailable)
    }
    if not told:
        value_or_skip(next(iter(facts.views.values())).endpoint)
    require(
        len(set(told.values())) == 1,
        at="the API's address in the kubeconfigs of kubelets",
        expected="one for all",
        seen=", ".join(f"{address} on {name}" for name, address in told.items()),
        likely="a node that was made, or updated, under another load balancer",
        look="on each node: grep server: /etc/kubernetes/kubelet.kubeconfig",
    )
    return next(iter(told.values()))


def addresses_of(facts: Facts, node: str) -> set[str]:
    """The node's own IPv4 addresses; empty if it could not be asked."""
    links = facts.view(node).links
    if isinstance(links, Unavailable):
        value_or_skip(links)
        return set()
    return {address.partition("/")[0] for link in links.values() for address in link.addresses}
