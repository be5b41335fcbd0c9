# SPDX-License-Identifier: Apache-2.0
"""The judges: sound facts are all green, and each alteration turns exactly its own checks red."""

import json
import re
from pathlib import Path

import pytest

from conformance.facts.network import Ping
from tests.conformance import healthy
from tests.conformance.alteration import Case, Cases, Json, Replay
from tests.conformance.conftest import SuiteRun

RECORDED = Path(__file__).parents[1] / "recorded"
CONTROL, ONE, TWO = healthy.NODES
MOOT = "no packet passes (see test_pod_reaches_pod"
BETWEEN = [(a, b) for a in healthy.NODES for b in healthy.NODES if a != b]


def test_sound_cluster_is_green(replay: Replay) -> None:
    """Nothing is wrong with a sound cluster, and all that needs no living one is judged."""
    verdicts = replay(healthy.facts())
    assert verdicts.exit_status == 0, verdicts.printed
    assert not verdicts.failed
    assert not verdicts.errors
    assert len(verdicts.passed) > 190
    assert_skipped_for(verdicts, "recording", "no node runs Docker", "virtual address")


def test_sound_house_is_green(replay: Replay) -> None:
    """Three of the control plane, a worker of each runtime: sound, and all of it is judged."""
    verdicts = replay(healthy.facts(healthy.HA_NODES))
    assert verdicts.exit_status == 0, verdicts.printed
    assert not verdicts.failed
    assert not verdicts.errors
    assert len(verdicts.passed) > 420
    assert_skipped_for(verdicts, "recording")


def assert_skipped_for(verdicts: SuiteRun, *reasons: str) -> None:
    """Each skip has one of these reasons."""
    for name, said in verdicts.skipped.items():
        assert any(reason in said for reason in reasons), (name, said)


def test_recorded_cluster_is_green(replay: Replay) -> None:
    """The facts of a real cluster, kept with --save-facts, are judged sound."""
    verdicts = replay(json.loads((RECORDED / "demo.json").read_text()))
    assert verdicts.exit_status == 0, verdicts.printed
    assert len(verdicts.passed) > 90


def test_recording_holds_no_secret() -> None:
    """Kept facts may be shown to anybody: no key, certificate or token is in them."""
    for recording in RECORDED.glob("*.json"):
        text = recording.read_text()
        assert not re.search(r"BEGIN|eyJ[A-Za-z0-9]|[A-Za-z0-9+/]{60}", text), recording


def test_an_election_between_two_answers_is_no_failure(replay: Replay) -> None:
    """The member that was asked before it names another leader and term, and later the same."""
    facts = healthy.facts(healthy.HA_NODES)
    first = facts["views"][next(iter(healthy.HA_NODES))]["etcd"]["status"]
    first.update(leader="9", term=first["term"] - 1)
    verdicts = replay(facts, "-k", "leader or elections")
    assert verdicts.exit_status == 0, verdicts.printed
    assert len(verdicts.passed) >= 9


def test_an_echo_on_its_way_is_no_loss() -> None:
    """Ping ends with the fifth reply, when a request too many may have left already."""
    whole = [Ping(5, 5, 0.1), Ping(6, 5, 900.0), Ping(3, 3, 0.1)]
    lossy = [Ping(7, 5, 0.1), Ping(5, 4, 0.1), Ping(3, 2, 0.1), Ping(25, 0, None)]
    assert all(ping.is_complete for ping in whole)
    assert not any(ping.is_complete for ping in lossy)


# ---- alterations: each breaks one thing in sound facts ----


CASES = Cases(healthy.NODES)
breaks = CASES.breaks


@breaks(f"test_expected_node_is_registered[{TWO}]", says=(TWO, "journalctl -u kubelet"))
def _node_missing(facts: Json) -> None:
    for part in ("nodes", "views"):
        del facts[part][TWO]
    address = healthy.NODES[TWO].address
    control = facts["views"][CONTROL]
    control["leases"] = [each for each in control["leases"] if each["public_ip"] != address]


@breaks(f"test_node_has_expected_address_and_role[{ONE}]", says=(ONE, "192.0.2.99"))
def _node_with_another_address(facts: Json) -> None:
    facts["expected"]["nodes"][ONE]["address"] = "192.0.2.99"


@breaks(
    f"test_node_has_expected_address_and_role[{CONTROL}]",
    f"test_no_taint_is_left_over[{CONTROL}]",  # without the role its taint is nobody's
    says=("control",),
)
def _node_without_its_role(facts: Json) -> None:
    facts["nodes"][CONTROL]["roles"] = []


