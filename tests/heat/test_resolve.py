# SPDX-License-Identifier: Apache-2.0
"""What the real Heat makes of outputs and inputs once servers and steps are there."""

from collections.abc import Callable
from typing import Any

import pytest
from heat.engine import stack

from .conftest import created

MakeStack = Callable[[dict[str, Any]], stack.Stack]
WORKERS = {"workers": "worker", "workers_docker": "docker", "workers_big_box": "big-box"}


def complete(made: stack.Stack, workers: int = 2) -> stack.Stack:
    """Let everything be there: so many workers in each group, and what each step said."""
    resources = made.t.t["resources"]
    indices = [str(index) for index in range(workers)]
    for name, item in resources.items():
        kind, properties = item["type"], item.get("properties", {})
        if kind == "OS::Nova::Server":
            created(made, name, f"id-{name}", {"name": f"demo-{name.replace('_', '-')}"})
        elif kind == "OS::Heat::ResourceGroup":
            created(made, name, name, group_attributes(WORKERS[name], indices))
        elif kind == "OS::Neutron::FloatingIP":
            created(made, name, "fip", {"floating_ip_address": "203.0.113.50"})
        elif kind == "OS::Heat::Value":
            value = properties["value"]
            parts = value.items() if isinstance(value, dict) else ()
            paths = {("value", key): text for key, text in parts}
            created(made, name, name, {"value": value, **paths})
        elif kind.startswith("OS::Heat::SoftwareDeployment"):
            config = resources[properties["config"]["get_resource"]]["properties"]
            said = {output["name"]: f"{name} {output['name']}" for output in config["outputs"]}
            if kind.endswith("Group"):
                created(made, name, name, {
                    key: {index: f"{text} {index}" for index in indices}
                    for key, text in said.items()
                })  # fmt: skip
            else:
                created(made, name, name, said)
    return made


def group_attributes(group: str, indices: list[str]) -> dict[Any, Any]:
    """Attributes of a group of workers."""
    names = {index: f"demo-{group}-{index}" for index in indices}
    # Addresses of groups are apart, in the order of their names.
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
    """The minimal cluster, complete."""
    return complete(make_stack(goldens["minimal"]))


@pytest.fixture
def ha(goldens: dict[str, dict[str, Any]], make_stack: MakeStack) -> stack.Stack:
    """Three control-plane nodes and two groups of workers, complete."""
    return complete(make_stack(goldens["ha"]))


def output(of: stack.Stack, name: str) -> Any:
    """An output's value."""
    return of.outputs[name].get_value()


def inputs_of(of: stack.Stack, name: str) -> dict[str, Any]:
    """Input values of a deployment."""
    values = of[name].properties["input_values"]
    assert isinstance(values, dict)
    return values


def node(address: str, group: str, runtime: str = "containerd") -> dict[str, str]:
    """A node as outputs tell it."""
    role = "control" if group == "control" else "worker"
    return {"address": address, "role": role, "group": group, "runtime": runtime}


def test_outputs(minimal: stack.Stack) -> None:
    """Endpoint, certificates and nodes are what kubeconfig and suite read."""
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
    """The suite's expectation holds nodes, versions, networks and blocks in plain types."""
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
    """Every node with its group and runtime, every apiserver, every runtime's version."""
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
    """A cluster of one node has outputs and inputs, too."""
    alone = complete(make_stack(goldens["minimal"]), workers=0)
    assert list(output(alone, "nodes")) == ["demo-control-0"]
    assert {} in maps(inputs_of(alone, "trust_sign_control_0"), "worker")


def maps(values: dict[str, Any], group: str) -> list[Any]:
    """What a group has in each input that is a map of groups."""
    return [value[group] for value in values.values() if isinstance(value, dict) and group in value]


def test_maps_for_the_signer(ha: stack.Stack) -> None:
    """The signer gets requests, names and addresses as maps of groups with the same keys."""
    values = inputs_of(ha, "trust_sign_control_0")
    for group, count in (("control", 3), ("worker", 2), ("docker", 2)):
        found = maps(values, group)
        assert len(found) >= 3
        assert all(list(item) == [str(index) for index in range(count)] for item in found)
    texts = [text for item in maps(values, "docker") for text in item.values()]
    assert {"demo-docker-0", "10.0.0.41", "trust_request_workers_docker requests 1"} <= set(texts)
    assert "203.0.113.50" in values.values()


def test_server_names(ha: stack.Stack) -> None:
    """A server is called after stack, group and index."""
    assert ha["control_2"].properties["name"] == "demo-control-2"
    member = ha["workers_docker"].properties["resource_def"]["properties"]
    assert member["name"] == "demo-docker-%index%"
    assert member["image"] == "debian-13"


def test_scripts_are_complete(ha: stack.Stack) -> None:
    """Heat puts the library into the scripts that install it."""
    script = ha["os_preflight_config"].properties["config"]
    assert script.startswith("#!/bin/bash\n")
    assert script.index("\nfail() {\n") < script.index('\nsource "$HEATGEN_LIB/step.sh"\n')


@pytest.mark.parametrize("cluster", ["minimal", "ha"])
def test_inputs_are_text_or_maps(cluster: str, request: pytest.FixtureRequest) -> None:
    """What an input's declared type says is what its value is: a map as text would be a repr."""
    of = request.getfixturevalue(cluster)
    for name, item in of.items():
        if not item.type().startswith("OS::Heat::SoftwareDeployment"):
            continue
        config = of[config_of(of, name)]
        kinds = {entry["name"]: entry["type"] for entry in config.properties["inputs"]}
        for key, value in item.properties["input_values"].items():
            assert isinstance(value, dict) == (kinds[key] == "Json"), (name, key)


def config_of(of: stack.Stack, deployment: str) -> str:
    """Name of the configuration that a deployment names."""
    reference = of.t.t["resources"][deployment]["properties"]["config"]
    return str(reference["get_resource"])


def test_order(ha: stack.Stack) -> None:
    """Heat's own graph has a layer after what it stands on, and independent layers side by side."""
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


def test_texts_stand_once_and_reach_the_groups_they_are_for(
    ha: stack.Stack, goldens: dict[str, dict[str, Any]]
) -> None:
    """Large texts are held apart; a group with another runtime still gets its own."""
    worker = inputs_of(ha, "orchestration_node_workers")["KUBELET_CONFIG"]
    docker = inputs_of(ha, "orchestration_node_workers_docker")["KUBELET_CONFIG"]
    control = inputs_of(ha, "orchestration_node_control_2")["KUBELET_CONFIG"]
    assert "containerd.sock" in worker
    assert "cri-dockerd.sock" in docker
    assert control == worker
    assert str(goldens["ha"]).count("Description=etcd key-value store") == 1
