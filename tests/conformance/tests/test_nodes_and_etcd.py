# SPDX-License-Identifier: Apache-2.0
"""Checks of machines and of etcd members: each alteration fails exactly its checks."""

import pytest

from conformance.codes import Code
from conformance.facts.etcd import Histogram
from tests.conformance import healthy
from tests.conformance.alteration import Case, Cases, Json, Replay

CASES = Cases(healthy.HA_NODES)

breaks = CASES.breaks

FIRST, SECOND, THIRD, PLAIN, DOCKER = healthy.HA_NODES


def machine(facts: Json, node: str) -> Json:
    """Return the facts about a node's machine."""
    found: Json = facts["views"][node]["machine"]
    return found


def running(facts: Json, node: str) -> Json:
    """Return the measurements of a node's etcd member."""
    found: Json = facts["views"][node]["etcd"]["running"]
    return found


BACKUP = f"test_backup_is_fresh_and_rehearsed[{SECOND}]"
HOUR = 3600.0


def backups(facts: Json, node: str) -> Json:
    """Return the state of a node's backups."""
    found: Json = facts["views"][node]["backups"]
    return found


@breaks({BACKUP: Code.ETCD_BACKUP_OVERDUE}, at=SECOND, values=("13.0 hours old", "no space"))
def _backup_is_old(facts: Json) -> None:
    found = backups(facts, SECOND)
    found |= {"taken": found["now"] - 13 * HOUR, "problem": "no space"}


@breaks({BACKUP: Code.ETCD_BACKUP_OVERDUE}, at=SECOND, values=("none", "timer etcd-backup"))
def _first_backup_is_overdue(facts: Json) -> None:
    found = backups(facts, SECOND)
    found |= {"since": found["now"] - HOUR, "taken": 0.0, "rehearsed": 0.0, "count": 0}


@breaks({BACKUP: Code.ETCD_BACKUP_OVERDUE}, at=SECOND, values=("no such file",))
def _backup_status_is_missing(facts: Json) -> None:
    facts["views"][SECOND]["backups"] = None


@breaks({BACKUP: Code.ETCD_BACKUP_NOT_RESTORABLE}, at=SECOND, values=("damaged",))
def _backup_is_damaged(facts: Json) -> None:
    backups(facts, SECOND)["rehearsal_problem"] = "the backup is damaged"


@breaks({BACKUP: Code.ETCD_BACKUP_NOT_RESTORABLE}, at=SECOND, values=("49.0 hours ago",))
def _backup_was_not_rehearsed(facts: Json) -> None:
    found = backups(facts, SECOND)
    found["rehearsed"] = found["now"] - 49 * HOUR


LEASE = f"test_node_lease_is_fresh[{PLAIN}]"


@breaks({LEASE: Code.NODE_LEASE_STALE}, at=PLAIN, values=("35 s ago",))
def _lease_is_old(facts: Json) -> None:
    facts["node_leases"][PLAIN]["age"] = 35.0


@breaks({LEASE: Code.CLOCK_SKEW}, at=PLAIN, values=("90 s ahead",))
def _lease_is_from_the_future(facts: Json) -> None:
    facts["node_leases"][PLAIN]["age"] = -90.0


@breaks({LEASE: Code.NODE_LEASE_STALE}, at=PLAIN, values=("none",))
def _lease_is_missing(facts: Json) -> None:
    del facts["node_leases"][PLAIN]


@breaks(
    {f"test_clock_agrees_with_other_nodes[{PLAIN}]": Code.CLOCK_SKEW}, at=PLAIN, values=("+29.9 s",)
)
def _clock_is_ahead(facts: Json) -> None:
    clock = machine(facts, PLAIN)["clock"]
    clock |= {"began": clock["began"] + 30, "ended": clock["ended"] + 30}


@breaks(
    {f"test_clock_agrees_with_other_nodes[{PLAIN}]": Code.CLOCK_SKEW}, at=PLAIN, values=("-29.7 s",)
)
def _clock_is_behind(facts: Json) -> None:
    clock = machine(facts, PLAIN)["clock"]
    clock |= {"began": clock["began"] - 30, "ended": clock["ended"] - 30}


@breaks(
    {f"test_kernel_settings_are_as_kubelet_requires[{PLAIN}]": Code.KERNEL_SETTING_WRONG},
    at=PLAIN,
    values=("vm/overcommit_memory 2",),
)
def _kernel_was_reset(facts: Json) -> None:
    machine(facts, PLAIN)["kernel"]["vm/overcommit_memory"] = "2"


@breaks(
    {f"test_conntrack_table_has_free_entries[{PLAIN}]": Code.CONNTRACK_TABLE_FULL},
    at=PLAIN,
    values=("131072",),
)
def _conntrack_table_is_full(facts: Json) -> None:
    machine(facts, PLAIN)["kernel"]["net/netfilter/nf_conntrack_count"] = "131072"


