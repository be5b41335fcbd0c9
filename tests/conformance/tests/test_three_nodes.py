# SPDX-License-Identifier: Apache-2.0
"""Checks on recorded facts: healthy facts pass, and each alteration fails exactly its checks."""

import json
import re
from pathlib import Path

import pytest

from conformance.codes import Code
from conformance.facts.network import Ping
from tests.conformance import healthy
from tests.conformance.alteration import Case, Cases, Json, Replay
from tests.conformance.conftest import SuiteRun

RECORDED = Path(__file__).parents[1] / "recorded"
CONTROL, ONE, TWO = healthy.NODES
NO_PATH = "test_pod_reaches_pod"
BETWEEN = [(a, b) for a in healthy.NODES for b in healthy.NODES if a != b]


def test_healthy_cluster_passes(replay: Replay) -> None:
    """All checks that need no live cluster are evaluated and pass."""
    run = replay(healthy.facts())
    assert run.exit_status == 0, run.printed
    assert not run.failed
    assert not run.errors
    assert len(run.passed) > 190
    assert_skipped_because(run, "recording", "no node runs Docker", "virtual address")


def test_healthy_ha_cluster_passes(replay: Replay) -> None:
    """With three control-plane nodes and a worker of each runtime, all checks are evaluated."""
    run = replay(healthy.facts(healthy.HA_NODES))
    assert run.exit_status == 0, run.printed
    assert not run.failed
    assert not run.errors
    assert len(run.passed) > 420
    assert_skipped_because(run, "recording")


def assert_skipped_because(run: SuiteRun, *reasons: str) -> None:
    """Assert that each skip has one of these reasons."""
    for name, text in run.skipped.items():
        assert any(reason in text for reason in reasons), (name, text)


def test_recorded_cluster_passes(replay: Replay) -> None:
    """The facts of a real cluster, recorded with --save-facts, pass all checks."""
    run = replay(json.loads((RECORDED / "demo.json").read_text()))
    assert run.exit_status == 0, run.printed
    assert len(run.passed) > 90


def test_recording_holds_no_secret() -> None:
    """A recording contains no key, certificate or token, so that it can be published."""
    for recording in RECORDED.glob("*.json"):
        text = recording.read_text()
        assert not re.search(r"BEGIN|eyJ[A-Za-z0-9]|[A-Za-z0-9+/]{60}", text), recording


def test_election_between_two_readings_is_no_failure(replay: Replay) -> None:
    """A member that first reports another leader and term, and later the same, does not fail."""
    facts = healthy.facts(healthy.HA_NODES)
    first = facts["views"][next(iter(healthy.HA_NODES))]["etcd"]["status"]
    first.update(leader="9", term=first["term"] - 1)
    run = replay(facts, "-k", "leader or raft_term")
    assert run.exit_status == 0, run.printed
    assert len(run.passed) >= 9


def test_last_request_without_reply_is_no_loss() -> None:
    """Ping ends with the fifth reply, when it may have sent one more request."""
    complete = [Ping(5, 5, 0.1), Ping(6, 5, 900.0), Ping(3, 3, 0.1)]
    lossy = [Ping(7, 5, 0.1), Ping(5, 4, 0.1), Ping(3, 2, 0.1), Ping(25, 0, None)]
    assert all(ping.is_complete for ping in complete)
    assert not any(ping.is_complete for ping in lossy)


# ---- alterations: each causes one fault in healthy facts ----


CASES = Cases(healthy.NODES)
breaks = CASES.breaks


@breaks({f"test_expected_node_is_registered[{TWO}]": Code.NODE_NOT_REGISTERED}, at=TWO)
def _node_missing(facts: Json) -> None:
    for part in ("nodes", "views"):
        del facts[part][TWO]
    address = healthy.NODES[TWO].address
    control = facts["views"][CONTROL]
    control["leases"] = [each for each in control["leases"] if each["public_ip"] != address]


@breaks(
    {f"test_node_has_expected_address_and_role[{ONE}]": Code.NODE_IDENTITY_WRONG},
    at=ONE,
    values=("192.0.2.99",),
)
def _node_with_another_address(facts: Json) -> None:
    facts["expected"]["nodes"][ONE]["address"] = "192.0.2.99"


@breaks(
    {
        f"test_node_has_expected_address_and_role[{CONTROL}]": Code.NODE_IDENTITY_WRONG,
        # Without the role its taint is not explained.
        f"test_node_has_no_unexpected_taint[{CONTROL}]": Code.TAINT_UNEXPECTED,
    },
    at=CONTROL,
)
def _node_without_its_role(facts: Json) -> None:
    facts["nodes"][CONTROL]["roles"] = []


