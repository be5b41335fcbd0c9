# SPDX-License-Identifier: Apache-2.0
"""Layer 4, the network: packets of any size reach pods and hosts, as quick as others, unchanged.

Whether packets pass at all is judged by `test_pod_reaches_pod`; where none do, the checks that
need a path are inconclusive.
"""

from itertools import permutations
from statistics import quantiles

import pytest

from conformance.facts.expected import Expectation
from conformance.facts.model import Facts, SubnetEnv
from conformance.facts.network import Ping
from conformance.faults import detects
from conformance.outcome import InconclusiveError, Unavailable, require, value_or_skip
from conformance.support import causes
from conformance.support.iptables import POLICY, accepts
from conformance.support.prerequisites import least_of, paths, require_path

pytestmark = pytest.mark.network

LOSSY = "packets are lost on the way: a full queue, a bad link, or a dying neighbour entry"
OVERHEAD = 50  # bytes that VXLAN puts around a frame, over IPv4
SLOW_MS, SLOW_TIMES = 100.0, 20.0  # slower than both: this and so many times a quick way of others


# ---- who reaches whom ----


@detects(
    "vxlan-blocked",
    "vxlan-one-way",
    "vxlan-blocked-between-subnets",
    "ip-forward-off",
    "forward-policy-drop",
    "stale-fdb",
    "pod-addresses-dropped",
)
def test_pod_reaches_pod(facts: Facts, source: str, target: str) -> None:
    """A pod on the source node pings a pod on the target node."""
    ping = ping_to(facts, facts.view(source).pod_pings, source, target)
    require(
        ping.is_complete,
        at=f"{source} -> {target}: ping from pod to pod",
        expected="every echo comes back",
        seen=f"{ping.received} of {ping.sent}",
        likely=causes.of_lost_ping(facts, source, target) if causes.is_lost(ping) else LOSSY,
        look=f"on {source}: tcpdump -ni any udp port 8472; the same on {target}",
    )


@detects("vxlan-blocked", "vxlan-one-way", "ip-forward-off")
def test_host_reaches_pod(facts: Facts, host: str, peer: str) -> None:
    """A node itself pings a pod on each node, its own included."""
    ping = ping_to(facts, facts.view(host).host_pings, host, peer)
    require(
        ping.is_complete,
        at=f"{host} -> {peer}: ping from host to pod",
        expected="every echo comes back",
        seen=f"{ping.received} of {ping.sent}",
        likely="cni0 or the pod's link is down" if host == peer else "see test_pod_reaches_pod",
        look=f"on {host}: ip route get <pod>; ip -s link show flannel.1",
    )


def ping_to(facts: Facts, pings: dict[str, Ping] | Unavailable, source: str, target: str) -> Ping:
    """The ping from source to target; without a probe on the target there was nothing to ping."""
    sent = value_or_skip(pings)
    if target not in sent:
        value_or_skip(facts.view(target).pod_pings)
        raise InconclusiveError(f"{source} -> {target}: no probe had an address on {target}")
    return sent[target]


@detects("forward-policy-drop")
def test_pod_reaches_its_neighbour(facts: Facts, node: str) -> None:
    """Two pods of one node reach each other."""
    ping = value_or_skip(paths(facts, node).neighbour)
    require(
        ping.received > 0,
        at=f"{node}: ping from pod to pod of the same node",
        expected="echoes come back",
        seen=f"{ping.received} of {ping.sent}",
        likely="cni0 is down, or the FORWARD chain drops what the bridge passes on",
        look=f"on {node}: ip -s link show master cni0; iptables -S FORWARD",
    )


