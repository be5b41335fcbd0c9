# SPDX-License-Identifier: Apache-2.0
"""Parser of the probe's output about etcd; the lines were printed by real programs."""

import json

from conformance.collect.parse_node import node_view
from conformance.facts.etcd import Copy, Database, Histogram, ListenerAnswers, Running, Writes
from conformance.facts.model import Etcd, MemberStatus
from conformance.outcome import Unavailable
from tests.conformance.collect.sections import WEB, framed

STATUS = json.dumps(
    [
        {
            "Endpoint": "https://192.0.2.10:2379",
            "Status": {
                "header": {"cluster_id": 15760878751298560557, "member_id": 223, "revision": 1},
                "version": "3.6.16",
                "dbSize": 20480,
                "dbSizeInUse": 16384,
                "leader": 284,
                "raftIndex": 23,
                "raftTerm": 2,
                "raftAppliedIndex": 22,
            },
        }
    ]
)

FIGURES = """\
etcd_disk_backend_commit_duration_seconds_bucket{{le="0.001"}} {0}
etcd_disk_backend_commit_duration_seconds_bucket{{le="8.192"}} 21
etcd_disk_backend_commit_duration_seconds_bucket{{le="+Inf"}} 21
etcd_disk_backend_commit_duration_seconds_sum 0.03373776400000001
etcd_disk_wal_fsync_duration_seconds_bucket{{le="0.001"}} {0}
etcd_disk_wal_fsync_duration_seconds_bucket{{le="8.192"}} {0}
etcd_disk_wal_fsync_duration_seconds_bucket{{le="+Inf"}} {1}
etcd_server_quota_backend_bytes 2.147483648e+09
"""

ETCD = [framed("etcd_process", "7"), framed("etcd_status", STATUS)]


def running(*printed: str) -> Running:
    """Return the parsed state of the running member."""
    found = etcd(*printed).running
    assert isinstance(found, Running)
    return found


def etcd(*printed: str) -> Etcd:
    """Return the parsed member."""
    found = node_view("node", "run", "".join([*ETCD, *printed]), "https://a:1", WEB).etcd
    assert isinstance(found, Etcd)
    return found


def test_status_is_read_twice() -> None:
    """The status at the beginning and at the end are separate facts."""
    later = STATUS.replace('"raftTerm": 2', '"raftTerm": 3')
    member = etcd(framed("etcd_status_later", later))
    want = MemberStatus(
        member="223",
        leader="284",
        cluster="15760878751298560557",
        version="3.6.16",
        learner=False,
        errors=[],
        term=2,
        index=23,
        applied=22,
    )
    assert member.status == want
    assert isinstance(member.later, MemberStatus)
    assert member.later.term == 3


def test_writes_are_the_difference_of_two_readings() -> None:
    """Counters since the start of etcd are subtracted; one reading is not enough."""
    first, last = FIGURES.format(18, 18), FIGURES.format(20, 23)
    found = running(framed("etcd_figures", first), framed("etcd_figures_later", last))
    assert found.writes == Writes(
        Histogram([0.001, 8.192], [2, 2], 5), Histogram([0.001, 8.192], [2, 0], 0)
    )
    assert isinstance(running(framed("etcd_figures", first)).writes, Unavailable)
    assert isinstance(
        running(framed("etcd_figures", "x"), framed("etcd_figures_later", "x")).writes, Unavailable
    )


def test_quota_is_read_from_status_or_metrics() -> None:
    """It is in the status since etcd 3.6; without either, the default is used."""
    old = running(framed("etcd_figures", FIGURES.format(1, 2))).database
    assert old == Database(20480, 16384, 2147483648)
    assert running().database == Database(20480, 16384, 2147483648)


def test_copies_have_a_hash_or_a_problem() -> None:
    """Responses of the peer port, with the time to connect."""
    text = (
        'https://192.0.2.10:2380 200 0.000329 {"header":{"revision":1},"hash":1084519789,'
        '"compact_revision":-1,"hash_revision":1}\n'
        "https://192.0.2.11:2380 400 0.000524 mvcc: required revision has been compacted\n"
        "https://192.0.2.12:2380 000 0.000000 "
    )
    assert running(framed("etcd_copies", text)).copies == {
        "https://192.0.2.10:2380": Copy(1084519789, -1, 0.000329),
        "https://192.0.2.11:2380": Copy(
            0, 0, 0.000524, "mvcc: required revision has been compacted"
        ),
        "https://192.0.2.12:2380": Copy(0, 0, 0.0, "no answer"),
    }


def test_listeners_are_keyed_by_address() -> None:
    """Each has two HTTP status codes."""
    text = "192.0.2.10:2379 000 000\n127.0.0.1:2381 404 000"
    assert running(framed("etcd_entrances", text)).entrances == {
        "127.0.0.1:2381": ListenerAnswers(404, 0),
        "192.0.2.10:2379": ListenerAnswers(0, 0),
    }