@breaks(
    {f"test_disks_are_not_full[{FIRST}]": Code.DISK_FULL},
    at=FIRST,
    values=("/var/lib/etcd (bytes): 1.0%",),
)
def _etcds_disk_is_full(facts: Json) -> None:
    machine(facts, FIRST)["disks"]["/var/lib/etcd"] = {
        "bytes": {"size": 1000, "free": 10},
        "files": {"size": 1000, "free": 900},
    }


@breaks(
    {f"test_disks_are_not_full[{PLAIN}]": Code.DISK_FULL}, at=PLAIN, values=("/ (files): 0.0%",)
)
def _disk_has_no_inodes(facts: Json) -> None:
    disks = machine(facts, PLAIN)["disks"]
    disks["/"] = disks["/"] | {"files": {"size": 1000, "free": 0}}


@breaks(
    {f"test_disk_space_is_above_eviction_thresholds[{PLAIN}]": Code.DISK_FULL},
    at=PLAIN,
    values=("nodefs.available): 8.0%", "nodefs.available): 10%"),
)
def _kubelet_is_about_to_evict(facts: Json) -> None:
    machine(facts, PLAIN)["disks"]["/var/lib/kubelet"] = {
        "bytes": {"size": 100, "free": 8},
        "files": {"size": 100, "free": 50},
    }


@breaks(
    {f"test_disk_space_is_above_eviction_thresholds[{PLAIN}]": Code.DISK_FULL},
    at=PLAIN,
    values=("nodefs.available): 80%", "75.0%"),
)
def _kubelet_has_a_high_threshold(facts: Json) -> None:
    facts["views"][PLAIN]["kubelet"]["evictionHard.nodefs.available"] = "32Gi"


@breaks(
    {f"test_process_ids_are_available[{PLAIN}]": Code.PROCESS_IDS_EXHAUSTED},
    at=PLAIN,
    values=("768",),
)
def _process_ids_run_out(facts: Json) -> None:
    machine(facts, PLAIN)["kernel"]["tasks"] = "32000"


@breaks(
    {f"test_certificate_files_do_not_expire_soon[{FIRST}]": Code.CERTIFICATE_EXPIRING},
    at=FIRST,
    values=("/etc/etcd/pki/health.crt: 2.0 days",),
)
def _certificate_expires_soon(facts: Json) -> None:
    life = machine(facts, FIRST)["lives"]["/etc/kubernetes/pki/ca.crt"]
    ending = life | {"not_after": "2026-11-25T12:00:00+00:00"}
    machine(facts, FIRST)["lives"]["/etc/etcd/pki/health.crt"] = ending


WRONG_VERSION = {
    f"test_kubelet_version_fits_the_api_server[{PLAIN}]": Code.VERSION_SKEW,
    f"test_node_runs_expected_kubernetes[{PLAIN}]": Code.VERSION_UNEXPECTED,
}


@breaks(WRONG_VERSION, at=PLAIN, values=("v1.33.1",))
def _kubelet_is_too_old(facts: Json) -> None:
    facts["nodes"][PLAIN]["kubelet"] = "v1.33.1"


@breaks(WRONG_VERSION, at=PLAIN, values=("v1.38.0",))
def _kubelet_is_newer_than_the_server(facts: Json) -> None:
    facts["nodes"][PLAIN]["kubelet"] = "v1.38.0"


@breaks(
    {f"test_no_unit_has_failed[{PLAIN}]": Code.UNIT_FAILED}, at=PLAIN, values=("logrotate.service",)
)
def _some_unit_failed(facts: Json) -> None:
    machine(facts, PLAIN)["failed_units"] = ["logrotate.service"]


BOOTED_SYSTEM = {f"test_booted_system_is_the_deployed_one[{PLAIN}]": Code.BOOTED_SYSTEM_WRONG}


@breaks(BOOTED_SYSTEM, at=PLAIN, values=("43.20261001 booted",))
def _update_needs_a_reboot(facts: Json) -> None:
    for deployment in machine(facts, PLAIN)["deployments"]:
        deployment["booted"] = not deployment["booted"]


@breaks(
    {f"test_booted_system_has_the_latest_configuration[{PLAIN}]": Code.BOOTED_SYSTEM_OUTDATED},
    at=PLAIN,
    values=("12",),
)
def _system_was_rolled_back(facts: Json) -> None:
    machine(facts, PLAIN)["generations"] = {"etc": 12, "var": 17}


@breaks(BOOTED_SYSTEM, at=PLAIN, values=("unlocked: development",))
def _system_was_unlocked(facts: Json) -> None:
    machine(facts, PLAIN)["deployments"][0]["unlocked"] = "development"


