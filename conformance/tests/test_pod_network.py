# SPDX-License-Identifier: Apache-2.0
"""Layer 4, the network: packets of any size reach pods and hosts, quickly and unchanged.

``test_pod_reaches_pod`` checks whether packets pass at all; where none do, the checks that need a
path are inconclusive.
"""

from itertools import permutations
from statistics import quantiles

import pytest

from conformance.codes import Code
from conformance.facts.expected import Expectation
from conformance.facts.model import Facts, SubnetEnv
from conformance.facts.network import Ping
from conformance.faults import detects
from conformance.outcome import InconclusiveError, Unavailable, require, value_or_skip
from conformance.support import back_ends, causes
from conformance.support.causes import Diagnosis
from conformance.support.iptables import POLICY, accepts
from conformance.support.prerequisites import least_of, paths, require_path

pytestmark = pytest.mark.network

LOSSY = Diagnosis(
    Code.PACKET_LOSS, "a full queue, a bad link or an unstable neighbour entry loses packets"
)
SLOW_MS, SLOW_TIMES = 100.0, 20.0  # slow: above both this and this multiple of fast paths


# ---- reachability ----


@detects(
    "vxlan-blocked",
    "vxlan-one-way",
    "vxlan-blocked-between-subnets",
    "vxlan-lossy",
    "ip-forward-off",
    "forward-policy-drop",
    "stale-fdb",
    "pod-addresses-dropped",
)
def test_pod_reaches_pod(facts: Facts, source: str, target: str) -> None:
    """A pod on the source node pings a pod on the target node."""
    ping = ping_to(facts, facts.view(source).pod_pings, source, target)
    found = causes.of_lost_ping(facts, source, target) if causes.is_lost(ping) else LOSSY
    require(
        ping.is_complete,
        at=f"{source} -> {target}: ping from pod to pod",
        expected="a reply to every request",
        seen=f"{ping.received} of {ping.sent}",
        likely=found.likely,
        look=f"on {source}: tcpdump -ni any {back_ends.of(facts).capture}; the same on {target}",
        code=found.code,
    )


@detects("vxlan-blocked", "vxlan-one-way", "vxlan-lossy", "ip-forward-off")
def test_host_reaches_pod(facts: Facts, host: str, peer: str) -> None:
    """A node pings a pod on each node, including itself."""
    ping = ping_to(facts, facts.view(host).host_pings, host, peer)
    require(
        ping.is_complete,
        at=f"{host} -> {peer}: ping from host to pod",
        expected="a reply to every request",
        seen=f"{ping.received} of {ping.sent}",
        likely="cni0 or the pod's link is down" if host == peer else "see test_pod_reaches_pod",
        look=f"on {host}: ip route get <pod>; ip -s link show {back_ends.of(facts).device}",
        code=Code.POD_UNREACHABLE if causes.is_lost(ping) else Code.PACKET_LOSS,
    )


def ping_to(facts: Facts, pings: dict[str, Ping] | Unavailable, source: str, target: str) -> Ping:
    """Return the ping from source to target.

    Raises:
        InconclusiveError: no probe runs on the target.
    """
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
        expected="replies",
        seen=f"{ping.received} of {ping.sent}",
        likely="cni0 is down, or the FORWARD chain drops packets of the bridge",
        look=f"on {node}: ip -s link show master cni0; iptables -S FORWARD",
        code=Code.POD_UNREACHABLE,
    )


