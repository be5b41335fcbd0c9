# SPDX-License-Identifier: Apache-2.0
"""The checks of the network with each back end of flannel: healthy clusters pass, faults fail."""

from collections.abc import Callable
from typing import Any

import pytest

from conformance.codes import Code
from conformance.facts.model import Facts
from conformance.facts.serialization import from_plain
from conformance.support import back_ends, causes
from tests.conformance import healthy
from tests.conformance.conftest import SuiteRun

Json = dict[str, Any]
Replay = Callable[..., SuiteRun]
CONTROL, ONE, TWO = healthy.NODES
DEVICES = {"vxlan": "flannel.42", "direct": "flannel.42", "wireguard": "flannel-wg", "host-gw": ""}
OVERHEAD = {"vxlan": 50, "direct": 50, "wireguard": 80, "host-gw": 0}


def facts_of(back_end: str) -> Json:
    """Return facts of a healthy cluster with a back end."""
    facts = healthy.facts()
    device, mtu = DEVICES[back_end], 1500 - OVERHEAD[back_end]
    vxlan = device == "flannel.42"
    facts["expected"]["flannel"] |= {"backend": "vxlan" if vxlan else back_end, "vni": 42}
    for lease in facts["views"][CONTROL]["leases"]:
        lease["backend"] = "vxlan" if vxlan else back_end
        lease |= {"vni": 42} if vxlan else {"vni": None, "mac": ""}
    addresses = {item["subnet"]: item["public_ip"] for item in facts["views"][CONTROL]["leases"]}
    for view in facts["views"].values():
        _change_links(view, device, mtu)
        _change_routes(view, back_end, addresses)
        if back_end != "vxlan":
            none = {"unasked": "no VXLAN device", "permanent": True}
            entries = [] if vxlan else none
            view |= {"forwards": entries, "neighbours": entries}
    return facts


def _change_links(view: Json, device: str, mtu: int) -> None:
    tunnel = view["links"].pop("flannel.1")
    if device:
        view["links"][device] = tunnel | {"mtu": mtu}
    view["subnet_env"]["mtu"] = view["paths"]["own"]["mtu"] = mtu
    for name in {"cni0", "docker0"} & view["links"].keys():
        view["links"][name]["mtu"] = mtu


def _change_routes(view: Json, back_end: str, addresses: dict[str, str]) -> None:
    for route in view["routes"]:
        if back_end == "wireguard":
            route |= {"to": "10.244.0.0/16", "via": "", "device": "flannel-wg"}
        elif back_end == "vxlan":
            route["device"] = "flannel.42"
        else:
            route |= {"via": addresses[route["to"]], "device": "eth0"}


def parsed(facts: Json) -> Facts:
    """Return facts as the checks get them."""
    found: Facts = from_plain(Facts, facts)
    return found


@pytest.mark.parametrize("back_end", DEVICES)
def test_healthy(replay: Replay, back_end: str) -> None:
    """All checks of the network pass; none is skipped because of the back end."""
    usual = replay(healthy.facts(), "-m", "network")
    run = replay(facts_of(back_end), "-m", "network")
    assert run.exit_status == 0, run.failed or run.errors
    assert set(run.passed) == set(usual.passed)
    assert set(run.skipped) == set(usual.skipped)


def device_deleted(facts: Json) -> None:
    """Delete flannel's device of a node."""
    for name in DEVICES.values():
        facts["views"][ONE]["links"].pop(name, None)


def route_deleted(facts: Json) -> None:
    """Delete the last route to pods, or the only one."""
    routes = facts["views"][ONE]["routes"]
    lost = routes[-1]
    facts["views"][ONE]["routes"] = [route for route in routes if route["to"] != lost["to"]]


def pods_too_large(facts: Json) -> None:
    """Let pods of a node have a larger MTU than the network between nodes."""
    facts["views"][ONE]["paths"]["own"]["mtu"] = 1501


FAULTS = {
    "test_lease_matches_the_device": device_deleted,
    "test_node_has_route_to_peer": route_deleted,
    "test_mtu_leaves_room_for_encapsulation": pods_too_large,
}


@pytest.mark.parametrize(
    ("back_end", "check"),
    [
        (back_end, check)
        for back_end, device in DEVICES.items()
        for check, fault in FAULTS.items()
        if device or fault is not device_deleted
    ],
)
def test_fault(replay: Replay, back_end: str, check: str) -> None:
    """A fault of a node fails the check of its back end."""
    facts = facts_of(back_end)
    FAULTS[check](facts)
    failed = replay(facts, "-m", "network", "-k", check).failed
    assert failed
    assert all(name.startswith((f"{check}[{ONE}]", f"{check}[{ONE}->")) for name in failed)


@pytest.mark.parametrize(
    ("back_end", "code", "word"),
    [
        ("vxlan", Code.PATH_LOST_ONE_WAY, "FDB"),
        ("direct", Code.POD_ADDRESSES_DROPPED, "address pairs"),
        ("host-gw", Code.POD_ADDRESSES_DROPPED, "address pairs"),
        ("wireguard", Code.PATH_LOST_ONE_WAY, "route"),
    ],
)
def test_cause_of_lost_packets(back_end: str, code: Code, word: str) -> None:
    """The likely cause is that of the back end."""
    facts = facts_of(back_end)
    facts["views"][ONE]["pod_pings"][TWO] |= {"received": 0, "ms": None}
    found = causes.of_lost_ping(parsed(facts), ONE, TWO)
    assert found.code == code
    assert word in found.likely


@pytest.mark.parametrize("back_end", DEVICES)
def test_back_end_without_leases(back_end: str) -> None:
    """Without leases the devices of nodes show the back end; host-gw has none."""
    facts = facts_of(back_end)
    facts["views"][CONTROL]["leases"] = None
    found = back_ends.of(parsed(facts))
    assert found.name == {"host-gw": "", "wireguard": "wireguard"}.get(back_end, "vxlan")
    assert back_end == "host-gw" or found.device == DEVICES[back_end]
