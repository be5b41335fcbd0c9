# SPDX-License-Identifier: Apache-2.0
"""Checks of packets, connections and names: each alteration fails exactly its checks."""

import pytest

from conformance.codes import Code
from tests.conformance import healthy
from tests.conformance.alteration import Case, Cases, Json, Replay

CONTROL, ONE, TWO = healthy.NODES

OTHERS = [name for name in healthy.NODES if name != ONE]

LOST: Json = {"sent": 5, "received": 0, "ms": None, "least": None}

REPLICA = healthy.NODES[TWO].pod

PATH = f"{ONE} -> {TWO}"

CASES = Cases(healthy.NODES)

breaks = CASES.breaks


@breaks(
    {
        f"test_lease_address_is_in_the_node_network[{ONE}]": Code.FLANNEL_LEASE_ADDRESS_WRONG,
        f"test_node_has_one_lease[{ONE}]": Code.FLANNEL_LEASE_MISSING,
    },
    at=ONE,
    values=("203.0.113.20",),
)
def _lease_of_a_public_address(facts: Json) -> None:
    facts["views"][CONTROL]["leases"][1]["public_ip"] = "203.0.113.20"


@breaks(
    {f"test_lease_is_renewed[{ONE}]": Code.FLANNEL_LEASE_NOT_RENEWED},
    at=f"{ONE}: ",
    values=("10.244.2.0/24", "0 s"),
)
def _lease_expired(facts: Json) -> None:
    facts["views"][CONTROL]["paths"]["lease_seconds"]["10.244.2.0/24"] = 0


@breaks({f"test_pod_reaches_its_neighbour[{ONE}]": Code.POD_UNREACHABLE}, at=ONE)
def _neighbours_cannot_reach_each_other(facts: Json) -> None:
    facts["views"][ONE]["paths"]["neighbour"] = LOST


@breaks({f"test_pod_reaches_host[{ONE}->{TWO}]": Code.HOST_UNREACHABLE_FROM_POD}, at=PATH)
def _host_out_of_reach(facts: Json) -> None:
    facts["views"][ONE]["paths"]["hosts"][TWO] = LOST


@breaks(
    {f"test_pod_addresses_are_not_translated[{ONE}->{TWO}]": Code.POD_ADDRESS_TRANSLATED},
    at=PATH,
    values=("192.0.2.20",),
)
def _pods_masqueraded(facts: Json) -> None:
    facts["views"][ONE]["paths"]["seen_as"][TWO] = "192.0.2.20"


@breaks(
    {f"test_full_frames_pass[{ONE}->{name}]": Code.FULL_SIZE_PACKETS_LOST for name in OTHERS},
    at=ONE,
    values=("1500 bytes",),
)
def _packets_too_large(facts: Json) -> None:
    for name in OTHERS:
        frames = {"size": 1500, "sent": 3, "received": 0, "problem": "message too long"}
        facts["views"][ONE]["paths"]["frames"][name] = frames


@breaks(
    {
        f"test_pods_have_the_same_mtu_on_all_nodes[{ONE}]": Code.POD_MTU_WRONG,
        f"test_mtu_leaves_room_for_encapsulation[{ONE}]": Code.MTU_TOO_LARGE,
    },
    at=ONE,
    values=("1500", "1450"),
)
def _mtu_of_its_own(facts: Json) -> None:
    facts["views"][ONE]["paths"]["own"]["mtu"] = 1500


@breaks(
    {f"test_latency_is_similar_on_all_paths[{ONE}->{TWO}]": Code.PATH_SLOW},
    at=PATH,
    values=("310.0 ms",),
)
def _detour(facts: Json) -> None:
    facts["views"][ONE]["pod_pings"][TWO] |= {"ms": 320.0, "least": 310.0}


@breaks(
    {f"test_bridged_packets_pass_iptables[{ONE}]": Code.BRIDGE_NETFILTER_OFF},
    at=f"{ONE}: /proc/sys/net/bridge/bridge-nf-call-iptables",
)
def _bridge_without_rules(facts: Json) -> None:
    del facts["views"][ONE]["sysctls"]["net/bridge/bridge-nf-call-iptables"]


@breaks({f"test_forward_chain_accepts_pod_traffic[{ONE}]": Code.FORWARD_CHAIN_DROPS}, at=ONE)
def _forward_without_flannel(facts: Json) -> None:
    paths = facts["views"][ONE]["paths"]
    paths["forward"] = paths["forward"][:1]


DELAYED = {
    f"test_service_on_another_node_answers_at_once[{ONE}->{TWO}]": Code.SERVICE_CONNECTION_DELAYED
}