@detects("ip-forward-off", "forward-policy-drop")
def test_pod_reaches_host(facts: Facts, host: str, peer: str) -> None:
    """A pod on the one node reaches the other node itself, where hosts answer each other."""
    between = paths(facts, host).host_pings
    if not isinstance(between, Unavailable) and peer in between and not between[peer].received:
        pytest.skip(f"{host} -> {peer}: hosts answer no echo of each other (ICMP is closed)")
    ping = value_or_skip(paths(facts, host).hosts).get(peer)
    if ping is None:
        raise InconclusiveError(f"{host} -> {peer}: {peer} runs no probe")
    require(
        ping.received > 0,
        at=f"{host} -> {peer}: ping from a pod to the node's own address",
        expected="echoes come back, as they do from host to host",
        seen=f"{ping.received} of {ping.sent}",
        likely=f"{host} does not masquerade what leaves the pods' network (flannel's --ip-masq), "
        "or does not forward it",
        look=f"on {host}: sysctl net.ipv4.ip_forward; iptables-save -t nat | grep -i flannel",
    )


def test_pod_is_seen_by_its_own_address(facts: Facts, source: str, target: str) -> None:
    """Between pods no address is translated: each sees the very address of the other."""
    require_path(facts, source, target)
    own = value_or_skip(paths(facts, source).own).address
    seen = value_or_skip(paths(facts, source).seen_as).get(target)
    if seen is None:
        raise InconclusiveError(f"{source} -> {target}: the pod on {target} did not answer by HTTP")
    require(
        seen == own,
        at=f"{source} -> {target}: the client as the pod on {target} sees it",
        expected=f"{own}, the asking pod",
        seen=seen,
        likely=f"{source} masquerades traffic between pods, too (SNAT)",
        look=f"on {source}: iptables-save -t nat | grep -e MASQUERADE -e SNAT",
    )


# ---- how large, how quick ----


@detects("mtu-too-big")
def test_full_frames_pass(facts: Facts, source: str, target: str) -> None:
    """Packets as large as the pod's MTU allows reach the other pod and return in one piece."""
    require_path(facts, source, target)
    sent = value_or_skip(paths(facts, source).frames)
    if target not in sent or not sent[target].sent:
        why = sent[target].problem if target in sent else f"{target} runs no probe"
        raise InconclusiveError(f"{source} -> {target}: full frames were not sent: {why}")
    frames = sent[target]
    require(
        frames.received > 0,
        at=f"{source} -> {target}: {frames.size} bytes from pod to pod, not to be broken up",
        expected="echoes come back, as small ones do",
        seen=f"{frames.received} of {frames.sent}" + (f": {frames.problem}" * bool(frames.problem)),
        likely=f"the MTU of pods on {source} is greater than what the network between the nodes "
        f"carries, less {OVERHEAD} bytes for VXLAN",
        look=f"on {source}: cat /run/flannel/subnet.env; ip link show; openstack network show",
    )


@detects("mtu-too-big")
def test_pods_have_the_mtu_of_others(facts: Facts, node: str) -> None:
    """Pods have one MTU on all nodes, and it is what flannel planned."""
    own = value_or_skip(paths(facts, node).own)
    planned = facts.view(node).subnet_env
    views = {name: view.paths for name, view in facts.views.items()}
    others = {
        name: path.own.mtu
        for name, path in views.items()
        if not isinstance(path, Unavailable) and not isinstance(path.own, Unavailable)
    }
    usual = min(others.values(), key=lambda mtu: (-list(others.values()).count(mtu), mtu))
    wanted = min(usual, planned.mtu) if isinstance(planned, SubnetEnv) else usual
    require(
        own.mtu == wanted,
        at=f"{node}: MTU of its pods",
        expected=f"{wanted}, as flannel planned it and as on other nodes",
        seen=f"{own.mtu}, while flannel planned {getattr(planned, 'mtu', 'nothing')}; "
        + ", ".join(f"{name} {mtu}" for name, mtu in others.items() if name != node),
        likely="the node's own interface came up with another MTU, or the bridge is of an old plan",
        look=f"on {node}: ip link show; cat /run/flannel/subnet.env /etc/cni/net.d/*",
    )