@breaks({f"test_node_is_expected[{TWO}]": Code.NODE_UNEXPECTED}, at=TWO)
def _node_unexpected(facts: Json) -> None:
    del facts["expected"]["nodes"][TWO]


@breaks(
    {f"test_node_is_ready[{ONE}]": Code.NODE_NOT_READY},
    at=ONE,
    values=("no heartbeat",),
    inconclusive="no heartbeat",
)
def _node_not_ready(facts: Json) -> None:
    silent = dict.fromkeys(("Ready", "DiskPressure"), "NodeStatusUnknown: no heartbeat")
    facts["nodes"][ONE] |= {"ready": False, "reasons": silent}


@breaks({}, inconclusive="not reported")
def _node_status_not_reported(facts: Json) -> None:
    reasons = {"Ready": "NodeStatusUnknown: not reported"}
    facts["nodes"][ONE] |= {"ready": False, "reasons": reasons, "kubelet": "", "runtime": ""}


@breaks(
    {f"test_node_is_not_under_pressure[{ONE}]": Code.NODE_UNDER_PRESSURE},
    at=ONE,
    values=("KubeletHasDiskPressure: full",),
)
def _disk_pressure(facts: Json) -> None:
    facts["nodes"][ONE]["reasons"] = {"DiskPressure": "KubeletHasDiskPressure: full"}


@breaks(
    {f"test_node_runs_expected_kubernetes[{ONE}]": Code.VERSION_UNEXPECTED},
    at=ONE,
    values=("1.36.3",),
)
def _kubelet_of_another_version(facts: Json) -> None:
    facts["nodes"][ONE]["kubelet"] = "v1.36.3"


@breaks(
    {f"test_node_runs_expected_runtime[{ONE}]": Code.VERSION_UNEXPECTED},
    at=ONE,
    values=("1.6.20",),
)
def _runtime_of_another_version(facts: Json) -> None:
    facts["nodes"][ONE]["runtime"] = "containerd://1.6.20"


@breaks(
    {f"test_units_are_active[{ONE}]": Code.UNIT_NOT_ACTIVE}, at=ONE, values=("flanneld failed",)
)
def _unit_failed(facts: Json) -> None:
    facts["views"][ONE]["units"]["flanneld"] = {
        "load": "loaded",
        "active": "failed",
        "sub": "failed",
    }


@breaks(
    {f"test_node_forwards_packets[{ONE}]": Code.IP_FORWARDING_OFF},
    at=f"{ONE}: /proc/sys/net/ipv4/ip_forward",
)
def _forwarding_off(facts: Json) -> None:
    facts["views"][ONE]["sysctls"]["net/ipv4/ip_forward"] = "0"


@breaks(
    {f"test_member_is_healthy[{CONTROL}]": Code.ETCD_MEMBER_UNHEALTHY},
    at=CONTROL,
    values=("context deadline",),
)
def _etcd_unhealthy(facts: Json) -> None:
    facts["views"][CONTROL]["etcd"]["health"] = {"healthy": False, "problem": "context deadline"}


@breaks(
    {
        f"test_member_knows_the_common_leader[{CONTROL}]": Code.ETCD_MEMBERS_DISAGREE,
        f"test_etcd_leader_is_stable[{CONTROL}]": Code.ETCD_LEADER_UNSTABLE,
    },
    at=CONTROL,
    values=(" 0",),
)
def _etcd_without_leader(facts: Json) -> None:
    for part in ("status", "later"):
        facts["views"][CONTROL]["etcd"][part]["leader"] = "0"


@breaks(
    {f"test_no_alarm_is_raised[{CONTROL}]": Code.ETCD_ALARM},
    at=CONTROL,
    values=("NOSPACE on member 7",),
)
def _etcd_alarm(facts: Json) -> None:
    facts["views"][CONTROL]["etcd"]["alarms"] = ["NOSPACE on member 7"]


@breaks(
    {
        f"test_members_are_the_expected_ones[{CONTROL}]": Code.ETCD_MEMBERS_UNEXPECTED,
        f"test_number_of_voters_is_odd[{CONTROL}]": Code.ETCD_VOTERS_EVEN,
    },
    at=CONTROL,
    values=("not started",),
)
def _etcd_member_never_started(facts: Json) -> None:
    member = {"id": "8", "name": "", "client_urls": [], "learner": False}
    facts["views"][CONTROL]["etcd"]["members"].append(member)