@breaks(f"test_node_is_expected[{TWO}]", says=(TWO,))
def _node_unexpected(facts: Json) -> None:
    del facts["expected"]["nodes"][TWO]


@breaks(f"test_node_is_ready[{ONE}]", says=(ONE, "no word"), unasked="no word")
def _node_not_ready(facts: Json) -> None:
    silent = dict.fromkeys(("Ready", "DiskPressure"), "NodeStatusUnknown: no word")
    facts["nodes"][ONE] |= {"ready": False, "reasons": silent}


@breaks(says=(), unasked="the API does not tell")
def _node_untold(facts: Json) -> None:
    reasons = {"Ready": "NodeStatusUnknown: the API does not tell"}
    facts["nodes"][ONE] |= {"ready": False, "reasons": reasons, "kubelet": "", "runtime": ""}


@breaks(f"test_node_is_not_under_pressure[{ONE}]", says=(ONE, "DiskPressure: ", "full"))
def _disk_pressure(facts: Json) -> None:
    facts["nodes"][ONE]["reasons"] = {"DiskPressure": "KubeletHasDiskPressure: full"}


@breaks(f"test_node_runs_expected_kubernetes[{ONE}]", says=("1.36.3",))
def _kubelet_of_another_version(facts: Json) -> None:
    facts["nodes"][ONE]["kubelet"] = "v1.36.3"


@breaks(f"test_node_runs_expected_runtime[{ONE}]", says=("1.6.20",))
def _runtime_of_another_version(facts: Json) -> None:
    facts["nodes"][ONE]["runtime"] = "containerd://1.6.20"


@breaks(f"test_units_are_active[{ONE}]", says=("flanneld failed", "-u flanneld"))
def _unit_failed(facts: Json) -> None:
    facts["views"][ONE]["units"]["flanneld"] = {
        "load": "loaded",
        "active": "failed",
        "sub": "failed",
    }


@breaks(f"test_node_forwards_packets[{ONE}]", says=(ONE, "ip_forward"))
def _forwarding_off(facts: Json) -> None:
    facts["views"][ONE]["sysctls"]["net/ipv4/ip_forward"] = "0"


@breaks(f"test_member_is_healthy[{CONTROL}]", says=("context deadline",))
def _etcd_unhealthy(facts: Json) -> None:
    facts["views"][CONTROL]["etcd"]["health"] = {"healthy": False, "problem": "context deadline"}


@breaks(
    f"test_member_knows_the_common_leader[{CONTROL}]",
    f"test_leader_stays[{CONTROL}]",
    says=("leader", " 0"),
)
def _etcd_without_leader(facts: Json) -> None:
    for part in ("status", "later"):
        facts["views"][CONTROL]["etcd"][part]["leader"] = "0"


@breaks(f"test_no_alarm_is_raised[{CONTROL}]", says=("NOSPACE", "disarm"))
def _etcd_alarm(facts: Json) -> None:
    facts["views"][CONTROL]["etcd"]["alarms"] = ["NOSPACE on member 7"]


@breaks(
    f"test_members_are_the_expected_ones[{CONTROL}]",
    f"test_voters_are_odd[{CONTROL}]",
    says=("not started",),
)
def _etcd_member_never_started(facts: Json) -> None:
    member = {"id": "8", "name": "", "client_urls": [], "learner": False}
    facts["views"][CONTROL]["etcd"]["members"].append(member)


@breaks(
    f"test_members_are_the_expected_ones[{CONTROL}]",
    f"test_no_learner_is_left[{CONTROL}]",
    says=("not started", "learner"),
)
def _etcd_learner_never_started(facts: Json) -> None:
    member = {"id": "8", "name": "", "client_urls": [], "learner": True}
    facts["views"][CONTROL]["etcd"]["members"].append(member)


@breaks(
    f"test_member_runs[{CONTROL}]",
    says=(CONTROL, "no such process"),
    unasked="see test_member_runs",
)
def _etcd_gone(facts: Json) -> None:
    facts["views"][CONTROL]["etcd"] = None


@breaks(f"test_stranger_is_refused[{CONTROL}]", says=("--client-cert-auth",))
def _etcd_open_to_strangers(facts: Json) -> None:
    facts["views"][CONTROL]["etcd"]["doors"]["no_certificate"] = 200


