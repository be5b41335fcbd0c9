# SPDX-License-Identifier: Apache-2.0
"""Layer 3, the key-value store: etcd's members are healthy and agree; strangers stay outside."""

from collections import Counter
from collections.abc import Callable

import pytest

from conformance.facts.etcd import Copy, Histogram, Running
from conformance.facts.expected import Expectation
from conformance.facts.model import Etcd, Facts, Member
from conformance.faults import detects
from conformance.outcome import InconclusiveError, Unavailable, require, value_or_skip
from conformance.support.etcd import all_members, later_statuses, statuses

pytestmark = pytest.mark.kvstore

NO_ETCD = "{}: no process etcd, and no --expect says that there should be one"
ETCDCTL = "on {}: etcdctl --endpoints={} --cacert=… --cert=… --key=… {}"
OK = 200

# Parts of its quota that a database takes: too much, soon too much; and from where holes matter.
QUOTA_FULL, QUOTA_FILLING, QUOTA_NOTICED = 0.9, 0.75, 0.25
MOST_HOLES = 0.5  # of the database's file
MOST_ELECTIONS = 2  # while all nodes are asked
BEHIND = 1000  # entries of raft's log; etcd itself refuses writes at 5000
# Seconds: what etcd's documents call good is a warning, what its alerts call bad is a failure.
LOG_SECONDS, LOG_WARNING = 0.5, 0.010
DATABASE_SECONDS, DATABASE_WARNING = 0.25, 0.025
PEER_SECONDS, PEER_WARNING = 0.15, 0.050
# A busy machine lets many a write wait, a slow disk nearly all, and all of the time. All must hold.
SLOW_SHARE, SLOW_LEAST, SLOW_SECONDS = 0.75, 3, 4.0

Note = Callable[[str, object], None]  # pytest's record_property


@detects("etcd-member-down")
def test_member_runs(facts: Facts, expected: Expectation, etcd_node: str) -> None:
    """A member runs on the node, where one should."""
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
    )


def test_member_is_healthy(facts: Facts, expected: Expectation, etcd_node: str) -> None:
    """The member commits a proposal when it is asked on its own."""
    etcd = member_on(facts, expected, etcd_node)
    health = value_or_skip(etcd.health)
    require(
        health.healthy,
        at=f"{etcd_node}: etcd at {etcd.endpoint}",
        expected="healthy",
        seen=health.problem,
        likely="no quorum, an alarm, a full or slow disk, or an expired certificate",
        look=ETCDCTL.format(etcd_node, etcd.endpoint, "endpoint health; journalctl -u etcd -n 50"),
    )


def test_member_knows_the_common_leader(
    facts: Facts, expected: Expectation, etcd_node: str
) -> None:
    """There is a leader, it is a listed member, and all members name the same one.

    Asked twice: an election between two members' answers parts them once only.
    """
    etcd = member_on(facts, expected, etcd_node)
    leader = value_or_skip(etcd.status).leader
    others = {node: status.leader for node, status in statuses(facts).items()}
    listed = {member.id for member in value_or_skip(etcd.members)}
    last = {status.leader for status in later_statuses(facts).values()}
    require(
        (leader in listed and set(others.values()) == {leader})
        or (len(last) == 1 and last <= listed),
        at=f"{etcd_node}: etcd's leader",
        expected="one leader, a listed member, the same for all",
        seen=", ".join(f"{node} says {named}" for node, named in others.items()),
        likely="an election is going on, or the members are parted from each other (TCP 2380)",
        look=ETCDCTL.format(etcd_node, etcd.endpoint, "endpoint status --cluster -w table"),
    )


def test_members_count_the_same_elections(
    facts: Facts, expected: Expectation, etcd_node: str
) -> None:
    """All members are in the same term of raft: none is left behind or holds elections alone.

    Asked twice, as for the leader.
    """
    etcd = member_on(facts, expected, etcd_node)
    term = value_or_skip(etcd.status).term
    others = {node: status.term for node, status in statuses(facts).items()}
    last = {status.term for status in later_statuses(facts).values()}
    require(
        set(others.values()) == {term} or len(last) == 1,
        at=f"{etcd_node}: etcd's raft term",
        expected="the same for all members",
        seen=", ".join(f"{node} says {named}" for node, named in others.items()),
        likely="elections go on and on, or a member is cut off",
        look=ETCDCTL.format(etcd_node, etcd.endpoint, "endpoint status --cluster -w table"),
    )


