# SPDX-License-Identifier: Apache-2.0
"""Layer 3, the key-value store: etcd members are healthy, agree, and reject anonymous clients."""

from collections import Counter
from collections.abc import Callable

import pytest

from conformance.codes import Code
from conformance.facts.etcd import Copy, Histogram, Running
from conformance.facts.expected import Expectation
from conformance.facts.model import Etcd, Facts, Member
from conformance.faults import detects
from conformance.outcome import InconclusiveError, Unavailable, require, value_or_skip
from conformance.support.etcd import all_members, later_statuses, statuses

pytestmark = pytest.mark.kvstore

NO_ETCD = "{}: no process etcd, and no --expect requires one"
ETCDCTL = "on {}: etcdctl --endpoints={} --cacert=… --cert=… --key=… {}"
OK = 200

# Shares of the quota: failure, warning, and the size from which fragmentation is checked.
QUOTA_FULL, QUOTA_FILLING, QUOTA_NOTICED = 0.9, 0.75, 0.25
MOST_UNUSED = 0.5  # of the database file
MOST_ELECTIONS = 2  # while facts are collected
BEHIND = 1000  # entries of the raft log; etcd itself rejects writes at 5000
# Seconds. etcd's documentation recommends the warning values; its alerts fire at the others.
LOG_SECONDS, LOG_WARNING = 0.5, 0.010
DATABASE_SECONDS, DATABASE_WARNING = 0.25, 0.025
PEER_SECONDS, PEER_WARNING = 0.15, 0.050
# On a busy machine many writes are slow, on a slow disk nearly all are. All three must be exceeded.
SLOW_SHARE, SLOW_LEAST, SLOW_SECONDS = 0.75, 3, 4.0

MISSED_BACKUPS = 2  # intervals without a backup
FIRST_BACKUP = 1800.0  # seconds from the installation of the program
RETRIES = 900.0  # seconds from the time at which a backup is due
REHEARSED = 2 * 86400.0  # seconds; rehearsals are daily

Note = Callable[[str, object], None]  # pytest's record_property


@detects("etcd-member-down")
def test_member_runs(facts: Facts, expected: Expectation, etcd_node: str) -> None:
    """A member runs on each node that should have one."""
    etcd = value_or_skip(facts.view(etcd_node).etcd)
    if etcd is None and not expected.etcd:
        pytest.skip(NO_ETCD.format(etcd_node))
    require(
        etcd is not None,
        at=f"{etcd_node}: process etcd",
        expected="a running etcd member",
        seen="no such process",
        likely="etcd did not start, has crashed, or was stopped",
        look=f"on {etcd_node}: systemctl status etcd; journalctl -u etcd -n 50",
        code=Code.ETCD_MEMBER_NOT_RUNNING,
    )


def test_member_is_healthy(facts: Facts, expected: Expectation, etcd_node: str) -> None:
    """The member commits a proposal that is sent to its own endpoint."""
    etcd = member_on(facts, expected, etcd_node)
    health = value_or_skip(etcd.health)
    require(
        health.healthy,
        at=f"{etcd_node}: etcd at {etcd.endpoint}",
        expected="healthy",
        seen=health.problem,
        likely="no quorum, an alarm, a full or slow disk, or an expired certificate",
        look=ETCDCTL.format(etcd_node, etcd.endpoint, "endpoint health; journalctl -u etcd -n 50"),
        code=Code.ETCD_MEMBER_UNHEALTHY,
    )


def test_member_knows_the_common_leader(
    facts: Facts, expected: Expectation, etcd_node: str
) -> None:
    """All members report the same leader, which is a listed member.

    The status is read twice, as an election between two readings makes the first ones differ.
    """
    etcd = member_on(facts, expected, etcd_node)
    leader = value_or_skip(etcd.status).leader
    others = {node: status.leader for node, status in statuses(facts).items()}
    listed = {member.id for member in value_or_skip(etcd.members)}
    last = {status.leader for status in later_statuses(facts).values()}
    require(
        (leader in listed and set(others.values()) == {leader})
        or (len(last) == 1 and last <= listed),
        at=f"{etcd_node}: leader of etcd",
        expected="one leader, a listed member, the same for all members",
        seen=", ".join(f"{node} reports {value}" for node, value in others.items()),
        likely="an election is in progress, or the members cannot reach each other (TCP 2380)",
        look=ETCDCTL.format(etcd_node, etcd.endpoint, "endpoint status --cluster -w table"),
        code=Code.ETCD_MEMBERS_DISAGREE,
    )