@detects("ip-forward-off", "forward-policy-drop")
def test_pod_reaches_host(facts: Facts, host: str, peer: str) -> None:
    """A pod reaches the address of another node, if the hosts answer pings of each other."""
    between = paths(facts, host).host_pings
    if not isinstance(between, Unavailable) and peer in between and not between[peer].received:
        pytest.skip(f"{host} -> {peer}: hosts do not answer pings of each other (ICMP is closed)")
    ping = value_or_skip(paths(facts, host).hosts).get(peer)
    if ping is None:
        raise InconclusiveError(f"{host} -> {peer}: {peer} runs no probe")
    require(
        ping.received > 0,
        at=f"{host} -> {peer}: ping from a pod to the node's own address",
        expected="replies, as from host to host",
        seen=f"{ping.received} of {ping.sent}",
        likely=f"{host} does not masquerade packets that leave the pod network (flannel's "
        "--ip-masq), or does not forward them",
        look=f"on {host}: sysctl net.ipv4.ip_forward; iptables-save -t nat | grep -i flannel",
        code=Code.HOST_UNREACHABLE_FROM_POD,
    )


def test_pod_addresses_are_not_translated(facts: Facts, source: str, target: str) -> None:
    """Addresses between pods are not translated: a server sees the address of the client pod."""
    require_path(facts, source, target)
    own = value_or_skip(paths(facts, source).own).address
    seen = value_or_skip(paths(facts, source).seen_as).get(target)
    if seen is None:
        raise InconclusiveError(f"{source} -> {target}: the pod on {target} did not answer by HTTP")
    require(
        seen == own,
        at=f"{source} -> {target}: client address that the pod on {target} sees",
        expected=f"{own}, the address of the client pod",
        seen=seen,
        likely=f"{source} also masquerades traffic between pods (SNAT)",
        look=f"on {source}: iptables-save -t nat | grep -e MASQUERADE -e SNAT",
        code=Code.POD_ADDRESS_TRANSLATED,
    )


# ---- packet size and latency ----


@detects("mtu-too-big")
def test_full_frames_pass(facts: Facts, source: str, target: str) -> None:
    """Packets as large as the pod's MTU reach the other pod without fragmentation."""
    require_path(facts, source, target)
    sent = value_or_skip(paths(facts, source).frames)
    if target not in sent or not sent[target].sent:
        why = sent[target].problem if target in sent else f"{target} runs no probe"
        raise InconclusiveError(f"{source} -> {target}: full-size packets were not sent: {why}")
    frames = sent[target]
    require(
        frames.received > 0,
        at=f"{source} -> {target}: {frames.size} bytes from pod to pod, without fragmentation",
        expected="replies, as for small packets",
        seen=f"{frames.received} of {frames.sent}" + (f": {frames.problem}" * bool(frames.problem)),
        likely=f"the MTU of pods on {source} is greater than that of the network between the "
        f"nodes, less {back_ends.of(facts).overhead} bytes for flannel's back end",
        look=f"on {source}: cat /run/flannel/subnet.env; ip link show; openstack network show",
        code=Code.FULL_SIZE_PACKETS_LOST,
    )


@detects("mtu-too-big")
def test_pods_have_the_same_mtu_on_all_nodes(facts: Facts, node: str) -> None:
    """Pods have the same MTU on all nodes, and it is the one that flannel configured."""
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
        expected=f"{wanted}, as in flannel's configuration and on other nodes",
        seen=f"{own.mtu}, while flannel configured {getattr(planned, 'mtu', 'nothing')}; "
        + ", ".join(f"{name} {mtu}" for name, mtu in others.items() if name != node),
        likely="the node's interface started with another MTU, or the bridge has an old MTU",
        look=f"on {node}: ip link show; cat /run/flannel/subnet.env /etc/cni/net.d/*",
        code=Code.POD_MTU_WRONG,
    )


