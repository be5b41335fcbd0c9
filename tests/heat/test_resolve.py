# SPDX-License-Identifier: Apache-2.0
"""What the real Heat makes of outputs and inputs once servers and steps are there."""

from collections.abc import Callable
from typing import Any

import pytest
from heat.engine import stack

from .conftest import created

MakeStack = Callable[[dict[str, Any]], stack.Stack]

WORKERS: dict[Any, Any] = {
    "name": ["demo-worker-0", "demo-worker-1"],
    "first_address": ["10.0.0.23", "10.0.0.31"],
    "refs_map": {"0": "id-0", "1": "id-1"},
    ("attributes", "name"): {"0": "demo-worker-0", "1": "demo-worker-1"},
    ("attributes", "first_address"): {"0": "10.0.0.23", "1": "10.0.0.31"},
}
NO_WORKERS: dict[Any, Any] = {
    "name": [], "first_address": [], "refs_map": {},
    ("attributes", "name"): {}, ("attributes", "first_address"): {},
}  # fmt: skip


@pytest.fixture
def minimal(goldens: dict[str, dict[str, Any]], make_stack: MakeStack) -> stack.Stack:
    """The minimal cluster with its servers and trust complete."""
    made = make_stack(goldens["minimal"])
    created(made, "control_0", "id-c0", {"name": "demo-control-0"})
    created(made, "workers", "group", WORKERS)
    created(made, "api_floating_ip", "fip", {"floating_ip_address": "203.0.113.50"})
    created(made, "trust_request_control_0", "r", {"requests": "== a\nPEM\n"})
    created(made, "trust_request_workers", "r", {"requests": {"0": "== b\n", "1": "== c\n"}})
    signed = {"ca_kubernetes": "CA", "ca_etcd": "CA2", "admin_certificate": "ADMIN",
              "certificates_control": "C", "certificates_worker": "W"}  # fmt: skip
    created(made, "trust_sign_control_0", "s", signed)
    return made


def output(of: stack.Stack, name: str) -> Any:
    """An output's value."""
    return of.outputs[name].get_value()


def test_outputs(minimal: stack.Stack) -> None:
    """Endpoint, certificates and nodes are what kubeconfig and suite read."""
    assert output(minimal, "api_endpoint") == "https://203.0.113.50:6443"
    assert output(minimal, "ca_certificate") == "CA"
    assert output(minimal, "admin_certificate") == "ADMIN"
    assert output(minimal, "nodes") == {
        "demo-control-0": {"role": "control", "address": "10.0.0.10"},
        "demo-worker-0": {"role": "worker", "address": "10.0.0.23"},
        "demo-worker-1": {"role": "worker", "address": "10.0.0.31"},
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


def test_without_workers(minimal: stack.Stack) -> None:
    """A cluster of one node has outputs, too."""
    created(minimal, "workers", "group", NO_WORKERS)
    assert list(output(minimal, "nodes")) == ["demo-control-0"]


def test_maps_for_the_signer(minimal: stack.Stack) -> None:
    """The signer gets requests, names and addresses of each role as maps with the same keys."""
    values = minimal["trust_sign_control_0"].properties["input_values"]
    assert values["REQUESTS_CONTROL"] == {"0": "== a\nPEM\n"}
    assert values["NAMES_CONTROL"] == {"0": "demo-control-0"}
    assert values["ADDRESSES_CONTROL"] == {"0": "10.0.0.10"}
    assert values["REQUESTS_WORKER"] == {"0": "== b\n", "1": "== c\n"}
    assert values["NAMES_WORKER"].keys() == values["ADDRESSES_WORKER"].keys() == {"0", "1"}
    assert values["API_EXTERNAL"] == "203.0.113.50"


def test_server_name(minimal: stack.Stack) -> None:
    """A server is called after stack, role and index."""
    assert minimal["control_0"].properties["name"] == "demo-control-0"


def test_inputs_are_text_or_maps(minimal: stack.Stack) -> None:
    """What an input's declared type says is what its value is: a map as text would be a repr."""
    for name, item in minimal.items():
        if item.type() != "OS::Heat::SoftwareDeployment":
            continue
        config = minimal[config_of(minimal, name)]
        kinds = {entry["name"]: entry["type"] for entry in config.properties["inputs"]}
        for key, value in item.properties["input_values"].items():
            assert isinstance(value, dict) == (kinds[key] == "Json"), (name, key)


def config_of(of: stack.Stack, deployment: str) -> str:
    """Name of the configuration that a deployment names."""
    reference = of.t.t["resources"][deployment]["properties"]["config"]
    return str(reference["get_resource"])


def test_order(minimal: stack.Stack) -> None:
    """Heat's own graph has a layer after what it stands on, and independent layers side by side."""
    after = {
        item.name: {required.name for required in minimal.dependencies.requires(item)}
        for item in minimal.values()
    }

    def needs(name: str) -> set[str]:
        found = set(after[name])
        for required in after[name]:
            found |= needs(required)
        return found

    assert "trust_request_workers" in needs("trust_sign_control_0")
    assert "kvstore_start_control_0" in needs("orchestration_control_control_0")
    assert "runtime_start_workers" not in needs("kvstore_start_control_0")
    assert "kvstore_start_control_0" not in needs("runtime_start_workers")