def test_members_have_the_same_raft_term(
    facts: Facts, expected: Expectation, etcd_node: str
) -> None:
    """All members are in the same raft term: none lags behind or holds elections alone.

    The status is read twice, as for the leader.
    """
    etcd = member_on(facts, expected, etcd_node)
    term = value_or_skip(etcd.status).term
    others = {node: status.term for node, status in statuses(facts).items()}
    last = {status.term for status in later_statuses(facts).values()}
    require(
        set(others.values()) == {term} or len(last) == 1,
        at=f"{etcd_node}: raft term of etcd",
        expected="the same for all members",
        seen=", ".join(f"{node} reports {value}" for node, value in others.items()),
        likely="repeated elections, or a member cannot reach the others",
        look=ETCDCTL.format(etcd_node, etcd.endpoint, "endpoint status --cluster -w table"),
        code=Code.ETCD_MEMBERS_DISAGREE,
    )


def test_no_alarm_is_raised(facts: Facts, expected: Expectation, etcd_node: str) -> None:
    """No alarm is raised: neither NOSPACE (writes are rejected) nor CORRUPT."""
    etcd = member_on(facts, expected, etcd_node)
    alarms = value_or_skip(etcd.alarms)
    require(
        not alarms,
        at=f"{etcd_node}: alarms of etcd",
        expected="none",
        seen=", ".join(alarms),
        likely="NOSPACE: the database has reached its quota; CORRUPT: members have different data",
        look=ETCDCTL.format(etcd_node, etcd.endpoint, "alarm list; then compact, defrag, disarm"),
        code=Code.ETCD_ALARM,
    )


@detects("etcd-diverged")
def test_members_are_the_expected_ones(facts: Facts, expected: Expectation, etcd_node: str) -> None:
    """The member lists exactly the expected members, all of them started voters."""
    etcd = member_on(facts, expected, etcd_node)
    members = value_or_skip(etcd.members)
    running = {other.endpoint for other in all_members(facts).values()}
    want = set(expected.etcd.get("endpoints", [])) or running
    idle = [member.id for member in members if not member.name or member.learner]
    require(
        urls(members) >= want and len(members) == len(want) and not idle,
        at=f"{etcd_node}: member list of etcd",
        expected=f"{len(want)} started voters: {', '.join(sorted(want))}",
        seen=", ".join(f"{m.name or 'not started'} {m.client_urls}" for m in members),
        likely="a member was never started, was not removed when it was replaced, or is a learner",
        look=ETCDCTL.format(etcd_node, etcd.endpoint, "member list -w table"),
        code=Code.ETCD_MEMBERS_UNEXPECTED,
    )


def test_member_runs_expected_etcd(facts: Facts, expected: Expectation, etcd_node: str) -> None:
    """The member has the deployed version."""
    if "etcd" not in expected.versions:
        pytest.skip("no --expect sets the version of etcd")
    seen = value_or_skip(member_on(facts, expected, etcd_node).status).version
    require(
        seen == expected.versions["etcd"],
        at=f"{etcd_node}: etcd",
        expected=expected.versions["etcd"],
        seen=seen,
        likely="an upgrade has not reached this member",
        look=f"on {etcd_node}: systemctl status etcd",
        code=Code.VERSION_UNEXPECTED,
    )


@detects("etcd-open")
def test_etcd_refuses_anonymous_clients(
    facts: Facts, expected: Expectation, etcd_node: str
) -> None:
    """Etcd answers a client with a certificate, and no client without one, on any of its ports."""
    etcd = member_on(facts, expected, etcd_node)
    port = value_or_skip(etcd.doors)
    others = etcd.running if isinstance(etcd.running, Unavailable) else etcd.running.entrances
    found = {} if isinstance(others, Unavailable) else others
    answered = {at: f"{at} over plain HTTP" for at, each in found.items() if each.plain == OK}
    answered |= {at: f"{at} over TLS" for at, each in found.items() if each.stranger == OK}
    is_closed = port.no_certificate == 0 and not answered
    require(
        port.certificate == OK and is_closed,
        at=f"{etcd_node}: {etcd.endpoint}/version, and each port that etcd listens on",
        expected="HTTP 200 with a client certificate, no answer without one",
        seen=f"HTTP {port.certificate} with, HTTP {port.no_certificate} without (0: no answer)"
        + "".join(f"; HTTP 200 without one at {where}" for where in answered.values()),
        likely="etcd runs without --client-cert-auth or also listens on http://, so that any "
        "client can read and write the data of the cluster",
        look=f"on {etcd_node}: curl -k {etcd.endpoint}/version; ss -ltnp | grep etcd; "
        "systemctl cat etcd",
        code=Code.ETCD_CLIENT_REJECTED if is_closed else Code.ETCD_OPEN_WITHOUT_CERTIFICATE,
    )