@breaks(f"test_stranger_is_refused[{CONTROL}]", says=("192.0.2.10:2479 over plain HTTP",))
def _etcd_open_at_another_port(facts: Json) -> None:
    entrances = facts["views"][CONTROL]["etcd"]["running"]["entrances"]
    entrances["192.0.2.10:2479"] = {"plain": 200, "stranger": 0}


@breaks(f"test_stranger_is_refused[{CONTROL}]", says=("HTTP 0 with,",))
def _etcd_refuses_everybody(facts: Json) -> None:
    facts["views"][CONTROL]["etcd"]["doors"]["certificate"] = 0


@breaks(f"test_plain_http_is_refused[{CONTROL}]", says=("http://",))
def _etcd_over_plain_http(facts: Json) -> None:
    facts["views"][CONTROL]["etcd"]["doors"]["plain"] = 200


@breaks(f"test_node_has_one_lease[{ONE}]", says=(ONE, "flanneld"))
def _lease_missing(facts: Json) -> None:
    del facts["views"][CONTROL]["leases"][1]


@breaks(
    f"test_lease_overlaps_no_other[{ONE}]",
    f"test_lease_overlaps_no_other[{TWO}]",
    says=("10.244.2.0/24",),
)
def _lease_twice(facts: Json) -> None:
    facts["views"][CONTROL]["leases"][2]["subnet"] = "10.244.2.0/24"
    facts["views"][TWO]["subnet_env"]["subnet"] = "10.244.2.1/24"
    facts["views"][TWO]["links"]["cni0"]["addresses"] = ["10.244.2.1/24"]
    facts["pods"] = [pod for pod in facts["pods"] if pod["node"] != TWO]
    for source in (CONTROL, ONE):
        view = facts["views"][source]
        view["routes"][-1] |= {"to": "10.244.2.0/24", "via": "10.244.2.0"}
        view["neighbours"][-1]["address"] = "10.244.2.0"


@breaks(
    f"test_lease_overlaps_no_other[{ONE}]",
    f"test_lease_overlaps_no_other[{TWO}]",
    says=("outside",),
)
def _lease_outside_the_network(facts: Json) -> None:
    facts["expected"]["networks"]["pods"] = "10.244.0.0/23"


@breaks(
    f"test_subnet_env_is_the_lease[{ONE}]",
    f"test_bridge_has_the_subnet[{ONE}]",
    f"test_pods_have_addresses_of_the_subnet[{ONE}]",
    says=(ONE, "10.244.9."),
)
def _subnet_env_of_an_old_lease(facts: Json) -> None:
    facts["views"][ONE]["subnet_env"]["subnet"] = "10.244.9.1/24"


@breaks(
    f"test_subnet_env_is_the_lease[{ONE}]",
    f"test_bridge_has_the_subnet[{ONE}]",
    f"test_pods_have_addresses_of_the_subnet[{ONE}]",
    says=(ONE, "no such file"),
)
def _subnet_env_missing(facts: Json) -> None:
    facts["views"][ONE]["subnet_env"] = None


@breaks(f"test_bridge_has_the_subnet[{ONE}]", says=("10.244.9.1/24", "cni0"))
def _bridge_of_an_old_lease(facts: Json) -> None:
    facts["views"][ONE]["links"]["cni0"]["addresses"] = ["10.244.9.1/24"]


@breaks(f"test_pods_have_addresses_of_the_subnet[{ONE}]", says=("shop/till",))
def _pod_of_an_old_lease(facts: Json) -> None:
    pod = {"namespace": "shop", "name": "till", "node": ONE, "address": "10.244.9.7"}
    facts["pods"].append(pod)


@breaks(f"test_lease_names_the_vxlan_device[{ONE}]", says=(ONE, "aa:00:00:00:00:99"))
def _vtep_made_anew(facts: Json) -> None:
    facts["views"][ONE]["links"]["flannel.1"]["mac"] = "aa:00:00:00:00:99"


@breaks(f"test_node_knows_the_way[{ONE}->{TWO}]", says=("lacks fdb:", TWO))
def _forward_missing(facts: Json) -> None:
    del facts["views"][ONE]["forwards"][-1]


@breaks(f"test_node_knows_the_way[{ONE}->{TWO}]", says=("lacks arp:", TWO))
def _neighbour_stale(facts: Json) -> None:
    facts["views"][ONE]["neighbours"][-1]["mac"] = "aa:00:00:00:00:99"