def test_no_alarm_is_raised(facts: Facts, expected: Expectation, etcd_node: str) -> None:
    """No alarm is raised: neither NOSPACE (writes are refused) nor CORRUPT."""
    etcd = member_on(facts, expected, etcd_node)
    alarms = value_or_skip(etcd.alarms)
    require(
        not alarms,
        at=f"{etcd_node}: etcd's alarms",
        expected="none",
        seen=", ".join(alarms),
        likely="NOSPACE: the database reached its quota; CORRUPT: members hold different data",
        look=ETCDCTL.format(etcd_node, etcd.endpoint, "alarm list; then compact, defrag, disarm"),
    )


@detects("etcd-diverged")
def test_members_are_the_expected_ones(facts: Facts, expected: Expectation, etcd_node: str) -> None:
    """The member lists the expected members, all of them started voters."""
    etcd = member_on(facts, expected, etcd_node)
    members = value_or_skip(etcd.members)
    running = {other.endpoint for other in all_members(facts).values()}
    want = set(expected.etcd.get("endpoints", [])) or running
    idle = [member.id for member in members if not member.name or member.learner]
    require(
        urls(members) >= want and len(members) == len(want) and not idle,
        at=f"{etcd_node}: etcd's member list",
        expected=f"{len(want)} started voters: {', '.join(sorted(want))}",
        seen=", ".join(f"{m.name or 'not started'} {m.client_urls}" for m in members),
        likely="a member was never started, was not removed when replaced, or is a learner",
        look=ETCDCTL.format(etcd_node, etcd.endpoint, "member list -w table"),
    )


def test_member_runs_expected_etcd(facts: Facts, expected: Expectation, etcd_node: str) -> None:
    """The member is of the version that was deployed."""
    if "etcd" not in expected.versions:
        pytest.skip("no --expect names the version of etcd")
    seen = value_or_skip(member_on(facts, expected, etcd_node).status).version
    require(
        seen == expected.versions["etcd"],
        at=f"{etcd_node}: etcd",
        expected=expected.versions["etcd"],
        seen=seen,
        likely="an upgrade that has not reached this member",
        look=f"on {etcd_node}: systemctl status etcd",
    )


@detects("etcd-open")
def test_stranger_is_refused(facts: Facts, expected: Expectation, etcd_node: str) -> None:
    """Without a client's certificate no answer comes; with one it does, so the refusal counts."""
    etcd = member_on(facts, expected, etcd_node)
    doors = value_or_skip(etcd.doors)
    others = etcd.running if isinstance(etcd.running, Unavailable) else etcd.running.entrances
    found = {} if isinstance(others, Unavailable) else others
    told = {at: f"{at} over plain HTTP" for at, each in found.items() if each.plain == OK}
    told |= {at: f"{at} over TLS" for at, each in found.items() if each.stranger == OK}
    require(
        doors.certificate == OK and doors.no_certificate == 0 and not told,
        at=f"{etcd_node}: {etcd.endpoint}/version, and at each port that etcd listens on",
        expected="HTTP 200 with a client's certificate, no answer without one",
        seen=f"HTTP {doors.certificate} with, HTTP {doors.no_certificate} without (0: no answer)"
        + "".join(f"; HTTP 200 without one at {where}" for where in told.values()),
        likely="etcd runs without --client-cert-auth, or listens on http:// as well: everybody may "
        "read and write the cluster",
        look=f"on {etcd_node}: curl -k {etcd.endpoint}/version; ss -ltnp | grep etcd; "
        "systemctl cat etcd",
    )


@detects("etcd-open")
def test_plain_http_is_refused(facts: Facts, expected: Expectation, etcd_node: str) -> None:
    """The client port speaks TLS only: plain HTTP is cut off or told that it is wrong (400)."""
    etcd = member_on(facts, expected, etcd_node)
    plain = value_or_skip(etcd.doors).plain
    require(
        plain in (0, 400),
        at=f"{etcd_node}: {etcd.endpoint} over plain HTTP",
        expected="no answer, or 400",
        seen=f"HTTP {plain}",
        likely="etcd listens on http:// as well: everybody may read and write the whole cluster",
        look=f"on {etcd_node}: systemctl cat etcd; ss -ltnp | grep etcd",
    )