@detects("etcd-open")
def test_plain_http_is_refused(facts: Facts, expected: Expectation, etcd_node: str) -> None:
    """The client port accepts TLS only: plain HTTP gets no answer, or status 400."""
    etcd = member_on(facts, expected, etcd_node)
    plain = value_or_skip(etcd.doors).plain
    require(
        plain in (0, 400),
        at=f"{etcd_node}: {etcd.endpoint} over plain HTTP",
        expected="no answer, or 400",
        seen=f"HTTP {plain}",
        likely="etcd also listens on http://, so that any client can read and write the data of "
        "the cluster",
        look=f"on {etcd_node}: systemctl cat etcd; ss -ltnp | grep etcd",
        code=Code.ETCD_OPEN_WITHOUT_CERTIFICATE,
    )


def test_etcd_clients_read_only_their_prefix(
    facts: Facts, expected: Expectation, etcd_node: str
) -> None:
    """Each client of etcd can read its own prefix only; an unknown client can read none.

    The same authority signs all client certificates; etcd separates them by user name.
    """
    found = value_or_skip(member_on(facts, expected, etcd_node).rights)
    rights = {tuple(words.split(" ", 1)): result for words, result in found.items()}
    clients = {client for client, _ in rights}
    if not {"kube-apiserver", "flanneld"} <= clients:
        pytest.skip(f"{etcd_node}: the flags of components name only one client of etcd")
    unclear = {key: result for key, result in rights.items() if result not in ("allowed", "denied")}
    if unclear:
        (client, prefix), result = next(iter(unclear.items()))
        raise InconclusiveError(f"{etcd_node}: {client} at {prefix}: {result}")
    network = str(expected.flannel.get("prefix", "/coreos.com/network")).rstrip("/") + "/"
    wrong = [
        (f"{client} may {'read' if result == 'allowed' else 'not read'} {prefix}", result)
        for (client, prefix), result in rights.items()
        if (result == "allowed")
        != (client == ("flanneld" if prefix == network else "kube-apiserver"))
    ]
    require(
        not wrong,
        at=f"{etcd_node}: permissions in etcd",
        expected="kube-apiserver reads /registry/, flanneld its network, and neither the other's",
        seen="; ".join(text for text, _ in wrong),
        likely="authentication is not enabled in etcd, or a role grants more than its prefix",
        look=f"on {etcd_node}, with root's certificate: etcdctl auth status; etcdctl role list; "
        "etcdctl role get kube-apiserver",
        code=Code.ETCD_RIGHTS_TOO_WIDE
        if any(result == "allowed" for _, result in wrong)
        else Code.ETCD_CLIENT_REJECTED,
    )


# ---- during the run, and between members ----


def test_etcd_leader_is_stable(
    facts: Facts, expected: Expectation, etcd_node: str, record_property: Note
) -> None:
    """The member had a leader during the whole run, and there were few elections.

    An overloaded machine causes an election now and then: that is a warning.
    """
    etcd = member_on(facts, expected, etcd_node)
    first, last = value_or_skip(etcd.status), value_or_skip(etcd.later)
    if (first.leader, first.term) != (last.leader, last.term):
        record_property("warning", f"{etcd_node}: etcd held an election during the run")
    require(
        last.leader != "0" and last.term - first.term <= MOST_ELECTIONS,
        at=f"{etcd_node}: leader of etcd, read twice",
        expected=f"a leader, and at most {MOST_ELECTIONS} elections in between",
        seen=f"{first.leader} in term {first.term}, then {last.leader} in term {last.term}",
        likely="repeated elections: a disk or network that is too slow, or a member that restarts "
        "repeatedly",
        look=ETCDCTL.format(etcd_node, etcd.endpoint, "endpoint status --cluster -w table")
        + "; journalctl -u etcd | grep -i -e elect -e leader",
        code=Code.ETCD_LEADER_UNSTABLE,
    )