@breaks(
    {
        f"test_members_are_the_expected_ones[{CONTROL}]": Code.ETCD_MEMBERS_UNEXPECTED,
        f"test_no_member_is_a_learner[{CONTROL}]": Code.ETCD_LEARNER_NOT_PROMOTED,
    },
    at=CONTROL,
    values=("not started",),
)
def _etcd_learner_never_started(facts: Json) -> None:
    member = {"id": "8", "name": "", "client_urls": [], "learner": True}
    facts["views"][CONTROL]["etcd"]["members"].append(member)


@breaks(
    {f"test_member_runs[{CONTROL}]": Code.ETCD_MEMBER_NOT_RUNNING},
    at=CONTROL,
    inconclusive="test_member_runs",
)
def _etcd_not_running(facts: Json) -> None:
    facts["views"][CONTROL]["etcd"] = None


ETCD_ANONYMOUS = f"test_etcd_refuses_anonymous_clients[{CONTROL}]"


@breaks({ETCD_ANONYMOUS: Code.ETCD_OPEN_WITHOUT_CERTIFICATE}, at=CONTROL, values=("HTTP 200",))
def _etcd_open_to_anonymous_clients(facts: Json) -> None:
    facts["views"][CONTROL]["etcd"]["doors"]["no_certificate"] = 200


@breaks(
    {ETCD_ANONYMOUS: Code.ETCD_OPEN_WITHOUT_CERTIFICATE}, at=CONTROL, values=("192.0.2.10:2479",)
)
def _etcd_open_at_another_port(facts: Json) -> None:
    entrances = facts["views"][CONTROL]["etcd"]["running"]["entrances"]
    entrances["192.0.2.10:2479"] = {"plain": 200, "stranger": 0}


@breaks({ETCD_ANONYMOUS: Code.ETCD_CLIENT_REJECTED}, at=CONTROL, values=("HTTP 0",))
def _etcd_refuses_every_client(facts: Json) -> None:
    facts["views"][CONTROL]["etcd"]["doors"]["certificate"] = 0


@breaks(
    {f"test_plain_http_is_refused[{CONTROL}]": Code.ETCD_OPEN_WITHOUT_CERTIFICATE},
    at=CONTROL,
    values=("HTTP 200",),
)
def _etcd_over_plain_http(facts: Json) -> None:
    facts["views"][CONTROL]["etcd"]["doors"]["plain"] = 200


@breaks({f"test_node_has_one_lease[{ONE}]": Code.FLANNEL_LEASE_MISSING}, at=ONE)
def _lease_missing(facts: Json) -> None:
    del facts["views"][CONTROL]["leases"][1]


@breaks(
    {
        f"test_lease_overlaps_no_other[{ONE}]": Code.POD_SUBNET_OVERLAPS,
        f"test_lease_overlaps_no_other[{TWO}]": Code.POD_SUBNET_OVERLAPS,
    },
    values=("10.244.2.0/24",),
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
    {
        f"test_lease_overlaps_no_other[{ONE}]": Code.POD_SUBNET_OUTSIDE_NETWORK,
        f"test_lease_overlaps_no_other[{TWO}]": Code.POD_SUBNET_OUTSIDE_NETWORK,
    },
    values=("10.244.0.0/23",),
)
def _lease_outside_the_network(facts: Json) -> None:
    facts["expected"]["networks"]["pods"] = "10.244.0.0/23"


@breaks(
    {
        f"test_subnet_env_matches_the_lease[{ONE}]": Code.SUBNET_ENV_STALE,
        f"test_bridge_has_the_gateway_address[{ONE}]": Code.BRIDGE_ADDRESS_WRONG,
        f"test_pods_have_addresses_of_the_subnet[{ONE}]": Code.POD_ADDRESS_OUTSIDE_SUBNET,
    },
    at=ONE,
    values=("10.244.9.",),
)
def _subnet_env_of_an_old_lease(facts: Json) -> None:
    facts["views"][ONE]["subnet_env"]["subnet"] = "10.244.9.1/24"


@breaks(
    {
        f"test_subnet_env_matches_the_lease[{ONE}]": Code.SUBNET_ENV_MISSING,
        f"test_bridge_has_the_gateway_address[{ONE}]": Code.SUBNET_ENV_MISSING,
        f"test_pods_have_addresses_of_the_subnet[{ONE}]": Code.SUBNET_ENV_MISSING,
    },
    at=f"{ONE}: /run/flannel/subnet.env",
)
def _subnet_env_missing(facts: Json) -> None:
    facts["views"][ONE]["subnet_env"] = None


@breaks(
    {f"test_bridge_has_the_gateway_address[{ONE}]": Code.BRIDGE_ADDRESS_WRONG},
    at=f"{ONE}: addresses of cni0",
    values=("10.244.9.1/24",),
)
def _bridge_of_an_old_lease(facts: Json) -> None:
    facts["views"][ONE]["links"]["cni0"]["addresses"] = ["10.244.9.1/24"]


