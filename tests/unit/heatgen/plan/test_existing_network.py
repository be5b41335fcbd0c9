# SPDX-License-Identifier: Apache-2.0
"""Tests of the checks of an existing network, its subnet, and other properties of the cloud."""

from dataclasses import replace
from typing import Any

import pytest

from heatgen.plan import cloud_requirements
from heatgen.plan.cloud_requirements import CloudRequirements, CloudState
from heatgen.yamlio.codes import Code
from tests.unit.heatgen.support import tiny

OFFICE = """\
name: tiny
cloud: {image: debian, flavor: small, network: office, subnet: office-1, nodes: 192.0.2.0/24,
        external_network: public, %s}
control_plane: {count: %d, load_balancer: %s}
"""
NETWORK = {"project_id": "mine", "is_port_security_enabled": True}
SUBNET = {"cidr": "192.0.2.0/24", "gateway_ip": "192.0.2.1", "is_dhcp_enabled": True}


def requirements(
    more: str = "first_address: 192.0.2.50", count: int = 1, balancer: str = "none"
) -> CloudRequirements:
    """Return the requirements of a cluster in an existing network."""
    return cloud_requirements.requirements(tiny.planned(OFFICE % (more, count, balancer)))


def state(
    network: dict[str, Any] | None = None, subnet: dict[str, Any] | None = None
) -> CloudState:
    """Return the state of a cloud with the network of the project, with changed properties."""
    names: dict[tuple[str, str], Any] = {
        ("network", "office"): {**NETWORK, **(network or {})},
        ("subnet", "office-1"): {**SUBNET, **(subnet or {})},
    }
    return CloudState(names=names, project="mine")


def codes(needed: CloudRequirements, found: CloudState) -> dict[str, str]:
    """Return the codes of unmet requirements, by requirement."""
    results = cloud_requirements.check(needed, found)
    assert all(bool(item.code) == (item.verdict == "missing") for item in results)
    return {item.what: item.code for item in results if item.code}


def advice(needed: CloudRequirements, found: CloudState, what: str) -> str:
    """Return the advice of one check."""
    return next(
        item.advice for item in cloud_requirements.check(needed, found) if item.what == what
    )


def test_network_of_the_project() -> None:
    """On a network of the project everything is allowed."""
    assert codes(requirements(balancer="vip"), state()) == {}


def test_network_of_another_project() -> None:
    """Planned addresses on a network of another project are refused; assigned ones are not."""
    shared = state({"project_id": "other"})
    owner = {"network's project": Code.NETWORK_OF_OTHERS}
    assert codes(requirements(), shared) == owner
    assert "load_balancer" not in advice(requirements(), shared, "network's project")
    assert codes(requirements(balancer="vip"), shared) == owner
    assert "octavia" in advice(requirements(balancer="vip"), shared, "network's project")
    assert codes(requirements("addresses: assigned"), shared) == {}
    assert codes(requirements(), replace(shared, administrator=True)) == {}


def test_pod_addresses_on_a_network_of_another_project() -> None:
    """The advice includes another back end if pods need address pairs."""
    shared, routed = state({"project_id": "other"}), replace(requirements(), routed=True)
    assert "back end" not in advice(requirements(), shared, "network's project")
    assert "back end" in advice(routed, shared, "network's project")


def test_unknown_owner() -> None:
    """A network whose project the cloud does not report is not refused."""
    assert codes(requirements(), state({"project_id": None})) == {}


@pytest.mark.parametrize(
    ("network", "subnet", "expected"),
    [
        ({"is_port_security_enabled": False}, {},
         {"network's port security": Code.NO_PORT_SECURITY}),
        # Clouds without the extension.
        ({"is_port_security_enabled": None}, {}, {}),
        ({}, {"is_dhcp_enabled": False}, {"subnet's DHCP": Code.NO_DHCP}),
        ({}, {"gateway_ip": None}, {"subnet's gateway": Code.NO_GATEWAY}),
        ({}, {"gateway_ip": "192.0.2.51"}, {"free addresses": Code.ADDRESS_RESERVED}),
        ({}, {"gateway_ip": "192.0.2.50"}, {}),
        ({}, {"cidr": "192.0.2.0/25"}, {"subnet's range": Code.REQUIREMENT_NOT_MET}),
    ],
)  # fmt: skip
def test_properties(network: dict[str, Any], subnet: dict[str, Any], expected: object) -> None:
    """Each property that makes the creation fail is reported with its code.

    Without a load balancer, the address before the first node is not used.
    """
    assert codes(requirements(), state(network, subnet)) == expected


def test_gateway_is_the_address_of_the_api() -> None:
    """With a virtual IP, the gateway must not be the first address either."""
    found = state(subnet={"gateway_ip": "192.0.2.50"})
    assert codes(requirements(balancer="vip"), found) == {"free addresses": Code.ADDRESS_RESERVED}


def test_config_drive() -> None:
    """A config drive replaces DHCP."""
    needed = requirements("first_address: 192.0.2.50, config_drive: true")
    assert codes(needed, state(subnet={"is_dhcp_enabled": False})) == {}


@pytest.mark.parametrize("architecture", ["x86_64", "amd64", "X86_64", "", None])
def test_supported_image(architecture: str | None) -> None:
    """An image for x86_64, or without this property, is accepted."""
    image = {"status": "active", "min_disk": 0, "min_ram": 0, "architecture": architecture}
    assert codes(requirements(), replace(state(), images={"debian": image})) == {}


@pytest.mark.parametrize("architecture", ["aarch64", "arm64", "ppc64le", "i686"])
def test_unsupported_image(architecture: str) -> None:
    """An image for another processor is refused."""
    image = {"status": "active", "min_disk": 0, "min_ram": 0, "architecture": architecture}
    found = replace(state(), images={"debian": image})
    assert codes(requirements(), found) == {"image": Code.UNSUPPORTED_ARCHITECTURE}


@pytest.mark.parametrize(
    ("provider", "providers", "fits"),
    [
        ("ovn", ("amphora", "ovn"), True),
        ("ovn", ("amphora",), False),
        ("", ("amphora", "ovn"), True),
        ("", ("ovn",), False),
        ("", (), True),
    ],
)
def test_provider(provider: str, providers: tuple[str, ...], fits: bool) -> None:
    """The provider must exist; if OVN is the only one, it must be set."""
    needed = replace(requirements(balancer="octavia"), provider=provider)
    expected = {} if fits else {"load balancer provider": Code.REQUIREMENT_NOT_MET}
    assert codes(needed, replace(state(), providers=providers)) == expected
