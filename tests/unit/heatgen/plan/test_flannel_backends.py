# SPDX-License-Identifier: Apache-2.0
"""Tests of what the back ends of flannel need: configuration, ports, address pairs, facts."""

import json
from typing import Any

import pytest

from heatgen.plan.build import build_plan
from heatgen.plan.model import Plan
from heatgen.project import block_loader
from heatgen.spec.block_selection import group_blocks, placeholder_pins, used_blocks
from heatgen.spec.reader import read_spec
from heatgen.yamlio import document
from tests.unit.heatgen.support import tiny

CATALOG = block_loader.catalog()


def planned(network: str) -> Plan:
    """Return the plan of a cluster of the installed blocks."""
    text = f"{tiny.CLUSTER}network: {network}\n"
    parsed = document.parse("cluster.yaml", text.encode())
    spec = read_spec(parsed, CATALOG, block_loader.schema("cluster"))
    pins = placeholder_pins(used_blocks(group_blocks(spec, CATALOG)), spec)
    return build_plan(spec, CATALOG, pins, tiny.REQUEST)


def configuration(plan: Plan) -> dict[str, Any]:
    """Return flannel's configuration in etcd."""
    step = plan.by_step["network", "plan"][0]
    found: dict[str, Any] = json.loads(step.inputs["FLANNEL_NETWORK"])
    return found


@pytest.mark.parametrize(
    ("network", "backend", "port", "pairs", "facts"),
    [
        ("{}", {"Type": "vxlan", "VNI": 1, "Port": 8472}, 8472, False,
         {"backend": "vxlan", "port": 8472, "vni": 1}),
        ("{vxlan_port: 4789, vxlan_vni: 7, vxlan_direct_routing: true}",
         {"Type": "vxlan", "VNI": 7, "Port": 4789, "DirectRouting": True}, 4789, True,
         {"backend": "vxlan", "port": 4789, "vni": 7, "direct_routing": True}),
        ("{backend: host-gw}", {"Type": "host-gw"}, 0, True, {"backend": "host-gw"}),
        ("{backend: wireguard}", {"Type": "wireguard", "ListenPort": 51820}, 51820, False,
         {"backend": "wireguard", "wireguard_port": 51820}),
    ],
)  # fmt: skip
def test_backend(
    network: str, backend: dict[str, Any], port: int, pairs: bool, facts: dict[str, Any]
) -> None:
    """A back end opens exactly its port, and only routes need address pairs."""
    plan = planned(network)
    assert configuration(plan)["Backend"] == backend
    udp = {rule.first for rule in plan.rules if rule.protocol == "udp"} - {0, 30000}
    assert udp == ({port} if port else set())
    assert plan.pair_networks == (("10.244.0.0/16",) if pairs else ())
    assert any(rule.protocol == "sctp" for rule in plan.rules) == pairs
    common = {"prefix": "/coreos.com/network", "metadata_service": "deny"}
    assert plan.facts["flannel"] == common | facts


def test_text_of_the_default_configuration() -> None:
    """The step refuses any other text in a running cluster, so it must never change."""
    step = planned("{}").by_step["network", "plan"][0]
    assert step.inputs["FLANNEL_NETWORK"] == (
        '{\n "Network": "10.244.0.0/16",\n "SubnetLen": 24,\n'
        ' "Backend": {\n  "Type": "vxlan",\n  "VNI": 1,\n  "Port": 8472\n }\n}\n'
    )
