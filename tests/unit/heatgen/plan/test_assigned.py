# SPDX-License-Identifier: Apache-2.0
"""Tests of addresses that Neutron assigns: marks in texts of the plan, attributes in HOT."""

import json

import pytest

from heatgen.plan import assigned
from heatgen.plan.assigned import Assigned
from heatgen.render import assigned_addresses
from heatgen.render.summary import summarize
from heatgen.render.template import render
from tests.unit.heatgen.support import tiny

CLUSTER = """\
name: tiny
cloud: {image: debian, flavor: small, network: office, subnet: office-1, nodes: 192.0.2.0/24,
        external_network: public, addresses: assigned}
control_plane: {count: %d, load_balancer: %s}
access: {floating_ip: %s}
"""
PORT = {"get_attr": ["control_0_port", "fixed_ips", 0, "ip_address"]}
BALANCER = {"get_attr": ["api_load_balancer", "vip_address"]}


def test_parts() -> None:
    """A text is divided at its marks."""
    text = f"https://{assigned.API}:6443,{assigned.control(2)}"
    parts = ["https://", Assigned(None), ":6443,", Assigned(2)]
    assert list(assigned.parts(text)) == parts
    assert list(assigned.parts("%index%")) == ["%index%"]
    assert assigned.shown(assigned.API) == "assigned by Neutron"


def test_marks_survive_json() -> None:
    """A configuration in JSON may contain an address."""
    text = json.dumps({"server": assigned.API})
    assert assigned_addresses.resolved(text) == {
        "list_join": ["", ['{"server": "', BALANCER, '"}']]
    }


@pytest.mark.parametrize(
    ("count", "balancer", "floating"),
    [(1, "none", True), (1, "none", False), (3, "none", False), (3, "octavia", False),
     (1, "octavia", True)],
)  # fmt: skip
def test_template(count: int, balancer: str, floating: bool) -> None:
    """No mark and no planned address is left in the template; ports name only their subnet."""
    plan = tiny.planned(CLUSTER % (count, balancer, str(floating).lower()))
    template = render(plan).as_dict()
    texts = json.dumps(template).replace('"%index%"', "")
    assert "%index%" not in texts
    assert "192.0.2.9" not in texts
    assert "192.0.2.10" not in texts
    resources = template["resources"]
    assert resources["control_0_port"]["properties"]["fixed_ips"] == [
        {"subnet": {"get_param": "subnet"}}
    ]
    if balancer == "octavia":
        assert "vip_address" not in resources["api_load_balancer"]["properties"]
        assert resources["api_member_0"]["properties"]["address"] == PORT
    if not floating:
        host = BALANCER if balancer == "octavia" else PORT
        endpoint = template["outputs"]["api_endpoint"]["value"]
        assert endpoint == {"list_join": ["", ["https://", host, ":6443"]]}
    assert "%index%" not in json.dumps(summarize(plan, template))


def test_members_of_the_store() -> None:
    """The addresses of several nodes are one comma-separated text."""
    template = render(tiny.planned(CLUSTER % (3, "none", "false"))).as_dict()
    members = template["resources"]["kvstore_start_control_0"]["properties"]["input_values"]
    ports = [
        {"get_attr": [f"control_{index}_port", "fixed_ips", 0, "ip_address"]} for index in range(3)
    ]
    assert members["MEMBERS"] == {"list_join": ["", [ports[0], ",", ports[1], ",", ports[2]]]}


def test_workers_do_not_get_planned_addresses() -> None:
    """In an existing subnet workers are created after the ports with planned addresses."""
    text = CLUSTER.replace("addresses: assigned", "first_address: 192.0.2.50")
    for balancer, resource in (("vip", "api_port"), ("octavia", "api_load_balancer")):
        template = render(tiny.planned(text % (3, balancer, "false"))).as_dict()
        depends = template["resources"]["workers"]["depends_on"]
        assert depends == ["control_0_port", "control_1_port", "control_2_port", resource]
    new = render(tiny.planned()).as_dict()["resources"]["workers"]["depends_on"]
    assert new == ["router_interface"]
