# SPDX-License-Identifier: Apache-2.0
"""Layer 5, the control plane: every API server answers, each component has one active leader."""

from urllib.parse import urlsplit

import pytest

from conformance.api.cluster_resources import SLACK
from conformance.codes import Code
from conformance.facts.expected import Expectation
from conformance.facts.model import Facts
from conformance.facts.security import ApiAnswer
from conformance.faults import detects
from conformance.outcome import Unavailable, require, value_or_skip

pytestmark = pytest.mark.orchestration

LEADERS = ("kube-controller-manager", "kube-scheduler")


@detects("apiserver-down")
def test_api_server_answers(facts: Facts, host: str, api_server: str) -> None:
    """Each API server is ready and accepts a pod's token, as seen from each node.

    Its certificate must be valid for the address, and each server must know the keys of all
    servers, as any of them may have signed the token.
    """
    server = urlsplit(api_server).hostname
    names = [name for name, node in facts.nodes.items() if node.address == server]
    require_ready(facts, host, api_server, f"kube-apiserver of {', '.join(names) or server}")


def test_api_endpoint_answers(facts: Facts, node: str) -> None:
    """The API answers at the address that the node's components use."""
    url = value_or_skip(facts.view(node).endpoint)
    require_ready(
        facts, node, url, "the holder of the address (load balancer or control-plane node)"
    )


def test_api_service_answers(facts: Facts, node: str) -> None:
    """The service ``kubernetes``, through which pods reach the API, answers on every node."""
    url = f"https://{facts.services.kubernetes}"
    require_ready(facts, node, url, "kube-proxy on the node or an API server behind the service")


@detects("apiserver-down")
def test_api_service_has_all_endpoints(facts: Facts, expected: Expectation) -> None:
    """The endpoints of the service ``kubernetes`` are exactly the expected API servers."""
    control = [node.address for node in facts.nodes.values() if node.is_control]
    want = sorted(urlsplit(url).hostname or "" for url in expected.api_servers()) or sorted(control)
    if not want:
        pytest.skip("the addresses of the API servers are unknown")
    seen = value_or_skip(facts.api_addresses)
    away = [name for name, node in facts.nodes.items() if node.address in set(want) - set(seen)]
    require(
        seen == want,
        at="service kubernetes in namespace default: its endpoints",
        expected=", ".join(want),
        seen=", ".join(seen) or "none",
        likely=f"the API server of {', '.join(away) or 'a node'} does not run or advertises "
        "another address; the endpoint of a lost server is removed after a minute",
        look="kubectl get endpointslices -n default -o wide; kubectl get leases -n kube-system "
        "-l apiserver.kubernetes.io/identity",
        code=Code.API_ENDPOINTS_WRONG,
    )


def test_one_node_has_the_virtual_address(facts: Facts, expected: Expectation) -> None:
    """Exactly one node has the virtual address, and it is a control-plane node."""
    if expected.api.get("load_balancer") != "vip":
        pytest.skip("no --expect sets a virtual address that moves between nodes")
    address = endpoint_address(facts)
    holders = [name for name in facts.views if address in addresses_of(facts, name)]
    control = [name for name, node in expected.nodes.items() if node.role == "control"]
    require(
        len(holders) == 1 and holders[0] in control,
        at=f"{address}: which nodes have it (ip address)",
        expected=f"one of {', '.join(control)}",
        seen=", ".join(holders) or "no node",
        likely="two holders: VRRP (IP protocol 112) is blocked between them; none: keepalived does "
        "not run, or its check finds no ready API server",
        look="on each control-plane node: ip -br address; journalctl -u keepalived -n 50",
        code=Code.VIP_HOLDER_WRONG,
    )


@detects("scheduler-down", "controller-manager-down")
@pytest.mark.parametrize("lease", LEADERS)
def test_leader_is_alive(facts: Facts, lease: str) -> None:
    """A control-plane node is the leader and renewed its lease during the run."""
    leaders = value_or_skip(facts.leaders)
    if lease not in leaders:
        pytest.skip(f"kube-system has no lease {lease}")
    leader = leaders[lease]
    control = [name for name, node in facts.nodes.items() if node.is_control]
    holder = leader.holder.rpartition("_")[0] or leader.holder
    require(
        leader.moved is not False
        and leader.age <= leader.term + SLACK
        and (not control or holder in {*control, *_host_names(facts, control)}),
        at=f"lease {lease} in namespace kube-system",
        expected=f"held by one of {', '.join(control) or 'the servers'}, renewed repeatedly, at "
        f"most {leader.term:.0f} s ago",
        seen=f"held by {leader.holder or 'no holder'}, renewed {leader.age:.0f} s ago"
        f"{', and not during the run' * (leader.moved is False)}",
        likely=f"no {lease} runs, or none reaches the API",
        look=f"kubectl get lease -n kube-system {lease} -o yaml; on "
        f"{holder or 'a control-plane node'}: journalctl -u {lease} -n 50",
        code=Code.LEADER_NOT_ACTIVE,
    )