def test_member_applies_entries_in_time(
    facts: Facts, expected: Expectation, etcd_node: str
) -> None:
    """The member has received and applied the entries that other members had earlier."""
    etcd = member_on(facts, expected, etcd_node)
    last = value_or_skip(etcd.later)
    if not last.index:
        pytest.skip(f"{etcd_node}: this version of etcd does not report its raft index")
    before = {node: status.index for node, status in statuses(facts).items()}
    first = max(before, key=lambda node: before[node])
    behind, unapplied = before[first] - last.index, last.index - last.applied
    require(
        behind <= BEHIND and unapplied <= BEHIND,
        at=f"{etcd_node}: raft log",
        expected=f"at most {BEHIND} entries behind",
        seen=f"{max(behind, 0)} behind the earlier index of {first}; {unapplied} not yet applied",
        likely="the member was cut off or down, or its disk is too slow",
        look=ETCDCTL.format(etcd_node, etcd.endpoint, "endpoint status --cluster -w table"),
        code=Code.ETCD_MEMBER_BEHIND,
    )


@detects("etcd-diverged")
def test_number_of_voters_is_odd(facts: Facts, expected: Expectation, etcd_node: str) -> None:
    """The number of voting members is odd: an even one tolerates no more failures."""
    etcd = member_on(facts, expected, etcd_node)
    voters = [member for member in value_or_skip(etcd.members) if not member.learner]
    require(
        len(voters) % 2 == 1,
        at=f"{etcd_node}: voting members of etcd",
        expected="an odd number (a learner does not vote)",
        seen=f"{len(voters)}: {', '.join(named(member) for member in voters)}",
        likely="a member was added and never started, or was lost and not removed",
        look=ETCDCTL.format(etcd_node, etcd.endpoint, "member list -w table; member remove ID"),
        code=Code.ETCD_VOTERS_EVEN,
    )


@detects("etcd-diverged")
def test_no_member_is_a_learner(facts: Facts, expected: Expectation, etcd_node: str) -> None:
    """No member is a learner: a joining member is promoted within minutes."""
    etcd = member_on(facts, expected, etcd_node)
    learners = [member for member in value_or_skip(etcd.members) if member.learner]
    require(
        not learners,
        at=f"{etcd_node}: learners of etcd",
        expected="none",
        seen=", ".join(named(member) for member in learners),
        likely="a joining member cannot start or was not promoted (wait if it is joining now)",
        look=ETCDCTL.format(
            etcd_node, etcd.endpoint, "member list -w table; member promote ID, or member remove ID"
        ),
        code=Code.ETCD_LEARNER_NOT_PROMOTED,
    )


@detects("etcd-diverged")
def test_members_hold_the_same_data(facts: Facts, expected: Expectation, etcd_node: str) -> None:
    """The hash of the member's data at one revision equals that of most members."""
    etcd = member_on(facts, expected, etcd_node)
    copies = value_or_skip(running_on(facts, expected, etcd_node).copies)
    own = own_copy(etcd, copies)
    if own.problem:
        raise InconclusiveError(f"{etcd_node}: no hash from the peer port of etcd: {own.problem}")
    hashes = {
        url: copy.hash
        for url, copy in copies.items()
        if not copy.problem and copy.compacted == own.compacted
    }
    require(
        Counter(hashes.values())[own.hash] * 2 > len(hashes),
        at=f"{etcd_node}: hash of etcd's data at one revision",
        expected="the same as on most members",
        seen=", ".join(f"{value:08x} at {url}" for url, value in hashes.items()),
        likely="the member started from different data or its disk is corrupt; recreate it",
        look=ETCDCTL.format(etcd_node, etcd.endpoint, "endpoint hashkv --cluster (as root)"),
        code=Code.ETCD_DATA_DIVERGED,
    )


# ---- quota, disk, and network between members ----


