# SPDX-License-Identifier: Apache-2.0
"""The state of a cloud, read with a connection that returns fixed resources."""

from types import SimpleNamespace
from typing import Any

from heatgen.cloud import preflight
from heatgen.plan import cloud_requirements
from tests.unit.heatgen.support import tiny

SHARED = tiny.CLUSTER.replace(
    "flavor: small}", "flavor: small, network: office, subnet: office-1,"
) + ("  nodes: 192.0.2.0/24, first_address: 192.0.2.50}\ncontrol_plane: {load_balancer: octavia}\n")


class Service:
    """A service of the cloud: returns fixed values; None from every other method."""

    def __init__(self, **values: Any) -> None:
        self.values = values

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: self.values.get(name)


def connection(**changes: Any) -> Any:
    """Return a connection to a cloud with a network of another project."""
    network = SimpleNamespace(project_id="other", is_port_security_enabled=False, id="n")
    subnet = SimpleNamespace(
        cidr="192.0.2.0/24", gateway_ip="192.0.2.1", is_dhcp_enabled=False, network_id="n"
    )
    image = SimpleNamespace(status="active", min_disk=0, min_ram=0, architecture="aarch64")
    access = SimpleNamespace(role_names=["member"])
    found = {
        "authorize": lambda: None,
        "current_project_id": "mine",
        "endpoint_for": lambda _: "http://service.example",
        "session": SimpleNamespace(auth=SimpleNamespace(get_access=lambda _: access)),
        "image": Service(find_image=image),
        "compute": Service(availability_zones=[]),
        "network": Service(find_network=network, find_subnet=subnet, ports=[]),
        "orchestration": Service(),
        "load_balancer": Service(providers=[SimpleNamespace(name="ovn")]),
    }
    return SimpleNamespace(**{**found, **changes})


def test_existing_network() -> None:
    """Owner, port security, DHCP, gateway, architecture and providers are read and checked."""
    needed = cloud_requirements.requirements(tiny.planned(SHARED))
    state = preflight.read_state(connection(), needed)
    assert (state.project, state.administrator, state.providers) == ("mine", False, ("ovn",))
    codes = {item.code for item in cloud_requirements.check(needed, state) if item.code}
    assert codes >= {
        "network-of-others", "no-port-security", "no-dhcp", "unsupported-architecture",
        "requirement-not-met",
    }  # fmt: skip


def test_administrator() -> None:
    """The policy allows planned addresses to administrators."""
    needed = cloud_requirements.requirements(tiny.planned(SHARED))
    access = SimpleNamespace(role_names=["member", "admin"])
    session = SimpleNamespace(auth=SimpleNamespace(get_access=lambda _: access))
    assert preflight.read_state(connection(session=session), needed).administrator
