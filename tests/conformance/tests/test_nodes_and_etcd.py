# SPDX-License-Identifier: Apache-2.0
"""Checks of machines and of etcd's members: each alteration turns its own checks red."""

import pytest

from conformance.facts.etcd import Histogram
from tests.conformance import healthy
from tests.conformance.alteration import Case, Cases, Json, Replay

CASES = Cases(healthy.HA_NODES)

breaks = CASES.breaks

FIRST, SECOND, THIRD, PLAIN, DOCKER = healthy.HA_NODES


def machine(facts: Json, node: str) -> Json:
    """What a node's machine told."""
    told: Json = facts["views"][node]["machine"]
    return told


def running(facts: Json, node: str) -> Json:
    """What went on in a node's member of etcd."""
    told: Json = facts["views"][node]["etcd"]["running"]
    return told


@breaks(f"test_node_lease_is_fresh[{PLAIN}]", says=(PLAIN, "35 s ago", "kubelet"))
def _lease_is_old(facts: Json) -> None:
    facts["node_leases"][PLAIN]["age"] = 35.0


@breaks(f"test_node_lease_is_fresh[{PLAIN}]", says=(PLAIN, "90 s ahead", "clock"))
def _lease_is_from_the_future(facts: Json) -> None:
    facts["node_leases"][PLAIN]["age"] = -90.0


@breaks(f"test_node_lease_is_fresh[{PLAIN}]", says=(PLAIN, "none"))
def _lease_is_gone(facts: Json) -> None:
    del facts["node_leases"][PLAIN]


@breaks(f"test_clock_is_right[{PLAIN}]", says=(PLAIN, "+29.9 s", "time server"))
def _clock_is_ahead(facts: Json) -> None:
    clock = machine(facts, PLAIN)["clock"]
    clock |= {"began": clock["began"] + 30, "ended": clock["ended"] + 30}


@breaks(f"test_clock_is_right[{PLAIN}]", says=(PLAIN, "-29.7 s", "time server"))
def _clock_is_behind(facts: Json) -> None:
    clock = machine(facts, PLAIN)["clock"]
    clock |= {"began": clock["began"] - 30, "ended": clock["ended"] - 30}


@breaks(f"test_kernel_is_set_for_containers[{PLAIN}]", says=(PLAIN, "vm/overcommit_memory 2"))
def _kernel_was_reset(facts: Json) -> None:
    machine(facts, PLAIN)["kernel"]["vm/overcommit_memory"] = "2"


@breaks(f"test_connections_fit_their_table[{PLAIN}]", says=(PLAIN, "131072", "nf_conntrack_max"))
def _table_of_connections_is_full(facts: Json) -> None:
    machine(facts, PLAIN)["kernel"]["net/netfilter/nf_conntrack_count"] = "131072"


@breaks(f"test_disks_are_not_full[{FIRST}]", says=(FIRST, "/var/lib/etcd (bytes): 1.0%"))
def _etcds_disk_is_full(facts: Json) -> None:
    machine(facts, FIRST)["disks"]["/var/lib/etcd"] = {
        "bytes": {"size": 1000, "free": 10},
        "files": {"size": 1000, "free": 900},
    }


@breaks(f"test_disks_are_not_full[{PLAIN}]", says=(PLAIN, "/ (files): 0.0%"))
def _disk_has_no_inodes(facts: Json) -> None:
    disks = machine(facts, PLAIN)["disks"]
    disks["/"] = disks["/"] | {"files": {"size": 1000, "free": 0}}


@breaks(f"test_kubelet_has_room[{PLAIN}]", says=(PLAIN, "nodefs.available): 8.0%", "10% left"))
def _kubelet_is_about_to_evict(facts: Json) -> None:
    machine(facts, PLAIN)["disks"]["/var/lib/kubelet"] = {
        "bytes": {"size": 100, "free": 8},
        "files": {"size": 100, "free": 50},
    }


@breaks(f"test_kubelet_has_room[{PLAIN}]", says=(PLAIN, "nodefs.available): 80% left", "75.0%"))
def _kubelet_wants_much_room(facts: Json) -> None:
    facts["views"][PLAIN]["kubelet"]["evictionHard.nodefs.available"] = "32Gi"


@breaks(f"test_process_ids_suffice[{PLAIN}]", says=(PLAIN, "768 left"))
def _process_ids_run_out(facts: Json) -> None:
    machine(facts, PLAIN)["kernel"]["tasks"] = "32000"


@breaks(
    f"test_certificate_files_live_on[{FIRST}]",
    says=(FIRST, "/etc/etcd/pki/health.crt: 2.0 days", "rotate certificates"),
)
def _certificate_ends_soon(facts: Json) -> None:
    life = machine(facts, FIRST)["lives"]["/etc/kubernetes/pki/ca.crt"]
    ending = life | {"not_after": "2026-11-25T12:00:00+00:00"}
    machine(facts, FIRST)["lives"]["/etc/etcd/pki/health.crt"] = ending


@breaks(
    f"test_kubelet_is_near_the_api_servers_version[{PLAIN}]",
    f"test_node_runs_expected_kubernetes[{PLAIN}]",
    says=(PLAIN, "v1.33.1"),
)
def _kubelet_is_too_old(facts: Json) -> None:
    facts["nodes"][PLAIN]["kubelet"] = "v1.33.1"