@breaks(
    {f"test_pods_have_addresses_of_the_subnet[{ONE}]": Code.POD_ADDRESS_OUTSIDE_SUBNET},
    at=ONE,
    values=("shop/till 10.244.9.7",),
)
def _pod_of_an_old_lease(facts: Json) -> None:
    pod = {"namespace": "shop", "name": "till", "node": ONE, "address": "10.244.9.7"}
    facts["pods"].append(pod)


@breaks(
    {f"test_lease_matches_the_device[{ONE}]": Code.FLANNEL_LEASE_MAC_WRONG},
    at=ONE,
    values=("aa:00:00:00:00:99",),
)
def _vtep_recreated(facts: Json) -> None:
    facts["views"][ONE]["links"]["flannel.1"]["mac"] = "aa:00:00:00:00:99"


OVERLAY_ENTRY = {f"test_node_has_route_to_peer[{ONE}->{TWO}]": Code.OVERLAY_ENTRY_MISSING}


@breaks(OVERLAY_ENTRY, at=ONE, values=("lacks fdb:", TWO))
def _forward_missing(facts: Json) -> None:
    del facts["views"][ONE]["forwards"][-1]


@breaks(OVERLAY_ENTRY, at=ONE, values=("lacks arp:", TWO))
def _neighbour_stale(facts: Json) -> None:
    facts["views"][ONE]["neighbours"][-1]["mac"] = "aa:00:00:00:00:99"


@breaks(OVERLAY_ENTRY, at=ONE, values=("lacks route:", TWO))
def _route_missing(facts: Json) -> None:
    del facts["views"][ONE]["routes"][-1]


@breaks(
    {f"test_pod_reaches_pod[{ONE}->{TWO}]": Code.PATH_LOST_ONE_WAY},
    at=f"{ONE} -> {TWO}",
    values=("0 of 3",),
    inconclusive=NO_PATH,
)
def _ping_lost_one_way(facts: Json) -> None:
    facts["views"][ONE]["pod_pings"][TWO] |= {"received": 0, "ms": None}


@breaks(
    {
        f"test_pod_reaches_pod[{ONE}->{TWO}]": Code.PATH_LOST,
        f"test_pod_reaches_pod[{TWO}->{ONE}]": Code.PATH_LOST,
    },
    inconclusive=NO_PATH,
)
def _ping_lost_both_ways(facts: Json) -> None:
    for source, target in ((ONE, TWO), (TWO, ONE)):
        facts["views"][source]["pod_pings"][target] |= {"received": 0, "ms": None}


@breaks(
    {f"test_pod_reaches_pod[{ONE}->{TWO}]": Code.PACKET_LOSS},
    at=f"{ONE} -> {TWO}",
    values=("5 of 7",),
)
def _ping_lossy(facts: Json) -> None:
    facts["views"][ONE]["pod_pings"][TWO] |= {"sent": 7, "received": 5}


@breaks(
    {f"test_pod_reaches_pod[{a}->{b}]": Code.OVERLAY_BLOCKED for a, b in BETWEEN},
    values=("8472",),
    inconclusive=NO_PATH,
)
def _vxlan_blocked(facts: Json) -> None:
    for source, view in facts["views"].items():
        for target in healthy.NODES:
            if source != target:
                view["pod_pings"][target] = {"sent": 3, "received": 0, "ms": None}


@breaks(
    {f"test_pod_reaches_pod[{a}->{b}]": Code.NODE_CUT_OFF for a, b in BETWEEN if ONE in (a, b)},
    at=ONE,
    inconclusive=NO_PATH,
)
def _node_cut_off(facts: Json) -> None:
    lost = {"sent": 3, "received": 0, "ms": None}
    for other in (CONTROL, TWO):
        facts["views"][ONE]["pod_pings"][other] = lost
        facts["views"][other]["pod_pings"][ONE] = lost


@breaks({f"test_host_reaches_pod[{ONE}->{ONE}]": Code.POD_UNREACHABLE}, at=f"{ONE} -> {ONE}")
def _host_cannot_reach_its_pods(facts: Json) -> None:
    facts["views"][ONE]["host_pings"][ONE] |= {"received": 0, "ms": None}


def _silent(answer: Json) -> Json:
    return answer | {"said": "", "tries": 3, "problem": "no answer in 3 s"}


