# SPDX-License-Identifier: Apache-2.0
"""Tests of the template."""

import re
from typing import Any

import pytest

from heatgen.render.template import render
from tests.unit.heatgen.support import tiny

FULL = tiny.CLUSTER + (
    "control_plane: {flavor: large}\nworkers: {count: 7}\n"
    "access: {ssh_key: mine, floating_ip: false}\n"
)


@pytest.fixture(scope="module")
def small() -> dict[str, Any]:
    """Return the template of the minimal cluster, as sent to Heat."""
    return render(tiny.planned()).as_dict()


def of_kind(template: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return the resources of a type by name."""
    found = template["resources"]
    return {name: item for name, item in found.items() if item["type"] == kind}


def test_resource_names() -> None:
    """Names of resources never change: Heat would replace these resources of existing stacks."""
    names = set(render(tiny.planned(control=3)).resources)
    assert {
        "network", "subnet", "router", "router_interface", "agent", "workers", "api_floating_ip",
        "security_group_control", "security_group_worker",
        "security_rule_worker_from_control_tcp_10250",
        "control_0", "control_0_port", "control_2", "control_2_port",
        "kvstore_start_config", "kvstore_start_control_0", "kvstore_start_control_2",
        "runtime_start_workers", "trust_sign_control_0",
    } <= names  # fmt: skip
    assert "trust_sign_control_1" not in names


def test_names_of_parameters_and_resources_differ(small: dict[str, Any]) -> None:
    """No parameter has the name of a resource, which Heat rejects."""
    assert not small["parameters"].keys() & small["resources"].keys()


def test_parameters_have_defaults(small: dict[str, Any]) -> None:
    """Every parameter has a default, so that 'openstack stack create -t' needs no parameters."""
    assert all("default" in item for item in small["parameters"].values())
    constraints = {
        name: item["constraints"][0].get("custom_constraint")
        for name, item in small["parameters"].items()
        if "constraints" in item
    }
    assert constraints == {
        "image": "glance.image", "control_flavor": "nova.flavor", "worker_flavor": "nova.flavor",
        "external_network": "neutron.network", "worker_count": None,
        "certificates_generation": None, "authority_generations": None,
    }  # fmt: skip
    assert small["parameters"]["admin_request"]["default"] == tiny.REQUEST


def test_options_of_the_cloud() -> None:
    """Flavors, counts, key pair and floating IP are those of the specification."""
    template = render(tiny.planned(FULL)).as_dict()
    parameters = {name: item["default"] for name, item in template["parameters"].items()}
    assert parameters["control_flavor"] == "large"
    assert parameters["worker_flavor"] == "small"
    assert parameters["worker_count"] == 7
    assert parameters["key_name"] == "mine"
    assert "api_floating_ip" not in template["resources"]
    assert template["outputs"]["api_endpoint"]["value"]["list_join"][1][1] == "10.0.0.10"


EXISTING = """\
name: tiny
cloud:
  image: debian
  flavor: small
  network: office
  subnet: office-1
  nodes: 192.0.2.0/24
  first_address: 192.0.2.200
  availability_zone: az9
  boot_volume: {size: 40, type: fast}
  metadata: {owner: platform}
  tags: [demo]
control_plane:
  count: 3
  availability_zones: [az1, az2]
  volume_availability_zones: [v1, v2]
  server_group: none
workers:
- {name: worker, count: 1}
- {name: near, count: 2, availability_zone: az2, server_group: anti-affinity,
   boot_volume: {size: 10}}
kvstore: {disk: 8, kind: ssd}
access: {floating_ip: false}
"""


@pytest.fixture(scope="module")
def placed() -> dict[str, Any]:
    """Return the template of a cluster in an existing subnet, with zones and boot volumes."""
    return render(tiny.planned(EXISTING)).as_dict()


def test_existing_network(placed: dict[str, Any]) -> None:
    """In an existing network only ports and security groups are created."""
    kinds = {item["type"] for item in placed["resources"].values()}
    assert not kinds & {
        "OS::Neutron::Net", "OS::Neutron::Subnet", "OS::Neutron::Router",
        "OS::Neutron::RouterInterface", "OS::Neutron::FloatingIP",
    }  # fmt: skip
    named = {name for name, item in placed["parameters"].items()
             if {"custom_constraint": "neutron.subnet"} in item.get("constraints", ())}  # fmt: skip
    assert named == {"subnet"}
    assert "external_network" not in placed["parameters"]
    port = placed["resources"]["control_2_port"]["properties"]
    assert port["network"] == {"get_param": "network"}
    assert port["fixed_ips"] == [{"subnet": {"get_param": "subnet"}, "ip_address": "192.0.2.203"}]
    assert placed["resources"]["api_port"]["properties"]["fixed_ips"][0]["ip_address"] == (
        "192.0.2.200"
    )
    worker = placed["resources"]["workers"]["properties"]["resource_def"]["properties"]
    assert worker["networks"] == [
        {"network": {"get_param": "network"}, "subnet": {"get_param": "subnet"}}
    ]
    assert "depends_on" not in placed["resources"]["control_0"]


def test_existing_router() -> None:
    """An existing router is attached to the new network."""
    text = EXISTING.replace("  network: office\n  subnet: office-1\n", "  router: edge\n")
    text = text.replace("  first_address: 192.0.2.200\n", "")
    resources = render(tiny.planned(text)).as_dict()["resources"]
    assert "router" not in resources
    assert resources["router_interface"]["properties"]["router"] == {"get_param": "router"}
    assert resources["network"]["properties"] == {"tags": ["demo"]}


def test_zones_and_server_groups(placed: dict[str, Any]) -> None:
    """Control-plane nodes use zones round-robin, workers their group's zone or the cloud's."""
    servers = of_kind(placed, "OS::Nova::Server")
    zones = [servers[f"control_{index}"]["properties"]["availability_zone"] for index in range(3)]
    assert zones == ["az1", "az2", "az1"]
    groups = of_kind(placed, "OS::Heat::ResourceGroup")
    members = {name: item["properties"]["resource_def"]["properties"]
               for name, item in groups.items()}  # fmt: skip
    assert members["workers"]["availability_zone"] == "az9"
    assert members["workers_near"]["availability_zone"] == "az2"
    assert "scheduler_hints" not in servers["control_0"]["properties"]
    assert members["workers_near"]["scheduler_hints"] == {
        "group": {"get_resource": "server_group_near"}
    }
    group = placed["resources"]["server_group_near"]["properties"]
    assert group == {"policies": ["anti-affinity"]}


def test_servers_boot_from_volumes(placed: dict[str, Any]) -> None:
    """A boot volume is created from the image and deleted with the server."""
    control = placed["resources"]["control_0"]["properties"]
    assert "image" not in control
    assert control["block_device_mapping_v2"] == [
        {"boot_index": 0, "image": {"get_param": "image"}, "volume_size": 40,
         "volume_type": "fast", "delete_on_termination": True}
    ]  # fmt: skip
    near = placed["resources"]["workers_near"]["properties"]["resource_def"]["properties"]
    assert near["block_device_mapping_v2"][0]["volume_size"] == 10
    assert "volume_type" not in near["block_device_mapping_v2"][0]
    assert (control["metadata"], control["tags"]) == ({"owner": "platform"}, ["demo"])


def test_data_volumes(placed: dict[str, Any], small: dict[str, Any]) -> None:
    """Each control-plane node has a volume, attached before the step that uses it runs."""
    volumes = of_kind(placed, "OS::Cinder::Volume")
    assert sorted(volumes) == [f"kvstore_data_volume_control_{index}" for index in range(3)]
    volume = volumes["kvstore_data_volume_control_1"]["properties"]
    assert (volume["size"], volume["volume_type"], volume["availability_zone"]) == (8, "ssd", "v2")
    attachment = placed["resources"]["kvstore_data_attachment_control_1"]["properties"]
    assert attachment == {
        "instance_uuid": {"get_resource": "control_1"},
        "volume_id": {"get_resource": "kvstore_data_volume_control_1"},
    }
    step = placed["resources"]["kvstore_volume_control_1"]
    assert step["properties"]["input_values"]["VOLUME"] == {
        "get_resource": "kvstore_data_volume_control_1"
    }
    assert "kvstore_data_attachment_control_1" in step["depends_on"]
    assert (
        "kvstore_volume_control_1" in placed["resources"]["kvstore_start_control_1"]["depends_on"]
    )
    assert not of_kind(small, "OS::Cinder::Volume")
    assert "kvstore_volume_control_0" not in small["resources"]


def test_fixed_addresses(small: dict[str, Any]) -> None:
    """Control-plane addresses are outside the allocation pool."""
    port = small["resources"]["control_0_port"]["properties"]
    assert port["fixed_ips"][0]["ip_address"] == "10.0.0.10"
    pool = small["resources"]["subnet"]["properties"]["allocation_pools"]
    assert pool == [{"start": "10.0.0.20", "end": "10.0.0.254"}]


def servers(template: dict[str, Any]) -> list[dict[str, Any]]:
    """Return every server, including the definition in the group of workers."""
    group = template["resources"]["workers"]["properties"]["resource_def"]
    return [*of_kind(template, "OS::Nova::Server").values(), group]


def test_software_deployment_of_servers(small: dict[str, Any]) -> None:
    """Servers poll Heat every 2 s, and a new agent does not replace them."""
    assert len(servers(small)) == 2
    for server in servers(small):
        properties = server["properties"]
        assert properties["user_data_format"] == "SOFTWARE_CONFIG"
        assert properties["software_config_transport"] == "POLL_SERVER_HEAT"
        assert properties["user_data_update_policy"] == "IGNORE"
        assert server["metadata"] == {"os-collect-config": {"polling_interval": 2}}


def test_server_names(small: dict[str, Any]) -> None:
    """Names consist of stack, group and index, all strings, as list_join requires."""
    joined = [server["properties"]["name"]["list_join"] for server in servers(small)]
    stack = {"get_param": "OS::stack_name"}
    assert joined == [["-", [stack, "control", "0"]], ["-", [stack, "worker", "%index%"]]]


def test_signal_transport(small: dict[str, Any]) -> None:
    """Deployments set name and signal transport, whose defaults depend on the cloud."""
    deployments = {
        **of_kind(small, "OS::Heat::SoftwareDeployment"),
        **of_kind(small, "OS::Heat::SoftwareDeploymentGroup"),
    }
    assert len(deployments) == len(tiny.planned().deployments)
    for name, item in deployments.items():
        assert item["properties"]["signal_transport"] == "HEAT_SIGNAL"
        assert item["properties"]["name"] == name


@pytest.mark.parametrize(
    ("transport", "expected"),
    [("heat", "HEAT_SIGNAL"), ("cfn", "CFN_SIGNAL"), ("temp_url", "TEMP_URL_SIGNAL")],
)
def test_other_signal_transport(transport: str, expected: str) -> None:
    """All deployments report their results as cluster.yaml selects; servers poll Heat as before."""
    text = tiny.CLUSTER.replace("cloud: {", f"cloud: {{signal_transport: {transport}, ")
    template = render(tiny.planned(text)).as_dict()
    deployments = {
        **of_kind(template, "OS::Heat::SoftwareDeployment"),
        **of_kind(template, "OS::Heat::SoftwareDeploymentGroup"),
    }
    used = {item["properties"]["signal_transport"] for item in deployments.values()}
    assert used == {expected}
    polls = {server["properties"]["software_config_transport"] for server in servers(template)}
    assert polls == {"POLL_SERVER_HEAT"}


def test_library_is_shared(small: dict[str, Any]) -> None:
    """First steps install the library, which is in the template once, as Heat limits its size."""
    library = small["resources"]["step_library"]["properties"]
    assert library == {"type": "string", "value": "# the library\nfail() { exit 1; }"}
    assert str(small).count("# the library") == 1
    for name, item in of_kind(small, "OS::Heat::SoftwareConfig").items():
        script = item["properties"]["config"]
        if name == "os_preflight_config":
            head, middle, body = script["list_join"][1]
            assert middle == {"get_attr": ["step_library", "value"]}
            assert head.startswith("#!/bin/bash\n")
            assert 'source "$HEATGEN_LIB/step.sh"\n' in body
        elif name != "agent":
            assert 'source "$HEATGEN_LIB/step.sh"\n' in script


def test_error_output(small: dict[str, Any]) -> None:
    """Each configuration has the output that fails the deployment with a reason."""
    for name, item in of_kind(small, "OS::Heat::SoftwareConfig").items():
        if name != "agent":
            assert item["properties"]["outputs"][-1]["name"] == "problem"
            assert item["properties"]["outputs"][-1]["error_output"] is True


def test_inputs_are_declared(small: dict[str, Any]) -> None:
    """The input values of a deployment are those that its configuration declares."""
    found = small["resources"]
    for item in found.values():
        if item["type"].startswith("OS::Heat::SoftwareDeployment"):
            config = found[item["properties"]["config"]["get_resource"]]["properties"]
            declared = {entry["name"] for entry in config["inputs"]}
            # An input of one role has no value on the other.
            assert declared - set(item["properties"]["input_values"]) <= {"LABELS"}
            assert set(item["properties"]["input_values"]) <= declared


def test_references(small: dict[str, Any]) -> None:
    """Values that only Heat knows are HOT functions."""
    found = small["resources"]
    sign = found["trust_sign_control_0"]["properties"]["input_values"]
    assert sign["REQUESTS"] == {
        "control": {"0": {"get_attr": ["trust_request_control_0", "requests"]}},
        "worker": {"get_attr": ["trust_request_workers", "requests"]},
    }
    assert sign["NAMES"]["worker"] == {"get_attr": ["workers", "attributes", "name"]}
    assert sign["ADDRESSES"]["control"] == {"0": "10.0.0.10"}
    assert sign["SHARES"] == {}
    assert sign["GENERATION"] == {"get_param": "certificates_generation"}
    assert sign["EXTERNAL"] == {"get_attr": ["api_floating_ip", "floating_ip_address"]}
    assert sign["ADMIN"] == {"get_param": "admin_request"}
    install = found["trust_install_workers"]["properties"]["input_values"]
    assert install["CA"] == {"get_attr": ["trust_sign_control_0", "ca_kubernetes"]}


def test_only_the_agent_has_no_dependencies(
    small: dict[str, Any], placed: dict[str, Any], large: dict[str, Any]
) -> None:
    """Only one resource has no dependencies, as Heat starts one such resource per second."""
    for template in (small, placed, large):
        first = [
            name
            for name, item in template["resources"].items()
            if not re.search("depends_on|get_resource|get_attr", str(item))
        ]
        assert first == ["agent"]


def test_security_groups_have_no_cycle(small: dict[str, Any]) -> None:
    """The workers' security group does not refer to that of the control plane."""
    workers = small["resources"]["security_group_worker"]["properties"]["rules"]
    assert not any("remote_group_id" in rule for rule in workers)
    rule = small["resources"]["security_rule_worker_from_control_tcp_10250"]["properties"]
    assert rule["security_group"] == {"get_resource": "security_group_worker"}
    assert rule["remote_group"] == {"get_resource": "security_group_control"}


@pytest.fixture(scope="module")
def large() -> dict[str, Any]:
    """Return the template of three control-plane nodes and two groups of workers."""
    return render(tiny.planned(tiny.GROUPS)).as_dict()


def test_names_of_groups(large: dict[str, Any]) -> None:
    """Parameters and resources of another group than 'worker' contain the group's name."""
    assert {
        "workers", "workers_big_box", "runtime_start_workers_big_box",
        "runtime_start_docker_config", "control_group", "api_port",
        "orchestration_endpoint_control_0",
    } <= large["resources"].keys()  # fmt: skip
    defaults = {name: item["default"] for name, item in large["parameters"].items()}
    assert defaults["worker_count"] == 1
    assert defaults["big_box_count"] == 4
    assert defaults["big_box_flavor"] == "large"
    assert defaults["big_box_image"] == "other"
    assert "worker_image" not in defaults


def test_servers_of_a_group(large: dict[str, Any]) -> None:
    """The servers of a group have its name, flavor and image."""
    group = large["resources"]["workers_big_box"]["properties"]
    assert group["count"] == {"get_param": "big_box_count"}
    server = group["resource_def"]["properties"]
    stack = {"get_param": "OS::stack_name"}
    assert server["name"] == {"list_join": ["-", [stack, "big-box", "%index%"]]}
    assert server["flavor"] == {"get_param": "big_box_flavor"}
    assert server["image"] == {"get_param": "big_box_image"}
    assert large["resources"]["control_0"]["properties"]["image"] == {"get_param": "image"}


def test_control_plane_server_group(large: dict[str, Any], small: dict[str, Any]) -> None:
    """Several control-plane nodes are in a server group; a single one has no scheduler hint."""
    hints = large["resources"]["control_2"]["properties"]["scheduler_hints"]
    assert hints == {"group": {"get_resource": "control_group"}}
    assert large["resources"]["control_group"]["properties"]["policies"] == ["soft-anti-affinity"]
    assert "scheduler_hints" not in small["resources"]["control_0"]["properties"]
    assert "allowed_address_pairs" not in small["resources"]["control_0_port"]["properties"]


def floating_port(template: dict[str, Any]) -> Any:
    """Return the port of the floating IP."""
    return template["resources"]["api_floating_ip"]["properties"]["port_id"]


def test_vip(large: dict[str, Any]) -> None:
    """The virtual IP address has a port, and all control-plane nodes may use the address."""
    found = large["resources"]
    assert found["api_port"]["properties"]["fixed_ips"][0]["ip_address"] == "10.0.0.9"
    for index in range(3):
        port = found[f"control_{index}_port"]["properties"]
        assert port["allowed_address_pairs"] == [{"ip_address": "10.0.0.9"}]
    assert floating_port(large) == {"get_resource": "api_port"}
    rules = found["security_group_control"]["properties"]["rules"]
    assert {"protocol": "vrrp", "remote_mode": "remote_group_id"} in rules


def test_octavia() -> None:
    """The load balancer has the API's address and admits access.api; nodes admit only it."""
    text = tiny.CLUSTER + (
        "control_plane: {count: 3, load_balancer: octavia}\naccess: {api: [198.51.100.0/24]}\n"
    )
    template = render(tiny.planned(text)).as_dict()
    found = {name: item.get("properties", {}) for name, item in template["resources"].items()}
    assert found["api_load_balancer"]["vip_address"] == "10.0.0.9"
    assert found["api_listener"]["allowed_cidrs"] == ["10.0.0.0/24", "198.51.100.0/24"]
    assert [found[f"api_member_{index}"]["address"] for index in range(3)] == [
        "10.0.0.10", "10.0.0.11", "10.0.0.12",
    ]  # fmt: skip
    assert floating_port(template) == {"get_attr": ["api_load_balancer", "vip_port_id"]}
    assert "allowed_address_pairs" not in found["control_0_port"]
    api = [rule for rule in found["security_group_control"]["rules"]
           if rule.get("port_range_min") == 6443 and "remote_ip_prefix" in rule]  # fmt: skip
    assert [rule["remote_ip_prefix"] for rule in api] == ["10.0.0.0/24"]


def test_octavia_of_ovn() -> None:
    """The template has only what OVN supports; the security group restricts clients instead."""
    text = tiny.CLUSTER + (
        "control_plane: {load_balancer: octavia, octavia: {provider: ovn}}\n"
        "access: {api: [198.51.100.0/24]}\n"
    )
    template = render(tiny.planned(text)).as_dict()
    found = {name: item.get("properties", {}) for name, item in template["resources"].items()}
    assert found["api_load_balancer"]["provider"] == "ovn"
    assert "allowed_cidrs" not in found["api_listener"]
    assert found["api_pool"]["lb_algorithm"] == "SOURCE_IP_PORT"
    assert found["api_monitor"]["type"] == "TCP"
    assert not {"url_path", "expected_codes"} & found["api_monitor"].keys()
    api = [rule for rule in found["security_group_control"]["rules"]
           if rule.get("port_range_min") == 6443 and "remote_ip_prefix" in rule]  # fmt: skip
    assert {rule["remote_ip_prefix"] for rule in api} == {"10.0.0.0/24", "198.51.100.0/24"}


def test_properties_of_octavia() -> None:
    """Algorithm and monitor can be set for every provider, which by default is the cloud's."""
    text = tiny.CLUSTER + (
        "control_plane: {load_balancer: octavia, octavia: {algorithm: ROUND_ROBIN, monitor: TCP}}\n"
    )
    resources = render(tiny.planned(text)).as_dict()["resources"]
    assert "provider" not in resources["api_load_balancer"]["properties"]
    assert resources["api_pool"]["properties"]["lb_algorithm"] == "ROUND_ROBIN"
    assert resources["api_monitor"]["properties"]["type"] == "TCP"


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("k8s.example", "https://k8s.example:6443"),
        ("k8s.example:443", "https://k8s.example:443"),
        ("'[2001:db8::1]'", "https://[2001:db8::1]:6443"),
    ],
)
def test_endpoint_for_users(endpoint: str, url: str) -> None:
    """The outputs, from which kubeconfigs come, have the endpoint for users."""
    text = tiny.CLUSTER + f"access: {{endpoint: {endpoint}}}\n"
    outputs = render(tiny.planned(text)).as_dict()["outputs"]
    assert outputs["api_endpoint"]["value"] == url
    assert outputs["conformance"]["value"]["api"]["endpoint"] == url