def test_clients_read_their_own_only(facts: Facts, expected: Expectation, etcd_node: str) -> None:
    """Each client's certificate opens its own prefix and no other's; a stranger's opens none.

    All are signed by etcd's authority: it is the rights by name that tell them apart.
    """
    told = value_or_skip(member_on(facts, expected, etcd_node).rights)
    rights = {tuple(words.split(" ", 1)): verdict for words, verdict in told.items()}
    clients = {client for client, _ in rights}
    if not {"kube-apiserver", "flanneld"} <= clients:
        pytest.skip(f"{etcd_node}: etcd has one client as far as flags tell: nothing to keep apart")
    unclear = {key: said for key, said in rights.items() if said not in ("allowed", "denied")}
    if unclear:
        (client, prefix), said = next(iter(unclear.items()))
        raise InconclusiveError(f"{etcd_node}: {client} at {prefix}: {said}")
    network = str(expected.flannel.get("prefix", "/coreos.com/network")).rstrip("/") + "/"
    wrong = [
        f"{client} may {'read' if verdict == 'allowed' else 'not read'} {prefix}"
        for (client, prefix), verdict in rights.items()
        if (verdict == "allowed")
        != (client == ("flanneld" if prefix == network else "kube-apiserver"))
    ]
    require(
        not wrong,
        at=f"{etcd_node}: rights in etcd",
        expected="the apiserver reads /registry/, flannel its network, nobody the other's",
        seen="; ".join(wrong),
        likely="etcd's authentication is not enabled, or a role grants more than its prefix",
        look=f"on {etcd_node}, with root's certificate: etcdctl auth status; etcdctl role list; "
        "etcdctl role get kube-apiserver",
    )


# ---- over a while, and between members ----


def test_leader_stays(
    facts: Facts, expected: Expectation, etcd_node: str, record_property: Note
) -> None:
    """When all else had been asked the member still knew a leader, and elections had been few.

    A machine without time to spare holds one now and then: that is noted.
    """
    etcd = member_on(facts, expected, etcd_node)
    first, last = value_or_skip(etcd.status), value_or_skip(etcd.later)
    if (first.leader, first.term) != (last.leader, last.term):
        record_property("warning", f"{etcd_node}: etcd held an election while it was asked")
    require(
        last.leader != "0" and last.term - first.term <= MOST_ELECTIONS,
        at=f"{etcd_node}: etcd's leader, asked twice",
        expected=f"a leader, and at most {MOST_ELECTIONS} elections meanwhile",
        seen=f"{first.leader} in term {first.term}, then {last.leader} in term {last.term}",
        likely="elections come and go: a disk or a network that is too slow, or a member that "
        "starts again and again",
        look=ETCDCTL.format(etcd_node, etcd.endpoint, "endpoint status --cluster -w table")
        + "; journalctl -u etcd | grep -i -e elect -e leader",
    )


def test_member_keeps_up(facts: Facts, expected: Expectation, etcd_node: str) -> None:
    """The member has what others had before, and has put into its database what it has."""
    etcd = member_on(facts, expected, etcd_node)
    last = value_or_skip(etcd.later)
    if not last.index:
        pytest.skip(f"{etcd_node}: this etcd does not tell how far it is")
    before = {node: status.index for node, status in statuses(facts).items()}
    first = max(before, key=lambda node: before[node])
    behind, unapplied = before[first] - last.index, last.index - last.applied
    require(
        behind <= BEHIND and unapplied <= BEHIND,
        at=f"{etcd_node}: raft's log",
        expected=f"at most {BEHIND} entries behind",
        seen=f"{max(behind, 0)} behind what {first} had before; {unapplied} not yet applied",
        likely="the member was cut off or down, or its disk cannot follow",
        look=ETCDCTL.format(etcd_node, etcd.endpoint, "endpoint status --cluster -w table"),
    )


@detects("etcd-diverged")
def test_voters_are_odd(facts: Facts, expected: Expectation, etcd_node: str) -> None:
    """An odd number of members votes: one more would bear no more losses, and could be lost."""
    etcd = member_on(facts, expected, etcd_node)
    voters = [member for member in value_or_skip(etcd.members) if not member.learner]
    require(
        len(voters) % 2 == 1,
        at=f"{etcd_node}: etcd's voting members",
        expected="an odd number (a learner does not vote)",
        seen=f"{len(voters)}: {', '.join(named(member) for member in voters)}",
        likely="a member was added and never started, or is gone and was not removed",
        look=ETCDCTL.format(etcd_node, etcd.endpoint, "member list -w table; member remove ID"),
    )


