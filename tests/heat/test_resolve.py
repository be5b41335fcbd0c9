# SPDX-License-Identifier: Apache-2.0
"""Outputs and inputs as resolved by the real Heat, with complete servers and steps."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from heat.engine import stack

from .conftest import created

MakeStack = Callable[[dict[str, Any]], stack.Stack]


def complete(of: stack.Stack, workers: int = 2, indices: Sequence[str] = ()) -> stack.Stack:
    """Mark all resources as complete, with outputs of steps.

    Args:
        of: the stack.
        workers: number of members per group.
        indices: their indices; by default 0, 1 and so on.
    """
    resources = of.t.t["resources"]
    indices = list(indices or map(str, range(workers)))
    for name, item in resources.items():
        kind, properties = item["type"], item.get("properties", {})
        if kind == "OS::Nova::Server":
            created(of, name, f"id-{name}", {"name": f"demo-{name.replace('_', '-')}"})
        elif kind == "OS::Heat::ResourceGroup":
            created(of, name, name, group_attributes(group_of(name), indices))
        elif kind == "OS::Neutron::FloatingIP":
            created(of, name, "fip", {"floating_ip_address": "203.0.113.50"})
        elif kind == "OS::Heat::Value":
            value = properties["value"]
            parts = value.items() if isinstance(value, dict) else ()
            paths = {("value", key): text for key, text in parts}
            created(of, name, name, {"value": value, **paths})
        elif kind.startswith("OS::Heat::SoftwareDeployment"):
            config = resources[properties["config"]["get_resource"]]["properties"]
            outputs = {output["name"]: f"{name} {output['name']}" for output in config["outputs"]}
            if kind.endswith("Group"):
                created(of, name, name, {
                    key: {index: f"{text} {index}" for index in indices}
                    for key, text in outputs.items()
                })  # fmt: skip
            else:
                created(of, name, name, outputs)
    return of


def group_of(resource: str) -> str:
    """Return the group of workers of a resource."""
    return resource.removeprefix("workers").lstrip("_").replace("_", "-") or "worker"


def group_attributes(group: str, indices: list[str]) -> dict[Any, Any]:
    """Return the attributes of a group of workers."""
    names = {index: f"demo-{group}-{index}" for index in indices}
    # Address ranges of the groups do not overlap.
    first = 30 if group == "worker" else 40
    addresses = {index: f"10.0.0.{first + int(index)}" for index in indices}
    return {
        "name": list(names.values()),
        "first_address": list(addresses.values()),
        "refs_map": {index: f"id-{name}" for index, name in names.items()},
        ("attributes", "name"): names,
        ("attributes", "first_address"): addresses,
    }


@pytest.fixture
def minimal(goldens: dict[str, dict[str, Any]], make_stack: MakeStack) -> stack.Stack:
    """Return the complete stack of the minimal cluster."""
    return complete(make_stack(goldens["minimal"]))


@pytest.fixture
def ha(goldens: dict[str, dict[str, Any]], make_stack: MakeStack) -> stack.Stack:
    """Return the complete stack of three control-plane nodes and two groups of workers."""
    return complete(make_stack(goldens["ha"]))


def output(of: stack.Stack, name: str) -> Any:
    """Return the value of an output."""
    return of.outputs[name].get_value()


def inputs_of(of: stack.Stack, name: str) -> dict[str, Any]:
    """Return the input values of a deployment."""
    values = of[name].properties["input_values"]
    assert isinstance(values, dict)
    return values


def node(address: str, group: str, runtime: str = "containerd") -> dict[str, str]:
    """Return a node as in outputs."""
    role = "control" if group == "control" else "worker"
    system = {"os": "debian", "user": "debian"}
    return {"address": address, "role": role, "group": group, "runtime": runtime, **system}


def test_outputs(minimal: stack.Stack) -> None:
    """Outputs contain endpoint, certificates and nodes."""
    assert output(minimal, "api_endpoint") == "https://203.0.113.50:6443"
    assert output(minimal, "ca_certificate") == "trust_sign_control_0 ca_kubernetes"
    assert output(minimal, "admin_certificate") == "trust_sign_control_0 admin_certificate"
    assert output(minimal, "authority_generations") == (
        "trust_sign_control_0 authority_generations"
    )
    assert output(minimal, "nodes") == {
        "demo-control-0": node("10.0.0.10", "control"),
        "demo-worker-0": node("10.0.0.30", "worker"),
        "demo-worker-1": node("10.0.0.31", "worker"),
    }


def test_conformance_output(minimal: stack.Stack) -> None:
    """The output for the conformance suite has nodes, versions, networks and blocks."""
    expected = output(minimal, "conformance")
    assert expected["version"] == 1
    assert expected["nodes"] == output(minimal, "nodes")
    assert expected["versions"]["kubernetes"] == "1.37.2"
    assert expected["networks"]["dns"] == "10.96.0.10"
    assert expected["blocks"]["kvstore"] == "etcd"
    assert expected["etcd"]["endpoints"] == ["https://10.0.0.10:2379"]
    assert expected["flannel"]["port"] == 8472
    assert expected["api"] == {
        "endpoint": "https://203.0.113.50:6443",
        "servers": ["https://10.0.0.10:6443"],
        "load_balancer": "none",
    }


def test_conformance_output_of_groups(ha: stack.Stack) -> None:
    """The output has all groups and runtimes of nodes, API servers, and runtime versions."""
    expected = output(ha, "conformance")
    assert expected["nodes"] == {
        "demo-control-0": node("10.0.0.10", "control"),
        "demo-control-1": node("10.0.0.11", "control"),
        "demo-control-2": node("10.0.0.12", "control"),
        "demo-worker-0": node("10.0.0.30", "worker"),
        "demo-worker-1": node("10.0.0.31", "worker"),
        "demo-docker-0": node("10.0.0.40", "docker", "docker"),
        "demo-docker-1": node("10.0.0.41", "docker", "docker"),
    }
    assert expected["api"]["servers"][2] == "https://10.0.0.12:6443"
    assert {"containerd", "docker"} <= expected["versions"].keys()
    assert expected["blocks"]["runtime"] == "containerd"


def test_without_workers(goldens: dict[str, dict[str, Any]], make_stack: MakeStack) -> None:
    """Outputs and inputs of a cluster without workers have empty maps of workers."""
    single = complete(make_stack(goldens["minimal"]), workers=0)
    assert list(output(single, "nodes")) == ["demo-control-0"]
    assert {} in maps(inputs_of(single, "trust_sign_control_0"), "worker")


def maps(values: dict[str, Any], group: str) -> list[Any]:
    """Return the values of a group in all inputs that are maps of groups."""
    return [value[group] for value in values.values() if isinstance(value, dict) and group in value]


def test_maps_of_the_sign_step(ha: stack.Stack) -> None:
    """Requests, names and addresses are maps of groups with the same keys."""
    values = inputs_of(ha, "trust_sign_control_0")
    for group, count in (("control", 3), ("worker", 2), ("docker", 2)):
        found = maps(values, group)
        assert len(found) >= 3
        assert all(list(item) == [str(index) for index in range(count)] for item in found)
    texts = [text for item in maps(values, "docker") for text in item.values()]
    assert {"demo-docker-0", "10.0.0.41", "trust_request_workers_docker requests 1"} <= set(texts)
    assert "203.0.113.50" in values.values()


def test_server_names(ha: stack.Stack) -> None:
    """The name of a server consists of stack, group and index."""
    assert ha["control_2"].properties["name"] == "demo-control-2"
    member = ha["workers_docker"].properties["resource_def"]["properties"]
    assert member["name"] == "demo-docker-%index%"
    assert member["image"] == "debian-13"


def test_scripts_are_complete(ha: stack.Stack) -> None:
    """Heat inserts the step library into the scripts that install it."""
    script = ha["os_preflight_config"].properties["config"]
    assert script.startswith("#!/bin/bash\n")
    assert script.index("\nfail() {\n") < script.index('\nsource "$HEATGEN_LIB/step.sh"\n')


@pytest.mark.parametrize("cluster", ["minimal", "ha"])
def test_types_of_inputs(cluster: str, request: pytest.FixtureRequest) -> None:
    """Inputs of type Json are maps, others are not, as Heat would convert maps with repr()."""
    of = request.getfixturevalue(cluster)
    for name, item in of.items():
        if not item.type().startswith("OS::Heat::SoftwareDeployment"):
            continue
        config = of[config_of(of, name)]
        kinds = {entry["name"]: entry["type"] for entry in config.properties["inputs"]}
        for key, value in item.properties["input_values"].items():
            assert isinstance(value, dict) == (kinds[key] == "Json"), (name, key)


def config_of(of: stack.Stack, deployment: str) -> str:
    """Return the name of a deployment's configuration."""
    reference = of.t.t["resources"][deployment]["properties"]["config"]
    return str(reference["get_resource"])