@breaks(
    {f"test_cgroup_drivers_agree[{PLAIN}]": Code.CGROUP_DRIVERS_DIFFER},
    at=PLAIN,
    values=("runtime: cgroupfs",),
)
def _cgroup_drivers_differ(facts: Json) -> None:
    facts["views"][PLAIN]["runtime"]["cgroup"] = "/kubepods.slice/kubepods-pod7.slice/0badcafe"


@breaks(
    {f"test_etcd_leader_is_stable[{SECOND}]": Code.ETCD_LEADER_UNSTABLE},
    at=SECOND,
    values=("7 in term 2", "8 in term 5"),
)
def _leader_changes_during_the_run(facts: Json) -> None:
    facts["views"][SECOND]["etcd"]["later"] |= {"leader": "8", "term": 5}


@breaks(
    {f"test_member_applies_entries_in_time[{THIRD}]": Code.ETCD_MEMBER_BEHIND},
    at=THIRD,
    values=("3000", FIRST),
)
def _member_lags(facts: Json) -> None:
    etcd = facts["views"][THIRD]["etcd"]
    for part in ("status", "later"):
        etcd[part] |= {"index": 2000, "applied": 2000}


@breaks(
    {f"test_member_applies_entries_in_time[{THIRD}]": Code.ETCD_MEMBER_BEHIND},
    at=THIRD,
    values=("4040",),
)
def _member_applies_late(facts: Json) -> None:
    facts["views"][THIRD]["etcd"]["later"]["applied"] = 1000


@breaks(
    {f"test_members_hold_the_same_data[{THIRD}]": Code.ETCD_DATA_DIVERGED},
    at=THIRD,
    values=("0000dead at https://192.0.2.12:2380",),
)
def _member_has_other_data(facts: Json) -> None:
    for node in (FIRST, SECOND, THIRD):
        copies = running(facts, node)["copies"]
        copies[f"https://{healthy.HA_NODES[THIRD].address}:2380"]["hash"] = 0xDEAD


@breaks(
    {f"test_etcd_database_is_below_its_quota[{SECOND}]": Code.ETCD_QUOTA_NEARLY_REACHED},
    at=SECOND,
    values=("97%", "2048 MiB"),
)
def _database_is_near_its_quota(facts: Json) -> None:
    running(facts, SECOND)["database"] |= {"size": 1990 * 2**20, "used": 1900 * 2**20}


@breaks(
    {f"test_etcd_database_is_not_fragmented[{SECOND}]": Code.ETCD_FRAGMENTED},
    at=SECOND,
    values=("98%",),
)
def _database_is_fragmented(facts: Json) -> None:
    running(facts, SECOND)["database"] |= {"size": 2**30, "used": 20 * 2**20}


SLOW = {"counts": [0, 0, 2, 3, 12], "total": 12}


@breaks(
    {f"test_etcd_log_is_written_in_time[{SECOND}]": Code.ETCD_DISK_SLOW},
    at=SECOND,
    values=("9 of 12",),
)
def _log_is_written_slowly(facts: Json) -> None:
    running(facts, SECOND)["writes"]["log"] |= SLOW


@breaks(
    {f"test_etcd_database_is_written_in_time[{SECOND}]": Code.ETCD_DISK_SLOW},
    at=SECOND,
    values=("10 of 12",),
)
def _database_is_written_slowly(facts: Json) -> None:
    running(facts, SECOND)["writes"]["database"] |= SLOW


@breaks(
    {f"test_latency_between_etcd_members_is_low[{SECOND}]": Code.ETCD_PEER_SLOW},
    at=SECOND,
    values=("400 ms to https://192.0.2.12:2380",),
)
def _peer_is_slow(facts: Json) -> None:
    copies = running(facts, SECOND)["copies"]
    copies[f"https://{healthy.HA_NODES[THIRD].address}:2380"]["connect"] = 0.4


@breaks(
    {f"test_etcd_clients_read_only_their_prefix[{FIRST}]": Code.ETCD_RIGHTS_TOO_WIDE},
    at=FIRST,
    values=("health", "/registry/"),
)
def _health_reads_everything(facts: Json) -> None:
    facts["views"][FIRST]["etcd"]["rights"]["health /registry/"] = "allowed"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_alteration_fails_its_checks(replay: Replay, case: Case) -> None:
    """Exactly the declared checks fail, with their codes and places."""
    CASES.verify(replay, case)


def test_one_stall_is_no_slow_disk() -> None:
    """One or two slow writes on a busy machine do not count as a slow disk."""
    quick = Histogram([0.1, 0.512], [8, 8], 10)
    assert quick.longer(0.5) == 2
    assert quick.quantile(0.5) < 0.1