@detects("etcd-near-quota")
def test_etcd_database_is_below_its_quota(
    facts: Facts, expected: Expectation, etcd_node: str, record_property: Note
) -> None:
    """The database is well below its quota, at which etcd rejects every write."""
    etcd = member_on(facts, expected, etcd_node)
    database = value_or_skip(running_on(facts, expected, etcd_node).database)
    share = database.size / database.quota
    if share > QUOTA_FILLING:
        record_property("warning", f"{etcd_node}: the etcd database uses {share:.0%} of its quota")
    require(
        share <= QUOTA_FULL,
        at=f"{etcd_node}: size of the etcd database",
        expected=f"at most {QUOTA_FULL:.0%} of its quota of {mib(database.quota)}",
        seen=f"{mib(database.size)} ({share:.0%}), of which {mib(database.used)} are in use",
        likely="a client writes without limit, compaction is off, or the quota is too small",
        look=ETCDCTL.format(etcd_node, etcd.endpoint, "endpoint status -w table; defrag"),
        code=Code.ETCD_QUOTA_NEARLY_REACHED,
    )


@detects("etcd-near-quota")
def test_etcd_database_is_not_fragmented(
    facts: Facts, expected: Expectation, etcd_node: str
) -> None:
    """Most of the database file is in use: unused space counts towards the quota, too."""
    etcd = member_on(facts, expected, etcd_node)
    database = value_or_skip(running_on(facts, expected, etcd_node).database)
    unused = 1 - database.used / database.size if database.size else 0.0
    require(
        unused <= MOST_UNUSED or database.size <= QUOTA_NOTICED * database.quota,
        at=f"{etcd_node}: unused space in the etcd database",
        expected=f"at most {MOST_UNUSED:.0%} of it, once it has {QUOTA_NOTICED:.0%} of its quota",
        seen=f"{unused:.0%}: {mib(database.used)} in use of {mib(database.size)}, quota "
        f"{mib(database.quota)}",
        likely="many writes were compacted, and the database was not defragmented",
        look=ETCDCTL.format(etcd_node, etcd.endpoint, "defrag (this member alone, then the next)"),
        code=Code.ETCD_FRAGMENTED,
    )


@detects("etcd-slow-disk")
def test_etcd_log_is_written_in_time(
    facts: Facts, expected: Expectation, etcd_node: str, record_property: Note
) -> None:
    """The disk writes the member's log quickly: every request waits for it (fsync)."""
    writes = value_or_skip(running_on(facts, expected, etcd_node).writes)
    require_fast_writes(
        etcd_node, "log (fsync)", writes.log, LOG_SECONDS, LOG_WARNING, record_property
    )


@detects("etcd-slow-disk")
def test_etcd_database_is_written_in_time(
    facts: Facts, expected: Expectation, etcd_node: str, record_property: Note
) -> None:
    """The disk writes the member's database quickly (backend commit)."""
    writes = value_or_skip(running_on(facts, expected, etcd_node).writes)
    require_fast_writes(
        etcd_node, "database (commit)", writes.database,
        DATABASE_SECONDS, DATABASE_WARNING, record_property,
    )  # fmt: skip


def test_latency_between_etcd_members_is_low(
    facts: Facts, expected: Expectation, etcd_node: str, record_property: Note
) -> None:
    """A round trip from the node to the peer port of each other member is short.

    It is measured by the probe, as etcd updates its own metric only every 30 seconds.
    """
    etcd = member_on(facts, expected, etcd_node)
    copies = value_or_skip(running_on(facts, expected, etcd_node).copies)
    slow = {url: copy.connect for url, copy in copies.items() if copy.connect > PEER_WARNING}
    for url, seconds in slow.items():
        record_property("warning", f"{etcd_node}: {seconds * 1000:.0f} ms round trip to {url}")
    require(
        not any(seconds > PEER_SECONDS for seconds in slow.values()),
        at=f"{etcd_node}: round trips to the etcd members",
        expected=f"at most {PEER_SECONDS * 1000:.0f} ms",
        seen=", ".join(f"{seconds * 1000:.0f} ms to {url}" for url, seconds in slow.items()),
        likely="the members are far from each other, or the network between them drops packets",
        look=ETCDCTL.format(etcd_node, etcd.endpoint, "endpoint status --cluster -w table")
        + "; ping the other members",
        code=Code.ETCD_PEER_SLOW,
    )