@detects("etcd-diverged")
def test_no_learner_is_left(facts: Facts, expected: Expectation, etcd_node: str) -> None:
    """No member is a learner: one that joins is promoted within minutes."""
    etcd = member_on(facts, expected, etcd_node)
    learners = [member for member in value_or_skip(etcd.members) if member.learner]
    require(
        not learners,
        at=f"{etcd_node}: etcd's learners",
        expected="none",
        seen=", ".join(named(member) for member in learners),
        likely="a member that joins cannot start, or nobody promoted it (wait if it joins now)",
        look=ETCDCTL.format(
            etcd_node, etcd.endpoint, "member list -w table; member promote ID, or member remove ID"
        ),
    )


@detects("etcd-diverged")
def test_members_hold_the_same_data(facts: Facts, expected: Expectation, etcd_node: str) -> None:
    """The member's data at one revision are those of most members, by their hash."""
    etcd = member_on(facts, expected, etcd_node)
    copies = value_or_skip(running_on(facts, expected, etcd_node).copies)
    own = own_copy(etcd, copies)
    if own.problem:
        raise InconclusiveError(
            f"{etcd_node}: etcd hashes nothing at its peers' port: {own.problem}"
        )
    hashes = {
        url: copy.hash
        for url, copy in copies.items()
        if not copy.problem and copy.compacted == own.compacted
    }
    require(
        Counter(hashes.values())[own.hash] * 2 > len(hashes),
        at=f"{etcd_node}: hash of etcd's data at one revision",
        expected="the same as most members'",
        seen=", ".join(f"{value:08x} at {url}" for url, value in hashes.items()),
        likely="a member was started from other data, or its disk lied: it must be made anew",
        look=ETCDCTL.format(etcd_node, etcd.endpoint, "endpoint hashkv --cluster (as root)"),
    )


# ---- the disk, the quota, the way to the others ----


@detects("etcd-near-quota")
def test_database_is_far_from_its_quota(
    facts: Facts, expected: Expectation, etcd_node: str, record_property: Note
) -> None:
    """The database may grow: at its quota etcd refuses every write."""
    etcd = member_on(facts, expected, etcd_node)
    database = value_or_skip(running_on(facts, expected, etcd_node).database)
    share = database.size / database.quota
    if share > QUOTA_FILLING:
        record_property("warning", f"{etcd_node}: etcd's database takes {share:.0%} of its quota")
    require(
        share <= QUOTA_FULL,
        at=f"{etcd_node}: size of etcd's database",
        expected=f"at most {QUOTA_FULL:.0%} of its quota of {mib(database.quota)}",
        seen=f"{mib(database.size)} ({share:.0%}), of which {mib(database.used)} are in use",
        likely="something writes without end, nothing compacts, or the quota is too small",
        look=ETCDCTL.format(etcd_node, etcd.endpoint, "endpoint status -w table; defrag"),
    )


@detects("etcd-near-quota")
def test_database_is_not_mostly_holes(facts: Facts, expected: Expectation, etcd_node: str) -> None:
    """What was compacted away does not take most of the file: to the quota, holes count, too."""
    etcd = member_on(facts, expected, etcd_node)
    database = value_or_skip(running_on(facts, expected, etcd_node).database)
    holes = 1 - database.used / database.size if database.size else 0.0
    require(
        holes <= MOST_HOLES or database.size <= QUOTA_NOTICED * database.quota,
        at=f"{etcd_node}: holes in etcd's database",
        expected=f"at most {MOST_HOLES:.0%} of it, once it takes {QUOTA_NOTICED:.0%} of its quota",
        seen=f"{holes:.0%}: {mib(database.used)} in use of {mib(database.size)}, quota "
        f"{mib(database.quota)}",
        likely="much was written and compacted, and nobody defragmented",
        look=ETCDCTL.format(etcd_node, etcd.endpoint, "defrag (this member alone, then the next)"),
    )