def _host_names(facts: Facts, nodes: list[str]) -> list[str]:
    """Return the host names of nodes, which may differ from their names in Kubernetes.

    The kubelet has an option for its name, the controllers have none: Nova, for example, truncates
    the names of servers to host names.
    """
    kernels = [
        view.machine.kernel
        for view in map(facts.view, nodes)
        if not isinstance(view.machine, Unavailable)
    ]
    known = [kernel for kernel in kernels if not isinstance(kernel, Unavailable)]
    return [kernel["kernel/hostname"] for kernel in known if "kernel/hostname" in kernel]


def test_dns_is_spread(facts: Facts, expected: Expectation) -> None:
    """The cluster DNS has several pods on different nodes, if there are several nodes."""
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
        likely="all pods were placed on the first node of the cluster and were not moved since",
        look="kubectl get pods -n kube-system -l k8s-app=kube-dns -o wide; kubectl rollout restart "
        "-n kube-system deployment/coredns",
        code=Code.DNS_NOT_SPREAD,
    )


# ---- paths to the API ----


def require_ready(facts: Facts, node: str, url: str, component: str) -> None:
    """Require that /readyz, called from the node with a pod's token, returns status 200.

    Raises:
        CheckFailed: it does not; ``component`` is named as the likely cause.
    """
    answer = answer_of(facts, node, url)
    code, likely = diagnose(answer, component)
    require(
        answer.token == 200,
        at=f"{node}: {url}/readyz with a pod's token",
        expected="HTTP 200",
        seen=answer.problem or f"HTTP {answer.token}",
        likely=likely,
        look=f"on {node}: curl --cacert /etc/kubernetes/pki/ca.crt {url}/readyz (401 means: up); "
        "on the server: journalctl -u kube-apiserver -n 50",
        code=code,
    )


def answer_of(facts: Facts, node: str, url: str) -> ApiAnswer:
    """Return the answer that the node got at the URL; skip if it sent no request there."""
    answers = value_or_skip(facts.view(node).api)
    if url not in answers:
        pytest.skip(f"{node}: no request was sent to {url}")
    return answers[url]


def diagnose(answer: ApiAnswer, component: str) -> tuple[Code, str]:
    """Return the kind of failure and the likely cause of a status other than 200."""
    if answer.token == 401:
        return Code.API_TOKEN_REJECTED, (
            "the server lacks the key that signed the token (service-accounts.pub)"
        )
    if answer.token == 0 and answer.anonymous:
        return Code.API_CERTIFICATE_INVALID, (
            "its certificate is signed by another authority or not valid for this address"
        )
    if answer.token == 0:
        return Code.API_UNREACHABLE, f"{component} does not run, or TCP to it is blocked"
    return Code.API_NOT_READY, (
        f"{component} is not ready: etcd, or a part of it that has not started"
    )


def endpoint_address(facts: Facts) -> str:
    """Return the address with which all nodes reach the API.

    Raises:
        CheckFailed: nodes use different addresses.
    """
    addresses = {
        name: urlsplit(view.endpoint).hostname or ""
        for name, view in facts.views.items()
        if not isinstance(view.endpoint, Unavailable)
    }
    if not addresses:
        value_or_skip(next(iter(facts.views.values())).endpoint)
    require(
        len(set(addresses.values())) == 1,
        at="address of the API in the kubeconfigs of kubelets",
        expected="the same on all nodes",
        seen=", ".join(f"{address} on {name}" for name, address in addresses.items()),
        likely="a node was created or updated while the cluster had another load balancer",
        look="on each node: grep server: /etc/kubernetes/kubelet.kubeconfig",
        code=Code.API_ADDRESS_INCONSISTENT,
    )
    return next(iter(addresses.values()))


def addresses_of(facts: Facts, node: str) -> set[str]:
    """Return the node's IPv4 addresses; skip or raise if they are unavailable."""
    links = facts.view(node).links
    if isinstance(links, Unavailable):
        value_or_skip(links)
        return set()
    return {address.partition("/")[0] for link in links.values() for address in link.addresses}
