# SPDX-License-Identifier: Apache-2.0
"""Checks of an existing network and subnet: what Neutron would refuse, and what servers lack there.

Neutron's default policy (``neutron/conf/policies/port.py``) allows everyone who can use a shared
network to create ports in a subnet of it, but only its project and administrators to choose their
addresses (``create_port:fixed_ips:ip_address``) and to set ``allowed_address_pairs``.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from heatgen.plan.check_result import FINE, MISSING, CheckResult
from heatgen.yamlio.codes import Code

Properties = Mapping[str, Any]
"""Properties of a resource, named as by openstacksdk; None or no entry if not reported."""


def network_results(
    network: Properties, *, own: bool, planned: bool, address_pairs: bool, routed: bool
) -> Iterator[CheckResult]:
    """Yield the results of an existing network.

    Args:
        network: its properties.
        own: it belongs to the project of the user, or the user is an administrator.
        planned: nodes have planned addresses.
        address_pairs: control-plane nodes share a virtual IP address.
        routed: nodes send packets with addresses of pods.
    """
    refused = not own and planned
    yield CheckResult(
        what="network's project",
        needed="this one: addresses are planned" if planned else "any",
        there="this one" if own else "another one",
        verdict=MISSING if refused else FINE,
        advice=_owner_advice(address_pairs, routed) if refused else "",
        code=Code.NETWORK_OF_OTHERS if refused else "",
    )
    if network.get("is_port_security_enabled") is False:
        yield CheckResult(
            what="network's port security",
            needed="enabled",
            there="disabled",
            verdict=MISSING,
            advice="Neutron refuses security groups: let its owner enable port security, or choose "
            "another network",
            code=Code.NO_PORT_SECURITY,
        )


def _owner_advice(address_pairs: bool, routed: bool) -> str:
    """Return how to use a network of another project."""
    pairs = address_pairs or routed
    wanted = "fixed addresses and allowed_address_pairs" if pairs else "fixed addresses"
    change = "cloud.addresses: assigned"
    if address_pairs:
        change += " and control_plane.load_balancer: octavia (or one control-plane node)"
    if routed:
        change += " and a back end of the pod network that encapsulates packets"
    return f"Neutron's default policy refuses {wanted} there: set {change}"


def subnet_results(
    subnet: Properties, *, nodes: str, addresses: Sequence[str], taken: Sequence[str],
    config_drive: bool,
) -> Iterator[CheckResult]:  # fmt: skip
    """Yield the results of an existing subnet.

    Args:
        subnet: its properties.
        nodes: the range that it must have.
        addresses: the planned addresses of nodes and API.
        taken: addresses of its ports, as far as this user sees them.
        config_drive: servers have a config drive.
    """
    fits = subnet["cidr"] == nodes
    yield CheckResult(
        what="subnet's range",
        needed=nodes,
        there=subnet["cidr"],
        verdict=FINE if fits else MISSING,
        advice="" if fits else "set cloud.nodes to the subnet's range",
    )
    if "gateway_ip" in subnet and not subnet["gateway_ip"]:
        yield CheckResult(
            what="subnet's gateway",
            needed="any",
            there="none",
            verdict=MISSING,
            advice="servers would have no default route: choose another subnet",
            code=Code.NO_GATEWAY,
        )
    if subnet.get("is_dhcp_enabled") is False:
        yield CheckResult(
            what="subnet's DHCP",
            needed="enabled, or a config drive",
            there="disabled",
            verdict=FINE if config_drive else MISSING,
            advice=""
            if config_drive
            else "set cloud.config_drive: true: cloud-init then reads "
            "the address of a server from its config drive",
            code="" if config_drive else Code.NO_DHCP,
        )
    if addresses:
        yield _free(addresses, taken, str(subnet.get("gateway_ip") or ""))


def _free(addresses: Sequence[str], taken: Sequence[str], gateway: str) -> CheckResult:
    """Return whether the planned addresses are free; ports of other projects are not visible."""
    used = [address for address in addresses if address in taken and address != gateway]
    there = [f"taken: {', '.join(used)}"] if used else []
    there += [f"gateway: {gateway}"] if gateway in addresses else []
    return CheckResult(
        what="free addresses",
        needed=f"{addresses[0]} to {addresses[-1]}",
        there="; ".join(there) or "free",
        verdict=MISSING if there else FINE,
        advice="choose another cloud.first_address" if there else "",
        code=Code.ADDRESS_RESERVED if gateway in addresses else "",
    )