@detects("etcd-slow-disk")
def test_log_is_written_in_time(
    facts: Facts, expected: Expectation, etcd_node: str, record_property: Note
) -> None:
    """The disk takes the member's log at once: all wait for that (fsync)."""
    writes = value_or_skip(running_on(facts, expected, etcd_node).writes)
    judge_writes(etcd_node, "log (fsync)", writes.log, LOG_SECONDS, LOG_WARNING, record_property)


@detects("etcd-slow-disk")
def test_database_is_written_in_time(
    facts: Facts, expected: Expectation, etcd_node: str, record_property: Note
) -> None:
    """The disk takes what goes into the member's database (backend commit)."""
    writes = value_or_skip(running_on(facts, expected, etcd_node).writes)
    judge_writes(
        etcd_node, "database (commit)", writes.database,
        DATABASE_SECONDS, DATABASE_WARNING, record_property,
    )  # fmt: skip


def test_peers_are_near(
    facts: Facts, expected: Expectation, etcd_node: str, record_property: Note
) -> None:
    """The member reaches each other one without delay: one round trip to its peers' port.

    Asked directly: etcd writes down its own round trips only every half minute.
    """
    etcd = member_on(facts, expected, etcd_node)
    copies = value_or_skip(running_on(facts, expected, etcd_node).copies)
    far = {url: copy.connect for url, copy in copies.items() if copy.connect > PEER_WARNING}
    for url, seconds in far.items():
        record_property("warning", f"{etcd_node}: {url} is {seconds * 1000:.0f} ms away")
    require(
        not any(seconds > PEER_SECONDS for seconds in far.values()),
        at=f"{etcd_node}: round trips to etcd's members",
        expected=f"at most {PEER_SECONDS * 1000:.0f} ms",
        seen=", ".join(f"{seconds * 1000:.0f} ms to {url}" for url, seconds in far.items()),
        likely="the members are far from each other, or the network between them drops packets",
        look=ETCDCTL.format(etcd_node, etcd.endpoint, "endpoint status --cluster -w table")
        + "; ping the other members",
    )


def judge_writes(
    node: str, what: str, writes: Histogram, seconds: float, warning: float, note: Note
) -> None:
    """They did not nearly all wait long; that the slowest did is noted."""
    slowest = writes.quantile(0.99)
    if slowest > warning:
        note("warning", f"{node}: etcd's {what}: 99 % within {slowest * 1000:.0f} ms")
    slow = writes.longer(seconds)
    require(
        slow < SLOW_LEAST
        or slow < SLOW_SHARE * writes.total
        or writes.spent(seconds) < SLOW_SECONDS,
        at=f"{node}: how long the disk takes for etcd's {what}",
        expected=f"at most {seconds * 1000:.0f} ms (99 % within {warning * 1000:.0f} ms is good)",
        seen=f"{slow} of {writes.total} writes took longer while the node was asked; half took "
        f"{writes.quantile(0.5) * 1000:.0f} ms",
        likely="the disk is slow, or others use it up: etcd wants one of its own",
        look=f"on {node}: iostat -x 1 5; journalctl -u etcd | grep -i slow; "
        "curl … /metrics | grep -e fsync -e backend_commit",
    )


def own_copy(etcd: Etcd, copies: dict[str, Copy]) -> Copy:
    """The member's own among those that were asked: at the host where its clients ask it."""
    host = etcd.endpoint.rpartition(":")[0]
    found = [copy for url, copy in copies.items() if url.rpartition(":")[0] == host]
    return found[0] if found else Copy(0, 0, 0.0, f"no member's peers' port is at {host}")


def named(member: Member) -> str:
    """A member as people know it."""
    return member.name or f"{member.id} (not started)"


def mib(size: int) -> str:
    """A size in MiB."""
    return f"{size / 2**20:.0f} MiB"


def member_on(facts: Facts, expected: Expectation, node: str) -> Etcd:
    """The member that runs on the node; where none does there is nothing to ask."""
    etcd = value_or_skip(facts.view(node).etcd)
    if etcd is not None:
        return etcd
    if not expected.etcd:
        pytest.skip(NO_ETCD.format(node))
    raise InconclusiveError(f"{node}: no process etcd (see test_member_runs)")


def running_on(facts: Facts, expected: Expectation, node: str) -> Running:
    """What went on in the node's member while it was asked."""
    return value_or_skip(member_on(facts, expected, node).running)


def urls(members: list[Member]) -> set[str]:
    """Where members say they answer."""
    return {url for member in members for url in member.client_urls}
