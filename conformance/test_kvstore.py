# SPDX-License-Identifier: Apache-2.0
"""Layer 3, the key-value store: etcd's members are healthy and agree; strangers stay outside."""

import pytest

from conformance.expectation import Expectation
from conformance.facts import Etcd, Facts, Member, MemberStatus
from conformance.verdict import CouldNotAskError, Unasked, known, require

pytestmark = pytest.mark.kvstore

ETCDCTL = "on {}: etcdctl --endpoints={} --cacert=… --cert=… --key=… {}"


def test_member_is_healthy(facts: Facts, expected: Expectation, etcd_node: str) -> None:
    """The member commits a proposal when it is asked on its own."""
    etcd = member_on(facts, expected, etcd_node)
    health = known(etcd.health)
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
    """There is a leader, it is a listed member, and all members name the same one."""
    etcd = member_on(facts, expected, etcd_node)
    leader = known(etcd.status).leader
    others = {node: status.leader for node, status in statuses(facts).items()}
    listed = {member.id for member in known(etcd.members)}
    require(
        leader in listed and set(others.values()) == {leader},
        at=f"{etcd_node}: etcd's leader",
        expected="one leader, a listed member, the same for all",
        seen=", ".join(f"{node} says {named}" for node, named in others.items()),
        likely="an election is going on, or the members are parted from each other (TCP 2380)",
        look=ETCDCTL.format(etcd_node, etcd.endpoint, "endpoint status --cluster -w table"),
    )


def test_members_count_the_same_elections(
    facts: Facts, expected: Expectation, etcd_node: str
) -> None:
    """All members are in the same term of raft: none is left behind or holds elections alone."""
    etcd = member_on(facts, expected, etcd_node)
    term = known(etcd.status).term
    others = {node: status.term for node, status in statuses(facts).items()}
    require(
        set(others.values()) == {term},
        at=f"{etcd_node}: etcd's raft term",
        expected="the same for all members",
        seen=", ".join(f"{node} says {named}" for node, named in others.items()),
        likely="an election was going on while they were asked (ask again), or a member is cut off",
        look=ETCDCTL.format(etcd_node, etcd.endpoint, "endpoint status --cluster -w table"),
    )


def test_no_alarm_is_raised(facts: Facts, expected: Expectation, etcd_node: str) -> None:
    """No alarm is raised: neither NOSPACE (writes are refused) nor CORRUPT."""
    etcd = member_on(facts, expected, etcd_node)
    alarms = known(etcd.alarms)
    require(
        not alarms,
        at=f"{etcd_node}: etcd's alarms",
        expected="none",
        seen=", ".join(alarms),
        likely="NOSPACE: the database reached its quota; CORRUPT: members hold different data",
        look=ETCDCTL.format(etcd_node, etcd.endpoint, "alarm list; then compact, defrag, disarm"),
    )


def test_members_are_the_expected_ones(facts: Facts, expected: Expectation, etcd_node: str) -> None:
    """The member lists the expected members, all of them started voters."""
    etcd = member_on(facts, expected, etcd_node)
    members = known(etcd.members)
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
    seen = known(member_on(facts, expected, etcd_node).status).version
    require(
        seen == expected.versions["etcd"],
        at=f"{etcd_node}: etcd",
        expected=expected.versions["etcd"],
        seen=seen,
        likely="an upgrade that has not reached this member",
        look=f"on {etcd_node}: systemctl status etcd",
    )


def test_stranger_is_refused(facts: Facts, expected: Expectation, etcd_node: str) -> None:
    """Without a client certificate no answer comes; with one it does, so the refusal counts."""
    etcd = member_on(facts, expected, etcd_node)
    doors = known(etcd.doors)
    require(
        doors.certificate == 200 and doors.no_certificate == 0,
        at=f"{etcd_node}: {etcd.endpoint}/version over TLS",
        expected="HTTP 200 with a client certificate, no answer without one",
        seen=f"HTTP {doors.certificate} with, HTTP {doors.no_certificate} without (0: no answer)",
        likely="etcd runs without --client-cert-auth: everybody may read and write the cluster",
        look=f"on {etcd_node}: curl -k {etcd.endpoint}/version; systemctl cat etcd",
    )


def test_plain_http_is_refused(facts: Facts, expected: Expectation, etcd_node: str) -> None:
    """The client port speaks TLS only: plain HTTP is cut off or told that it is wrong (400)."""
    etcd = member_on(facts, expected, etcd_node)
    plain = known(etcd.doors).plain
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
    told = known(member_on(facts, expected, etcd_node).rights)
    rights = {tuple(words.split(" ", 1)): verdict for words, verdict in told.items()}
    clients = {client for client, _ in rights}
    if not {"kube-apiserver", "flanneld"} <= clients:
        pytest.skip(f"{etcd_node}: etcd has one client as far as flags tell: nothing to keep apart")
    unclear = {key: said for key, said in rights.items() if said not in ("allowed", "denied")}
    if unclear:
        (client, prefix), said = next(iter(unclear.items()))
        raise CouldNotAskError(f"{etcd_node}: {client} at {prefix}: {said}")
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


def member_on(facts: Facts, expected: Expectation, node: str) -> Etcd:
    """The member that runs on the node; if none does although it should, the test fails."""
    etcd = known(facts.view(node).etcd)
    if etcd is None and not expected.etcd:
        pytest.skip(f"{node}: no process etcd, and no --expect says that there should be one")
    require(
        etcd is not None,
        at=f"{node}: process etcd",
        expected="a running etcd member",
        seen="no such process",
        likely="etcd did not start, or has crashed",
        look=f"on {node}: journalctl -u etcd -n 50",
    )
    assert etcd is not None
    return etcd


def all_members(facts: Facts) -> dict[str, Etcd]:
    """The members that run, by node."""
    return {node: view.etcd for node, view in facts.views.items() if isinstance(view.etcd, Etcd)}


def statuses(facts: Facts) -> dict[str, MemberStatus]:
    """What each member says of itself, by node; those that say nothing are judged apart."""
    found = {node: etcd.status for node, etcd in all_members(facts).items()}
    return {node: status for node, status in found.items() if not isinstance(status, Unasked)}


def urls(members: list[Member]) -> set[str]:
    """Where members say they answer."""
    return {url for member in members for url in member.client_urls}
