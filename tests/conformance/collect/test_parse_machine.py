# SPDX-License-Identifier: Apache-2.0
"""Parser of the probe's output about the host; the lines were printed by real programs."""

import json

from conformance.collect.parse_node import node_view
from conformance.facts.machine import Clock, Deployment, Disk, Generations, Machine, Room, Validity
from conformance.outcome import Unavailable
from tests.conformance.collect.sections import WEB, framed


def machine(*printed: str) -> Machine:
    """Return the parsed host of a probe that ran from 100 to 106."""
    found = node_view("node", "run", "".join(printed), "https://a:1", WEB, (100.0, 106.0)).machine
    assert isinstance(found, Machine)
    return found


def test_clock_is_read_twice() -> None:
    """Both readings of the node's clock are needed."""
    begun = framed("clock_begin", "100.5\n")
    clock = machine(begun, framed("clock_end", "105.75")).clock
    assert clock == Clock(100.5, 105.75, 100.0, 106.0)
    assert clock.ahead == (-0.25, 0.5)
    assert isinstance(machine(begun).clock, Unavailable)


def test_disks_have_bytes_and_files() -> None:
    """Blocks are multiplied by the block size; a path may contain spaces."""
    text = "/ 4096 100 50 16 15\n/var/lib/my data 512 10 5 0 0"
    assert machine(framed("disks", text)).disks == {
        "/": Disk(Room(409600, 204800), Room(16, 15)),
        "/var/lib/my data": Disk(Room(5120, 2560), Room(0, 0)),
    }
    assert Room(0, 0).share == 1.0


def test_failed_units_may_be_empty() -> None:
    """An empty list is a result; a failure of systemctl is not."""
    assert machine(framed("failed_units", "a.service\nb.mount")).failed_units == [
        "a.service",
        "b.mount",
    ]
    assert machine(framed("failed_units", "")).failed_units == []
    broken = machine(framed("failed_units", "", 1, "Failed to connect to bus")).failed_units
    assert isinstance(broken, Unavailable)


def test_validities_are_keyed_by_path() -> None:
    """Subject and dates, in openssl's format."""
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


def test_deployments_of_rpm_ostree() -> None:
    """A deployment without a version has its checksum; without rpm-ostree they are unavailable."""
    status = {
        "deployments": [
            {"version": "43.2", "staged": True},
            {"version": "43.1", "booted": True},
            {"checksum": "0badcafe0badcafe"},
        ]
    }
    assert machine(framed("deployments", json.dumps(status))).deployments == [
        Deployment("43.2", False, "none", staged=True),
        Deployment("43.1", True, "none"),
        Deployment("0badcafe0bad", False, "none"),
    ]
    absent = machine(framed("deployments", "", 127, "the node has no rpm-ostree")).deployments
    assert absent == Unavailable("node: deployments: the node has no rpm-ostree", permanent=True)


def test_generations() -> None:
    """A system whose ``/etc`` has no number, as after a rollback to the image, has generation 0."""
    assert machine(framed("generations", "12\n17")).generations == Generations(12, 17)
    assert machine(framed("generations", "-\n17")).generations == Generations(0, 17)
    absent = machine(framed("generations", "", 127, "no versions")).generations
    assert absent == Unavailable("node: generations: no versions", permanent=True)