@breaks({f"test_cluster_ip_answers_in_pods[{ONE}]": Code.CLUSTER_IP_UNREACHABLE}, at=ONE)
def _cluster_ip_dead_in_pods(facts: Json) -> None:
    facts["views"][ONE]["web_from_pod"] = _silent(facts["views"][ONE]["web_from_pod"])


@breaks({f"test_cluster_ip_answers_on_host[{ONE}]": Code.CLUSTER_IP_UNREACHABLE}, at=ONE)
def _cluster_ip_dead_on_host(facts: Json) -> None:
    facts["views"][ONE]["web_from_host"] = _silent(facts["views"][ONE]["web_from_host"])


@breaks({f"test_node_port_answers[{ONE}->{TWO}]": Code.NODE_PORT_UNREACHABLE}, at=f"{ONE} -> {TWO}")
def _node_port_closed(facts: Json) -> None:
    ports = facts["views"][ONE]["node_ports"]
    ports[TWO] = _silent(ports[TWO])


@breaks(
    {
        f"test_service_name_resolves[{ONE}]": Code.DNS_NO_ANSWER,
        f"test_api_name_resolves[{ONE}]": Code.DNS_NO_ANSWER,
    },
    at=ONE,
    values=("connection timed out",),
)
def _dns_dead(facts: Json) -> None:
    for lookup in facts["views"][ONE]["lookups"].values():
        lookup |= {"addresses": [], "problem": "connection timed out"}


@breaks({f"test_service_name_resolves[{ONE}]": Code.DNS_RECORD_WRONG}, at=ONE, values=("NXDOMAIN",))
def _dns_without_updates(facts: Json) -> None:
    lookup = next(v for k, v in facts["views"][ONE]["lookups"].items() if k.startswith("web."))
    lookup |= {"addresses": [], "problem": "** server can't find it: NXDOMAIN"}


@breaks({f"test_api_name_resolves[{ONE}]": Code.DNS_RECORD_WRONG}, at=ONE, values=("10.96.0.99",))
def _dns_with_another_address(facts: Json) -> None:
    lookups = facts["views"][ONE]["lookups"]
    lookups["kubernetes.default.svc"]["addresses"] = ["10.96.0.99"]


@breaks(
    {f"test_pods_use_the_clusters_dns[{ONE}]": Code.NAMESERVER_WRONG}, at=ONE, values=("192.0.2.1",)
)
def _nameserver_of_the_host(facts: Json) -> None:
    facts["views"][ONE]["nameservers"] = ["192.0.2.1"]


@breaks(
    {f"test_upstream_name_servers_are_not_local[{ONE}]": Code.NAMESERVER_LOCAL},
    at=ONE,
    values=("127.0.0.53", "systemd-resolved", "configz"),
)
def _stub_in_pods(facts: Json) -> None:
    facts["views"][ONE]["upstream_nameservers"] = ["127.0.0.53"]


@breaks(
    {f"test_upstream_name_servers_are_not_local[{ONE}]": Code.NAMESERVER_LOCAL},
    at=ONE,
    values=("fe80::1%eth0, ::1",),
)
def _local_resolver_in_pods(facts: Json) -> None:
    facts["views"][ONE]["upstream_nameservers"] = ["fe80::1%eth0", "::1"]


@breaks(
    {f"test_metadata_service_is_closed_to_pods[{TWO}]": Code.METADATA_SERVICE_OPEN},
    at=TWO,
    values=("169.254.169.254", "pod-metadata"),
)
def _metadata_service_open(facts: Json) -> None:
    facts["views"][TWO]["paths"]["metadata"]["pod"] = ""


@breaks(
    {f"test_metadata_service_is_closed_to_pods[{TWO}]": Code.METADATA_SERVICE_BLOCKED},
    at=TWO,
    values=("169.254.169.254", healthy.REFUSED),
)
def _metadata_service_blocked(facts: Json) -> None:
    facts["expected"]["flannel"]["metadata_service"] = "allow"
    for view in facts["views"].values():
        view["paths"]["metadata"]["pod"] = ""
    facts["views"][TWO]["paths"]["metadata"]["pod"] = healthy.REFUSED


@breaks(
    {f"test_files_have_restrictive_modes[{ONE}-user-data]": Code.FILE_MODE_INSECURE},
    at=ONE,
    values=("644 root /var/lib/cloud/data/cfn-init-data", "700"),
)
def _heat_password_readable(facts: Json) -> None:
    for file in facts["views"][ONE]["files"]:
        if file["path"].endswith("cfn-init-data"):
            file["mode"] = "644"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_alteration_fails_its_checks(replay: Replay, case: Case) -> None:
    """Exactly the declared checks fail, with their codes and places."""
    CASES.verify(replay, case)