@breaks(
    f"test_kubelet_is_near_the_api_servers_version[{PLAIN}]",
    f"test_node_runs_expected_kubernetes[{PLAIN}]",
    says=(PLAIN, "v1.38.0"),
)
def _kubelet_is_newer_than_the_server(facts: Json) -> None:
    facts["nodes"][PLAIN]["kubelet"] = "v1.38.0"


@breaks(f"test_no_unit_has_failed[{PLAIN}]", says=(PLAIN, "logrotate.service"))
def _some_unit_failed(facts: Json) -> None:
    machine(facts, PLAIN)["failed_units"] = ["logrotate.service"]


@breaks(f"test_booted_system_is_the_deployed_one[{PLAIN}]", says=(PLAIN, "43.20261001 booted"))
def _update_waits_for_a_reboot(facts: Json) -> None:
    for deployment in machine(facts, PLAIN)["deployments"]:
        deployment["booted"] = not deployment["booted"]


@breaks(f"test_booted_system_is_the_deployed_one[{PLAIN}]", says=(PLAIN, "unlocked: development"))
def _system_was_changed_by_hand(facts: Json) -> None:
    machine(facts, PLAIN)["deployments"][0]["unlocked"] = "development"


@breaks(f"test_cgroup_drivers_agree[{PLAIN}]", says=(PLAIN, "runtime: cgroupfs", "SystemdCgroup"))
def _cgroup_drivers_differ(facts: Json) -> None:
    facts["views"][PLAIN]["runtime"]["cgroup"] = "/kubepods.slice/kubepods-pod7.slice/0badcafe"


@breaks(f"test_leader_stays[{SECOND}]", says=(SECOND, "7 in term 2, then 8 in term 5"))
def _leader_changes_meanwhile(facts: Json) -> None:
    facts["views"][SECOND]["etcd"]["later"] |= {"leader": "8", "term": 5}


@breaks(f"test_member_keeps_up[{THIRD}]", says=(THIRD, "3000 behind", FIRST))
def _member_lags(facts: Json) -> None:
    etcd = facts["views"][THIRD]["etcd"]
    for part in ("status", "later"):
        etcd[part] |= {"index": 2000, "applied": 2000}


@breaks(f"test_member_keeps_up[{THIRD}]", says=(THIRD, "4040 not yet applied"))
def _member_applies_late(facts: Json) -> None:
    facts["views"][THIRD]["etcd"]["later"]["applied"] = 1000


@breaks(
    f"test_members_hold_the_same_data[{THIRD}]", says=(THIRD, "0000dead at https://192.0.2.12:2380")
)
def _member_has_other_data(facts: Json) -> None:
    for node in (FIRST, SECOND, THIRD):
        copies = running(facts, node)["copies"]
        copies[f"https://{healthy.HA_NODES[THIRD].address}:2380"]["hash"] = 0xDEAD


@breaks(f"test_database_is_far_from_its_quota[{SECOND}]", says=(SECOND, "97%", "quota of 2048 MiB"))
def _database_is_near_its_quota(facts: Json) -> None:
    running(facts, SECOND)["database"] |= {"size": 1990 * 2**20, "used": 1900 * 2**20}


@breaks(f"test_database_is_not_mostly_holes[{SECOND}]", says=(SECOND, "98%", "defrag"))
def _database_is_mostly_holes(facts: Json) -> None:
    running(facts, SECOND)["database"] |= {"size": 2**30, "used": 20 * 2**20}


SLOW = {"counts": [0, 0, 2, 3, 12], "total": 12}


@breaks(f"test_log_is_written_in_time[{SECOND}]", says=(SECOND, "9 of 12 writes", "disk is slow"))
def _log_is_written_slowly(facts: Json) -> None:
    running(facts, SECOND)["writes"]["log"] |= SLOW


@breaks(
    f"test_database_is_written_in_time[{SECOND}]", says=(SECOND, "10 of 12 writes", "disk is slow")
)
def _database_is_written_slowly(facts: Json) -> None:
    running(facts, SECOND)["writes"]["database"] |= SLOW


@breaks(f"test_peers_are_near[{SECOND}]", says=(SECOND, "400 ms to https://192.0.2.12:2380"))
def _peer_is_far(facts: Json) -> None:
    copies = running(facts, SECOND)["copies"]
    copies[f"https://{healthy.HA_NODES[THIRD].address}:2380"]["connect"] = 0.4


@breaks(f"test_clients_read_their_own_only[{FIRST}]", says=(FIRST, "health may read /registry/"))
def _health_reads_everything(facts: Json) -> None:
    facts["views"][FIRST]["etcd"]["rights"]["health /registry/"] = "allowed"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_alteration_turns_its_own_checks_red(replay: Replay, case: Case) -> None:
    """Exactly the declared checks fail, none is in error, and the message names place and cause."""
    CASES.judge(replay, case)


def test_one_stall_is_no_slow_disk() -> None:
    """On a busy machine one or two writes wait long; that says nothing about the disk."""
    quick = Histogram([0.1, 0.512], [8, 8], 10)
    assert quick.longer(0.5) == 2
    assert quick.quantile(0.5) < 0.1