def test_mtu_leaves_room_for_vxlan(facts: Facts, node: str) -> None:
    """A packet of flannel.1, or of a pod, and VXLAN's own bytes fit the node's interface."""
    links, own = value_or_skip(facts.view(node).links), value_or_skip(paths(facts, node).own)
    if "flannel.1" not in links:
        pytest.skip(f"{node}: there is no device flannel.1")
    address = facts.nodes[node].address
    under = {
        name: link.mtu
        for name, link in links.items()
        if any(own.split("/")[0] == address for own in link.addresses)
    }
    if not under:
        raise InconclusiveError(f"{node}: no device has the node's address {address}")
    name, room = next(iter(under.items()))
    large = max(own.mtu, links["flannel.1"].mtu)
    require(
        large + OVERHEAD <= room,
        at=f"{node}: MTU of flannel.1 and of pods",
        expected=f"{room - OVERHEAD} at most, for {name} has {room}",
        seen=f"{links['flannel.1'].mtu}, {own.mtu}",
        likely=f"the MTU of {name} was lowered after flanneld had started",
        look=f"on {node}: ip link show; systemctl restart flanneld",
    )


def test_way_is_about_as_quick_as_others(facts: Facts, source: str, target: str) -> None:
    """No way takes many times as long as ways between other pods of the cluster."""
    require_path(facts, source, target)
    least = least_of(facts, source, target)
    if least is None:
        raise InconclusiveError(f"{source} -> {target}: no echo was timed")
    times = [least_of(facts, a, b) for a, b in permutations(facts.views, 2)]
    timed = sorted(ms for ms in times if ms is not None)
    quick = quantiles(timed, n=4)[0] if len(timed) > 1 else timed[0]
    limit = max(SLOW_MS, SLOW_TIMES * quick)
    require(
        least <= limit,
        at=f"{source} -> {target}: the quickest echo from pod to pod",
        expected=f"{limit:.1f} ms at most; a quarter of all ways take no more than {quick:.1f} ms",
        seen=f"{least:.1f} ms",
        likely="this way is another one: a full queue, a tunnel through a far host, a busy machine",
        look=f"on {source}: ping and traceroute the other node; ip -s link show",
    )


# ---- what the kernel does with them ----


@detects("bridge-netfilter-off")
def test_bridge_shows_packets_to_the_rules(facts: Facts, node: str) -> None:
    """What passes between pods of one node is seen by the services' rules, too."""
    links, sysctls = value_or_skip(facts.view(node).links), value_or_skip(facts.view(node).sysctls)
    if "cni0" not in links:
        pytest.skip(f"{node}: pods hang on no bridge cni0")
    seen = sysctls.get("net/bridge/bridge-nf-call-iptables")
    require(
        seen == "1",
        at=f"{node}: /proc/sys/net/bridge/bridge-nf-call-iptables",
        expected="1",
        seen=seen or "no such file: the module br_netfilter is not loaded",
        likely="the module or the setting is missing since boot: answers of a service whose pod is "
        "on the asking pod's node come from an address that nobody asked",
        look=f"on {node}: modprobe br_netfilter; sysctl net.bridge.bridge-nf-call-iptables=1",
    )


@detects("forward-policy-drop")
def test_forward_chain_lets_pods_through(facts: Facts, expected: Expectation, node: str) -> None:
    """The chain FORWARD accepts by default, or has a rule that accepts the pods' network."""
    rules = value_or_skip(paths(facts, node).forward)
    env = facts.view(node).subnet_env
    pods = expected.networks.get("pods") or (env.network if isinstance(env, SubnetEnv) else "")
    if not pods:
        pytest.skip("nobody says which network is the pods'")
    policy = next((each for each in rules if each.startswith(POLICY)), "none")
    both = [any(accepts(rule, way, pods) for rule in rules) for way in ("-s", "-d")]
    require(
        policy == f"{POLICY}ACCEPT" or all(both),
        at=f"{node}: iptables' chain FORWARD",
        expected=f"policy ACCEPT, or rules that accept from and to {pods}",
        seen=f"{policy}; from pods {both[0]}, to pods {both[1]}",
        likely="Docker or a firewall set the policy to DROP, and flanneld's own rules are missing",
        look=f"on {node}: iptables -S FORWARD; systemctl restart flanneld",
    )
