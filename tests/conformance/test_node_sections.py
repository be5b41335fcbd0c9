# SPDX-License-Identifier: Apache-2.0
"""Reading what the probes print of the machine and of etcd's members; lines of real programs."""

import json

from conformance.api import pods
from conformance.collect.parse_node import node_view
from conformance.facts.etcd import Copy, Database, Histogram, ListenerAnswers, Running, Writes
from conformance.facts.machine import Clock, Deployment, Disk, Machine, Room, Validity
from conformance.facts.model import Etcd, MemberStatus
from conformance.outcome import Unavailable
from tests.conformance.test_sections import WEB, framed

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


def machine(*printed: str) -> Machine:
    """What a node told of its machine, asked between 100 and 106."""
    told = node_view("node", "run", "".join(printed), "https://a:1", WEB, (100.0, 106.0)).machine
    assert isinstance(told, Machine)
    return told


def running(*printed: str) -> Running:
    """What went on in a node's member."""
    told = etcd(*printed).running
    assert isinstance(told, Running)
    return told


def etcd(*printed: str) -> Etcd:
    """A node's member."""
    told = node_view("node", "run", "".join([*ETCD, *printed]), "https://a:1", WEB).etcd
    assert isinstance(told, Etcd)
    return told


def test_clock_is_asked_twice() -> None:
    """The node's own moments between those of who asked; both are needed."""
    begun = framed("clock_begin", "100.5\n")
    clock = machine(begun, framed("clock_end", "105.75")).clock
    assert clock == Clock(100.5, 105.75, 100.0, 106.0)
    assert clock.ahead == (-0.25, 0.5)
    assert isinstance(machine(begun).clock, Unavailable)


def test_disks_have_bytes_and_files() -> None:
    """Blocks are counted in the file system's own size; a path may have blanks in it."""
    text = "/ 4096 100 50 16 15\n/var/lib/my data 512 10 5 0 0"
    assert machine(framed("disks", text)).disks == {
        "/": Disk(Room(409600, 204800), Room(16, 15)),
        "/var/lib/my data": Disk(Room(5120, 2560), Room(0, 0)),
    }
    assert Room(0, 0).share == 1.0


def test_failed_units_are_names_and_none_is_an_answer() -> None:
    """Silence is not: systemd that does not answer told nothing."""
    assert machine(framed("failed_units", "a.service\nb.mount")).failed_units == [
        "a.service",
        "b.mount",
    ]
    assert machine(framed("failed_units", "")).failed_units == []
    broken = machine(framed("failed_units", "", 1, "Failed to connect to bus")).failed_units
    assert isinstance(broken, Unavailable)


def test_certificates_live_by_path() -> None:
    """Subject and dates, as openssl says them."""
    text = (
        "/etc/etcd/pki/ca.crt subject CN=etcd\n"
        "/etc/etcd/pki/ca.crt notBefore Nov 23 20:42:37 2026 GMT\n"
        "/etc/etcd/pki/ca.crt notAfter Dec  3 20:42:37 2026 GMT"
    )
    assert machine(framed("lives", text)).lives == {
        "/etc/etcd/pki/ca.crt": Validity(
            "CN=etcd", "2026-11-23T20:42:37+00:00", "2026-12-03T20:42:37+00:00"
        )
    }


def test_deployments_of_the_system() -> None:
    """As rpm-ostree keeps them; a system without it has no such thing, for good."""
    told = {"deployments": [{"version": "43.1", "booted": True}, {"checksum": "0badcafe0badcafe"}]}
    assert machine(framed("deployments", json.dumps(told))).deployments == [
        Deployment("43.1", True, "none"),
        Deployment("0badcafe0bad", False, "none"),
    ]
    absent = machine(framed("deployments", "", 127, "the node has no rpm-ostree")).deployments
    assert absent == Unavailable("node: deployments: the node has no rpm-ostree", permanent=True)


def test_member_is_asked_again_at_the_end() -> None:
    """Its own view twice: how far it is, and who leads."""
    later = STATUS.replace('"raftTerm": 2', '"raftTerm": 3')
    told = etcd(framed("etcd_status_later", later))
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
    assert told.status == want
    assert isinstance(told.later, MemberStatus)
    assert told.later.term == 3


def test_writes_are_those_between_the_looks() -> None:
    """The difference of what is counted since etcd started."""
    first, last = FIGURES.format(18, 18), FIGURES.format(20, 23)
    told = running(framed("etcd_figures", first), framed("etcd_figures_later", last))
    assert told.writes == Writes(
        Histogram([0.001, 8.192], [2, 2], 5), Histogram([0.001, 8.192], [2, 0], 0)
    )
    assert isinstance(running(framed("etcd_figures", first)).writes, Unavailable)
    assert isinstance(
        running(framed("etcd_figures", "x"), framed("etcd_figures_later", "x")).writes, Unavailable
    )


def test_quota_is_told_by_status_or_by_figures() -> None:
    """Since 3.6 the status has it; without either it is etcd's own."""
    old = running(framed("etcd_figures", FIGURES.format(1, 2))).database
    assert old == Database(20480, 16384, 2147483648)
    assert running().database == Database(20480, 16384, 2147483648)


def test_copies_tell_a_hash_or_why_not() -> None:
    """The answer of the peers' port, and the seconds until TCP stood."""
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


def test_entrances_are_by_address() -> None:
    """Two codes for each port."""
    text = "192.0.2.10:2379 000 000\n127.0.0.1:2381 404 000"
    assert running(framed("etcd_entrances", text)).entrances == {
        "127.0.0.1:2381": ListenerAnswers(404, 0),
        "192.0.2.10:2379": ListenerAnswers(0, 0),
    }


def test_start_is_counted_from_when_the_image_was_there() -> None:
    """By the kubelet's clock alone: from its first look, or from the image, whichever was later."""
    pod = {
        "status": {
            "startTime": "2026-11-24T03:00:00Z",
            "containerStatuses": [{"state": {"running": {"startedAt": "2026-11-24T03:00:09Z"}}}],
        }
    }
    assert pods.starting_seconds(pod, []) == 9
    pulled = [{"reason": "Pulled", "lastTimestamp": "2026-11-24T03:00:07Z"}]
    assert pods.starting_seconds(pod, pulled) == 2


def test_pod_without_an_image_is_told_from_others() -> None:
    """Refused, or asked for and silent; a pod that nobody has begun with has another cause."""
    refused = {
        "status": {"containerStatuses": [{"state": {"waiting": {"reason": "ErrImagePull"}}}]}
    }
    assert pods.is_pulling(refused, [])
    assert pods.is_pulling({}, [{"reason": "Scheduled"}, {"reason": "Pulling"}])
    assert not pods.is_pulling({}, [{"reason": "Pulling"}, {"reason": "Pulled"}])
    assert not pods.is_pulling({}, [{"reason": "Scheduled"}])