def test_order(ha: stack.Stack) -> None:
    """In Heat's dependency graph, independent layers do not wait for each other."""
    after = {
        item.name: {required.name for required in ha.dependencies.requires(item)}
        for item in ha.values()
    }

    def needs(name: str) -> set[str]:
        found = set(after[name])
        for required in after[name]:
            found |= needs(required)
        return found

    assert "trust_request_workers" in needs("trust_sign_control_0")
    assert "trust_request_workers_docker" in needs("trust_sign_control_0")
    ready = needs("orchestration_ready_control_0")
    assert {"kvstore_start_control_0", "runtime_start_workers_docker"} <= ready
    assert "runtime_start_workers" not in needs("kvstore_start_control_0")
    assert "kvstore_start_control_0" not in needs("runtime_start_workers")
    assert "runtime_start_workers" not in needs("runtime_start_workers_docker")


def test_shared_texts(ha: stack.Stack, goldens: dict[str, dict[str, Any]]) -> None:
    """Large texts are in the template once; a group with another runtime gets its own text."""
    worker = inputs_of(ha, "orchestration_node_workers")["KUBELET_CONFIG"]
    docker = inputs_of(ha, "orchestration_node_workers_docker")["KUBELET_CONFIG"]
    control = inputs_of(ha, "orchestration_node_control_2")["KUBELET_CONFIG"]
    assert "containerd.sock" in worker
    assert "cri-dockerd.sock" in docker
    assert control == worker
    assert str(goldens["ha"]).count("Description=etcd key-value store") == 1