@breaks(DELAYED, at=PATH, values=("9300 ms",))
def _first_packets_lost(facts: Json) -> None:
    silent = {"said": "", "tries": 3, "ms": 9300, "problem": "no answer in 3 s"}
    facts["views"][ONE]["paths"]["direct"][TWO] = silent


@breaks(DELAYED, at=PATH, values=("63000 ms",))
def _late_answer(facts: Json) -> None:
    facts["views"][ONE]["paths"]["direct"][TWO]["ms"] = 63000


@breaks(
    {f"test_service_on_the_same_node_answers[{ONE}]": Code.SERVICE_UNREACHABLE_ON_SAME_NODE},
    at=ONE,
    values=("reset by peer",),
)
def _neighbour_behind_its_service(facts: Json) -> None:
    facts["views"][ONE]["paths"]["direct"][ONE] |= {"said": "", "problem": "reset by peer"}


@breaks({f"test_pod_reaches_itself_by_its_service[{ONE}]": Code.HAIRPIN_OFF}, at=ONE)
def _hairpin_off(facts: Json) -> None:
    facts["views"][ONE]["paths"]["itself"] |= {"said": "", "problem": "no answer in 3 s"}


@breaks(
    {f"test_service_without_pods_refuses_at_once[{ONE}]": Code.EMPTY_SERVICE_NOT_REJECTED},
    at=ONE,
    values=("9000 ms",),
)
def _empty_service_hangs(facts: Json) -> None:
    facts["views"][ONE]["paths"]["nobody"] |= {"problem": "no answer in 3 s", "ms": 9000}


@breaks(
    {f"test_session_affinity_is_honoured[{ONE}]": Code.SESSION_AFFINITY_LOST},
    at=ONE,
    values=("probe-net-y",),
)
def _client_gets_another_pod(facts: Json) -> None:
    facts["views"][ONE]["paths"]["sticky"][7] = "probe-net-y"


@breaks(
    {f"test_service_answers_every_request[{ONE}]": Code.SERVICE_REQUESTS_FAIL},
    at=ONE,
    values=("1 failed",),
)
def _one_request_of_many(facts: Json) -> None:
    facts["views"][ONE]["paths"]["requests"] |= {"failed": 1, "problem": "no answer in 4 s"}


@breaks(
    {f"test_node_port_preserves_the_client_address[{ONE}->{TWO}]": Code.CLIENT_ADDRESS_LOST},
    at=PATH,
    values=("10.244.3.1:40000",),
)
def _client_masqueraded(facts: Json) -> None:
    facts["views"][ONE]["paths"]["outside"][TWO]["said"] = "10.244.3.1:40000"


@breaks(
    {f"test_node_port_preserves_the_client_address[{ONE}->{TWO}]": Code.NODE_PORT_UNREACHABLE},
    at=PATH,
    values=("no answer in 3 s",),
)
def _local_node_port_closed(facts: Json) -> None:
    silent = {"said": "", "problem": "no answer in 3 s"}
    facts["views"][ONE]["paths"]["outside"][TWO] |= silent


@breaks(
    {f"test_every_dns_replica_answers[{ONE}]": Code.DNS_NO_ANSWER},
    at=ONE,
    values=(f"coredns-{TWO} on {TWO}",),
)
def _replica_silent(facts: Json) -> None:
    silent = {"ms": [], "failed": 1, "problem": "timed out"}
    facts["views"][ONE]["paths"]["queries"][REPLICA] = silent


@breaks(
    {f"test_every_dns_replica_answers_in_time[{ONE}]": Code.DNS_SLOW},
    at=ONE,
    values=(f"coredns-{TWO} on {TWO}", "5010"),
)
def _replica_late_once(facts: Json) -> None:
    queries = {"ms": [2, 5010, 2], "failed": 0, "problem": ""}
    facts["views"][ONE]["paths"]["queries"][REPLICA] = queries


@breaks(
    {f"test_dns_answers_at_its_service[{ONE}]": Code.DNS_NO_ANSWER}, at=f"{ONE}: ",
    values=(healthy.DNS,),
)  # fmt: skip
def _dns_fails_sometimes(facts: Json) -> None:
    queries = {"ms": [2], "failed": 1, "problem": "timed out"}
    facts["views"][ONE]["paths"]["queries"][healthy.DNS] = queries


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_alteration_fails_its_checks(replay: Replay, case: Case) -> None:
    """Exactly the declared checks fail, with their codes and places."""
    CASES.verify(replay, case)