def test_mtu_leaves_room_for_encapsulation(facts: Facts, node: str) -> None:
    """Packets of pods and of flannel's device fit the node's interface with outer headers."""
    links, own = value_or_skip(facts.view(node).links), value_or_skip(paths(facts, node).own)
    used = back_ends.of(facts)
    if not used.name:
        pytest.skip("flannel's back end is not known: no leases and no device of flannel")
    under = back_ends.underlay(facts, node)
    if under is None:
        address = facts.nodes[node].address
        raise InconclusiveError(f"{node}: no device has the node's address {address}")
    name, room = under[0], under[1].mtu
    sizes = {"pods": own.mtu}
    if used.device in links:
        sizes = {used.device: links[used.device].mtu, **sizes}
    require(
        max(sizes.values()) + used.overhead <= room,
        at=f"{node}: MTU of {' and of '.join(sizes)}",
        expected=f"at most {room - used.overhead}, as {name} has {room}",
        seen=", ".join(map(str, sizes.values())),
        likely=f"the MTU of {name} was lowered after flanneld had started",
        look=f"on {node}: ip link show; systemctl restart flanneld",
        code=Code.MTU_TOO_LARGE,
    )


@detects("vxlan-slow")
def test_latency_is_similar_on_all_paths(facts: Facts, source: str, target: str) -> None:
    """The latency of a path is not many times that of other paths between pods."""
    require_path(facts, source, target)
    least = least_of(facts, source, target)
    if least is None:
        raise InconclusiveError(f"{source} -> {target}: no ping was timed")
    times = [least_of(facts, a, b) for a, b in permutations(facts.views, 2)]
    timed = sorted(ms for ms in times if ms is not None)
    quick = quantiles(timed, n=4)[0] if len(timed) > 1 else timed[0]
    limit = max(SLOW_MS, SLOW_TIMES * quick)
    require(
        least <= limit,
        at=f"{source} -> {target}: shortest round trip from pod to pod",
        expected=f"at most {limit:.1f} ms; a quarter of all paths need at most {quick:.1f} ms",
        seen=f"{least:.1f} ms",
        likely="a full queue, a tunnel through a distant host, or a busy machine on this path",
        look=f"on {source}: ping and traceroute the other node; ip -s link show",
        code=Code.PATH_SLOW,
    )


# ---- packet filters of the kernel ----


@detects("bridge-netfilter-off")
def test_bridged_packets_pass_iptables(facts: Facts, node: str) -> None:
    """Packets between pods of one node pass the iptables rules of services."""
    links, sysctls = value_or_skip(facts.view(node).links), value_or_skip(facts.view(node).sysctls)
    if "cni0" not in links:
        pytest.skip(f"{node}: pods are not connected to a bridge cni0")
    seen = sysctls.get("net/bridge/bridge-nf-call-iptables")
    require(
        seen == "1",
        at=f"{node}: /proc/sys/net/bridge/bridge-nf-call-iptables",
        expected="1",
        seen=seen or "no such file: the module br_netfilter is not loaded",
        likely="the module or the setting was lost at boot: replies of a service whose pod is on "
        "the client's node have the address of the pod instead of the service",
        look=f"on {node}: modprobe br_netfilter; sysctl net.bridge.bridge-nf-call-iptables=1",
        code=Code.BRIDGE_NETFILTER_OFF,
    )


@detects("forward-policy-drop")
def test_forward_chain_accepts_pod_traffic(facts: Facts, expected: Expectation, node: str) -> None:
    """The FORWARD chain accepts by default or has rules that accept the pod network."""
    rules = value_or_skip(paths(facts, node).forward)
    env = facts.view(node).subnet_env
    pods = expected.networks.get("pods") or (env.network if isinstance(env, SubnetEnv) else "")
    if not pods:
        pytest.skip("the pod network is unknown")
    policy = next((each for each in rules if each.startswith(POLICY)), "none")
    both = [any(accepts(rule, option, pods) for rule in rules) for option in ("-s", "-d")]
    require(
        policy == f"{POLICY}ACCEPT" or all(both),
        at=f"{node}: iptables chain FORWARD",
        expected=f"policy ACCEPT, or rules that accept from and to {pods}",
        seen=f"{policy}; from pods {both[0]}, to pods {both[1]}",
        likely="Docker or a firewall set the policy to DROP, and flanneld's own rules are missing",
        look=f"on {node}: iptables -S FORWARD; systemctl restart flanneld",
        code=Code.FORWARD_CHAIN_DROPS,
    )