def test_config_drive() -> None:
    """All servers have a config drive if it is set, and otherwise not even the property."""
    text = tiny.CLUSTER.replace("small}", "small, config_drive: true}")
    with_drive = render(tiny.planned(text)).as_dict()["resources"]
    worker = with_drive["workers"]["properties"]["resource_def"]["properties"]
    assert (with_drive["control_0"]["properties"]["config_drive"], worker["config_drive"]) == (
        True,
        True,
    )
    without = render(tiny.planned()).as_dict()["resources"]
    assert "config_drive" not in without["control_0"]["properties"]


def test_no_balancer() -> None:
    """Without a load balancer the first control-plane node is the endpoint."""
    text = tiny.CLUSTER + "control_plane: {count: 5, load_balancer: none}\n"
    template = render(tiny.planned(text)).as_dict()
    assert floating_port(template) == {"get_resource": "control_0_port"}
    assert not any(name.startswith(("api_port", "api_load")) for name in template["resources"])


def test_outputs_of_groups(large: dict[str, Any]) -> None:
    """The output 'conformance' has role, group and runtime of nodes, and all API servers."""
    expected = large["outputs"]["conformance"]["value"]
    templates = [item["map_merge"]["repeat"]["template"]["<name>"]
                 for item in expected["nodes"]["map_merge"]]  # fmt: skip
    assert templates[2] == {
        "address": "<address>", "role": "worker", "group": "big-box", "os": "debian",
        "runtime": "docker",
    }  # fmt: skip
    assert [item["runtime"] for item in templates] == ["containerd", "containerd", "docker"]
    assert expected["versions"] == {"containerd": "1.0", "docker": "2.0", "etcd": "3.0"}
    assert expected["api"]["load_balancer"] == "vip"
    assert expected["api"]["servers"] == [f"https://10.0.0.1{index}:6443" for index in range(3)]


def test_size_does_not_grow_with_workers(small: dict[str, Any]) -> None:
    """The template for a thousand workers is as large as that for two."""
    text = tiny.CLUSTER + "workers: {count: 1000}\n"
    text = text.replace("flavor: small}", "flavor: small, nodes: 10.0.0.0/21}")
    many = render(tiny.planned(text)).as_dict()
    assert abs(len(str(many)) - len(str(small))) < 50