def require_fast_writes(
    node: str, what: str, writes: Histogram, seconds: float, warning: float, note: Note
) -> None:
    """Require that not nearly all writes were slow; note a warning if the slowest were."""
    slowest = writes.quantile(0.99)
    if slowest > warning:
        note("warning", f"{node}: etcd's {what}: 99 % within {slowest * 1000:.0f} ms")
    slow = writes.longer(seconds)
    require(
        slow < SLOW_LEAST
        or slow < SLOW_SHARE * writes.total
        or writes.spent(seconds) < SLOW_SECONDS,
        at=f"{node}: write latency of etcd's {what}",
        expected=f"at most {seconds * 1000:.0f} ms (recommended: 99 % within "
        f"{warning * 1000:.0f} ms)",
        seen=f"{slow} of {writes.total} writes during the run took longer; the median was "
        f"{writes.quantile(0.5) * 1000:.0f} ms",
        likely="the disk is slow or busy with other work: etcd needs a disk of its own",
        look=f"on {node}: iostat -x 1 5; journalctl -u etcd | grep -i slow; "
        "curl … /metrics | grep -e fsync -e backend_commit",
        code=Code.ETCD_DISK_SLOW,
    )


def own_copy(etcd: Etcd, copies: dict[str, Copy]) -> Copy:
    """Return the copy of the member itself: the one at the host of its client endpoint."""
    host = etcd.endpoint.rpartition(":")[0]
    found = [copy for url, copy in copies.items() if url.rpartition(":")[0] == host]
    return found[0] if found else Copy(0, 0, 0.0, f"no peer port of a member at {host}")


def named(member: Member) -> str:
    """Return the name of a member, or its id if it was never started."""
    return member.name or f"{member.id} (not started)"


def mib(size: int) -> str:
    """Format a size in MiB."""
    return f"{size / 2**20:.0f} MiB"


def member_on(facts: Facts, expected: Expectation, node: str) -> Etcd:
    """Return the member on the node.

    Raises:
        InconclusiveError: no member runs there; the check is skipped if none is expected.
    """
    etcd = value_or_skip(facts.view(node).etcd)
    if etcd is not None:
        return etcd
    if not expected.etcd:
        pytest.skip(NO_ETCD.format(node))
    raise InconclusiveError(f"{node}: no process etcd (see test_member_runs)")


def running_on(facts: Facts, expected: Expectation, node: str) -> Running:
    """Return what was measured in the node's member during the run."""
    return value_or_skip(member_on(facts, expected, node).running)


def urls(members: list[Member]) -> set[str]:
    """Return the client URLs of the members."""
    return {url for member in members for url in member.client_urls}


@detects("backup-overdue", "backup-damaged")
def test_backup_is_fresh_and_rehearsed(
    facts: Facts, expected: Expectation, etcd_node: str, record_property: Note
) -> None:
    """The newest backup of etcd is not older than two intervals, and etcd was started from one."""
    if "backup_interval" not in expected.etcd:
        pytest.skip("no backups are expected: kvstore.backup is false, or there is no --expect")
    backups = value_or_skip(facts.view(etcd_node).backups)
    log = f"on {etcd_node}: journalctl -u etcd-backup -n 50"
    require(
        backups is not None,
        at=f"{etcd_node}: {expected.etcd.get('backup_status')}",
        expected="the status of backups",
        seen="no such file",
        likely="the step kvstore/backup has not run: update the stack",
        look=f"on {etcd_node}: systemctl list-timers etcd-backup.timer",
        code=Code.ETCD_BACKUP_OVERDUE,
    )
    assert backups is not None
    record_property("backups", backups.count)
    age = backups.now - backups.taken
    due = backups.interval * MISSED_BACKUPS + RETRIES
    waiting = not backups.taken and backups.now - backups.since < FIRST_BACKUP
    require(
        waiting or age < due,
        at=f"{etcd_node}: newest backup of etcd",
        expected=f"less than {due / 3600:.1f} hours old",
        seen=f"{age / 3600:.1f} hours old" if backups.taken else "none",
        likely=backups.problem or "the timer etcd-backup does not run",
        look=f"{log}; systemctl list-timers etcd-backup.timer",
        code=Code.ETCD_BACKUP_OVERDUE,
    )
    rehearsal_age = backups.now - backups.rehearsed
    require(
        waiting or (not backups.rehearsal_problem and rehearsal_age < REHEARSED),
        at=f"{etcd_node}: rehearsal of the restore from the newest backup",
        expected=f"successful, less than {REHEARSED / 3600:.0f} hours ago",
        seen=f"{rehearsal_age / 3600:.1f} hours ago" if backups.rehearsed else "never successful",
        likely=backups.rehearsal_problem or "the timer etcd-backup does not run",
        look=log,
        code=Code.ETCD_BACKUP_NOT_RESTORABLE,
    )