@breaks(f"test_node_knows_the_way[{ONE}->{TWO}]", says=("lacks route:", TWO))
def _route_missing(facts: Json) -> None:
    del facts["views"][ONE]["routes"][-1]


@breaks(f"test_pod_reaches_pod[{ONE}->{TWO}]", says=("0 of 3", "reverse path works"),
        unasked=MOOT)  # fmt: skip
def _ping_lost_one_way(facts: Json) -> None:
    facts["views"][ONE]["pod_pings"][TWO] |= {"received": 0, "ms": None}


@breaks(f"test_pod_reaches_pod[{ONE}->{TWO}]", says=("5 of 7", "lost on the way"))
def _ping_lossy(facts: Json) -> None:
    facts["views"][ONE]["pod_pings"][TWO] |= {"sent": 7, "received": 5}


@breaks(*{f"test_pod_reaches_pod[{a}->{b}]" for a, b in BETWEEN},
        says=("UDP 8472", "all of them"), unasked=MOOT)  # fmt: skip
def _vxlan_blocked(facts: Json) -> None:
    for source, view in facts["views"].items():
        for target in healthy.NODES:
            if source != target:
                view["pod_pings"][target] = {"sent": 3, "received": 0, "ms": None}


@breaks(
    *{f"test_pod_reaches_pod[{a}->{b}]" for a, b in BETWEEN if ONE in (a, b)},
    says=(f"every path to and from {ONE}",),
    unasked=MOOT,
)
def _node_cut_off(facts: Json) -> None:
    lost = {"sent": 3, "received": 0, "ms": None}
    for other in (CONTROL, TWO):
        facts["views"][ONE]["pod_pings"][other] = lost
        facts["views"][other]["pod_pings"][ONE] = lost


@breaks(f"test_host_reaches_pod[{ONE}->{ONE}]", says=("cni0",))
def _host_cannot_reach_its_pods(facts: Json) -> None:
    facts["views"][ONE]["host_pings"][ONE] |= {"received": 0, "ms": None}


def _silent(answer: Json) -> Json:
    return answer | {"said": "", "tries": 3, "problem": "no answer in 3 s"}


@breaks(f"test_cluster_ip_answers_in_pods[{ONE}]", says=(ONE, "kube-proxy"))
def _cluster_ip_dead_in_pods(facts: Json) -> None:
    facts["views"][ONE]["web_from_pod"] = _silent(facts["views"][ONE]["web_from_pod"])


@breaks(f"test_cluster_ip_answers_on_host[{ONE}]", says=(ONE, "kube-proxy"))
def _cluster_ip_dead_on_host(facts: Json) -> None:
    facts["views"][ONE]["web_from_host"] = _silent(facts["views"][ONE]["web_from_host"])


@breaks(f"test_node_port_answers[{ONE}->{TWO}]", says=(TWO, "30000-32767"))
def _node_port_closed(facts: Json) -> None:
    ports = facts["views"][ONE]["node_ports"]
    ports[TWO] = _silent(ports[TWO])


@breaks(
    f"test_service_name_resolves[{ONE}]",
    f"test_api_name_resolves[{ONE}]",
    says=(ONE, "timed out", "CoreDNS does not run"),
)
def _dns_dead(facts: Json) -> None:
    for lookup in facts["views"][ONE]["lookups"].values():
        lookup |= {"addresses": [], "problem": "connection timed out"}


@breaks(f"test_service_name_resolves[{ONE}]", says=(ONE, "NXDOMAIN", "hears nothing new"))
def _dns_deaf(facts: Json) -> None:
    lookup = next(v for k, v in facts["views"][ONE]["lookups"].items() if k.startswith("web."))
    lookup |= {"addresses": [], "problem": "** server can't find it: NXDOMAIN"}


@breaks(f"test_api_name_resolves[{ONE}]", says=("10.96.0.99",))
def _dns_lies(facts: Json) -> None:
    lookups = facts["views"][ONE]["lookups"]
    lookups["kubernetes.default.svc"]["addresses"] = ["10.96.0.99"]


@breaks(f"test_pods_ask_the_clusters_dns[{ONE}]", says=("192.0.2.1", "clusterDNS"))
def _nameserver_of_the_host(facts: Json) -> None:
    facts["views"][ONE]["nameservers"] = ["192.0.2.1"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_alteration_turns_its_own_checks_red(replay: Replay, case: Case) -> None:
    """Exactly the declared checks fail, none is in error, and the message names place and cause."""
    CASES.judge(replay, case)
