# SPDX-License-Identifier: Apache-2.0
"""The template, piece by piece."""

from typing import Any

import pytest

from heatgen import render

from . import tiny

FULL = tiny.CLUSTER + (
    "control_plane: {flavor: large}\nworkers: {count: 7}\n"
    "access: {ssh_key: mine, floating_ip: false}\n"
)


@pytest.fixture(scope="module")
def small() -> dict[str, Any]:
    """The template of the tiny cluster, as Heat gets it."""
    return render.render(tiny.planned()).as_dict()


def of_kind(template: dict[str, Any], kind: str) -> dict[str, Any]:
    """Resources of a kind by name."""
    found = template["resources"]
    return {name: item for name, item in found.items() if item["type"] == kind}


def test_names_are_for_ever() -> None:
    """These names stand in running stacks: a changed one replaces what it names."""
    names = set(render.render(tiny.planned(control=3)).resources)
    assert {
        "network", "subnet", "router", "router_interface", "agent", "workers", "api_floating_ip",
        "security_group_control", "security_group_worker",
        "security_rule_worker_from_control_tcp_10250",
        "control_0", "control_0_port", "control_2", "control_2_port",
        "kvstore_start_config", "kvstore_start_control_0", "kvstore_start_control_2",
        "runtime_start_workers", "trust_sign_control_0",
    } <= names  # fmt: skip
    assert "trust_sign_control_1" not in names


def test_no_name_is_parameter_and_resource(small: dict[str, Any]) -> None:
    """Heat refuses a template in which a parameter and a resource have one name."""
    assert not small["parameters"].keys() & small["resources"].keys()


def test_parameters_need_no_answer(small: dict[str, Any]) -> None:
    """Every parameter has a default: 'openstack stack create -t' needs nothing else."""
    assert all("default" in item for item in small["parameters"].values())
    constraints = {
        name: item["constraints"][0].get("custom_constraint")
        for name, item in small["parameters"].items()
        if "constraints" in item
    }
    assert constraints == {
        "image": "glance.image", "control_flavor": "nova.flavor", "worker_flavor": "nova.flavor",
        "external_network": "neutron.network", "worker_count": None,
    }  # fmt: skip
    assert small["parameters"]["admin_request"]["default"] == tiny.REQUEST


def test_options_of_the_cloud() -> None:
    """Flavors, counts, key pair and floating IP follow the spec."""
    template = render.render(tiny.planned(FULL)).as_dict()
    parameters = {name: item["default"] for name, item in template["parameters"].items()}
    assert parameters["control_flavor"] == "large"
    assert parameters["worker_flavor"] == "small"
    assert parameters["worker_count"] == 7
    assert parameters["key_name"] == "mine"
    assert "api_floating_ip" not in template["resources"]
    assert template["outputs"]["api_endpoint"]["value"]["list_join"][1][1] == "10.0.0.10"


def test_planned_addresses(small: dict[str, Any]) -> None:
    """Control-plane addresses lie outside what Neutron hands out."""
    port = small["resources"]["control_0_port"]["properties"]
    assert port["fixed_ips"][0]["ip_address"] == "10.0.0.10"
    pool = small["resources"]["subnet"]["properties"]["allocation_pools"]
    assert pool == [{"start": "10.0.0.20", "end": "10.0.0.254"}]


def servers(template: dict[str, Any]) -> list[dict[str, Any]]:
    """Every server, that of the workers' group among them."""
    group = template["resources"]["workers"]["properties"]["resource_def"]
    return [*of_kind(template, "OS::Nova::Server").values(), group]


def test_servers_can_be_deployed_to(small: dict[str, Any]) -> None:
    """Servers poll Heat, quickly, and never change for a new agent."""
    assert len(servers(small)) == 2
    for server in servers(small):
        properties = server["properties"]
        assert properties["user_data_format"] == "SOFTWARE_CONFIG"
        assert properties["software_config_transport"] == "POLL_SERVER_HEAT"
        assert properties["user_data_update_policy"] == "IGNORE"
        assert server["metadata"] == {"os-collect-config": {"polling_interval": 2}}


def test_server_names_are_text(small: dict[str, Any]) -> None:
    """Names join stack, role and index; Heat joins text only."""
    joined = [server["properties"]["name"]["list_join"] for server in servers(small)]
    stack = {"get_param": "OS::stack_name"}
    assert joined == [["-", [stack, "control", "0"]], ["-", [stack, "worker", "%index%"]]]


def test_every_deployment_says_its_transport(small: dict[str, Any]) -> None:
    """Defaults are the operator's: deployments name signal transport and themselves."""
    deployments = {
        **of_kind(small, "OS::Heat::SoftwareDeployment"),
        **of_kind(small, "OS::Heat::SoftwareDeploymentGroup"),
    }
    assert len(deployments) == len(tiny.planned().deployments)
    for name, item in deployments.items():
        assert item["properties"]["signal_transport"] == "HEAT_SIGNAL"
        assert item["properties"]["name"] == name


def test_every_step_can_tell_its_problem(small: dict[str, Any]) -> None:
    """Each script has the output that makes Heat fail the deployment with a reason."""
    for name, item in of_kind(small, "OS::Heat::SoftwareConfig").items():
        if name != "agent":
            assert item["properties"]["outputs"][-1]["name"] == "problem"
            assert item["properties"]["outputs"][-1]["error_output"] is True


def test_inputs_are_declared(small: dict[str, Any]) -> None:
    """What a deployment gives is what its configuration declares."""
    found = small["resources"]
    for item in found.values():
        if item["type"].startswith("OS::Heat::SoftwareDeployment"):
            config = found[item["properties"]["config"]["get_resource"]]["properties"]
            declared = {entry["name"] for entry in config["inputs"]}
            assert set(item["properties"]["input_values"]) == declared


def test_references(small: dict[str, Any]) -> None:
    """What only Heat knows becomes a function of HOT."""
    found = small["resources"]
    sign = found["trust_sign_control_0"]["properties"]["input_values"]
    assert sign["REQUESTS"] == {"get_attr": ["trust_request_workers", "requests"]}
    assert sign["NAMES"] == {"get_attr": ["workers", "attributes", "name"]}
    assert sign["ADDRESSES"] == {"0": "10.0.0.10"}
    assert sign["EXTERNAL"] == {"get_attr": ["api_floating_ip", "floating_ip_address"]}
    assert sign["ADMIN"] == {"get_param": "admin_request"}
    install = found["trust_install_workers"]["properties"]["input_values"]
    assert install["CA"] == {"get_attr": ["trust_sign_control_0", "ca_kubernetes"]}


def test_groups_do_not_wait_for_each_other(small: dict[str, Any]) -> None:
    """The control group names the workers' group, never the other way round."""
    workers = small["resources"]["security_group_worker"]["properties"]["rules"]
    assert not any("remote_group_id" in rule for rule in workers)
    rule = small["resources"]["security_rule_worker_from_control_tcp_10250"]["properties"]
    assert rule["security_group"] == {"get_resource": "security_group_worker"}
    assert rule["remote_group"] == {"get_resource": "security_group_control"}


def test_size_does_not_grow_with_workers(small: dict[str, Any]) -> None:
    """A thousand workers are as large a template as two."""
    text = tiny.CLUSTER + "workers: {count: 1000}\n"
    text = text.replace("flavor: small}", "flavor: small, nodes: 10.0.0.0/21}")
    large = render.render(tiny.planned(text)).as_dict()
    assert abs(len(str(large)) - len(str(small))) < 50
