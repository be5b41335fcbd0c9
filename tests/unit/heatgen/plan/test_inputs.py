# SPDX-License-Identifier: Apache-2.0
"""Tests of the sources of inputs."""

import json
import tomllib
from typing import Any

import pytest

from heatgen.blocks.references import Unresolved
from heatgen.plan import inputs
from heatgen.spec.block_selection import group_blocks
from tests.unit.heatgen.support import tiny

MIRROR = tiny.CLUSTER + (
    "artifacts: {mirror: 'http://m.example/', registry: 'r.example:5000'}\n"
    "overrides: {box: {extra: 1}}\n"
)


def context(
    layer: str = "runtime", text: str = MIRROR, group: str = "worker"
) -> inputs.BlockContext:
    """Return the context of a block on the servers of a group."""
    blocks = tiny.build_catalog()
    spec = tiny.spec(text, blocks)
    used = group_blocks(spec, blocks)
    return inputs.BlockContext(
        inputs.PlanContext(spec, used, tiny.pinned()), used[group][layer], group
    )


def resolved(source: str, layer: str = "runtime", text: str = MIRROR, group: str = "worker") -> Any:
    """Return the value of a source for a block."""
    return inputs.resolve(source, context(layer, text, group))


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("options.version", "1.0"),
        ("network.pods", "10.244.0.0/16"),
        ("orchestration.dns", "10.96.0.10"),
        ("orchestration.service_address", "10.96.0.1"),
        ("cluster.name", "tiny"),
        ("control_plane.addresses", ["10.0.0.10"]),
        ("control_plane.count", 1),
        ("control_plane.load_balancer", "none"),
        ("group.name", "worker"),
        ("group.labels", ""),
        ("group.taints", ""),
        ("nodes.cidr", "10.0.0.0/24"),
        ("api.host", "10.0.0.10"),
        ("api.port", 6443),
        ("api.url", "https://10.0.0.10:6443"),
        ("api.external", inputs.ApiExternal()),
        ("artifact.tool", f"http://m.example/example.org/v1.0/tool.tar.gz {'a' * 64}"),
        ("artifacts", f"http://m.example/example.org/v1.0/tool.tar.gz {'a' * 64}"),
        ("image.pause", f"{tiny.PAUSE}@sha256:{'b' * 64}"),
        ("override.box", '{"extra": 1}'),
        ("override.nothing", "{}"),
        ("artifacts.mirror", "http://m.example"),
        ("artifacts.registry", "https://r.example:5000"),
        ("access.admin_days", 7),
        ("access.admin_request", inputs.StackParameter("admin_request")),
        ("rotation.certificates", inputs.StackParameter("certificates_generation")),
        ("rotation.authorities", inputs.StackParameter("authority_generations")),
        ("expected.nodes", inputs.NodeNames()),
        ("servers.names", inputs.ServerNames()),
        ("servers.addresses", inputs.ServerAddresses()),
        ("step.trust.request.requests@all",
         inputs.StepOutput("trust", "request", "requests", "all")),
        ("step.trust.request.requests@control",
         inputs.StepOutput("trust", "request", "requests", "control")),
        ("step.trust.sign.ca_kubernetes", inputs.StepOutput("trust", "sign", "ca_kubernetes", "")),
    ],
)  # fmt: skip
def test_values(source: str, value: object) -> None:
    """Each source has its value."""
    assert resolved(source) == value


def test_config() -> None:
    """A configuration has the base file, the planned values and the user's overrides."""
    assert tomllib.loads(resolved("config.box")) == {
        "version": 3,
        "plugins": {"a.b": {"image": f"{tiny.PAUSE}@sha256:{'b' * 64}"}},
        "extra": 1,
    }


def test_order_of_overrides() -> None:
    """The order of keys in cluster.yaml does not change a configuration."""
    texts = [
        tiny.GROUPS + f"overrides: {{agent: {{gates: {{{keys}}}}}}}\n"
        for keys in ("own: true, big: {z: 1, a: 2}", "big: {a: 2, z: 1}, own: true")
    ]
    assert resolved("config.agent", "orchestration", texts[0]) == resolved(
        "config.agent", "orchestration", texts[1]
    )


def test_file() -> None:
    """The source ``file:NAME`` is the text of the block's file."""
    assert resolved("file:node.service", "orchestration") == "[Service]\n"


def test_upstream_without_mirror() -> None:
    """Without a mirror an artifact has upstream's URL."""
    assert resolved("artifact.tool", text=tiny.CLUSTER).startswith(f"{tiny.TOOL} ")
    assert resolved("artifacts.mirror", text=tiny.CLUSTER) == ""


def test_api_without_floating_ip() -> None:
    """Without a floating IP users have the same address of the API as components."""
    text = tiny.CLUSTER + "access: {floating_ip: false}\n"
    assert resolved("api.external", text=text) == "10.0.0.10"


def test_policy() -> None:
    """The policy has one line for each certificate, sorted, with its names and addresses."""
    etcd, api = resolved("certificates").splitlines()
    assert etcd == (
        "etcd/server|control|etcd|/CN={node}|server,client"
        "|DNS:{node},IP:{address},DNS:localhost,IP:127.0.0.1|store"
    )
    assert api == (
        "kubernetes/api|control|kubernetes|/CN=api|server"
        "|DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc"
        ",DNS:kubernetes.default.svc.cluster.local,IP:10.96.0.1,IP:10.0.0.10,IP:{external}|root"
    )


def test_names_of_the_api() -> None:
    """The API's certificate has the additional names, and the host of the endpoint, once."""
    names = "[a.example, 192.0.2.7, k8s.example, '2001:db8::1']"
    for endpoint in ("k8s.example", "k8s.example:443", "https://k8s.example/"):
        text = f"{tiny.CLUSTER}access: {{names: {names}, endpoint: {endpoint!r}}}\n"
        api = resolved("certificates", text=text).splitlines()[1]
        expected = "DNS:k8s.example,DNS:a.example,IP:192.0.2.7,IP:2001:db8::1"
        assert api.split("|")[5].partition("{external},")[2] == expected
    text = tiny.CLUSTER + "access: {endpoint: '[2001:db8::1]:443'}\n"
    assert "{external},IP:2001:db8::1|" in resolved("certificates", text=text)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("nonsense", "unknown source 'nonsense'"),
        ("options.nothing", "no option 'nothing'"),
        ("network.nothing", "no option 'nothing'"),
        ("artifact.nothing", "no artifact 'nothing'"),
        ("image.nothing", "no image 'nothing'"),
        ("config.nothing", "no configuration 'nothing'"),
        ("file:nothing", "no file 'nothing'"),
        ("servers.worker.names", "unknown source 'servers.worker.names'"),
        ("step.trust.request", "must be step.LAYER.STEP.OUTPUT"),
        ("step.trust.request.requests@worker", "must be step.LAYER.STEP.OUTPUT"),
        ("step.trust.nothing.x@all", "unknown step trust/nothing"),
        ("step.nothing.x.y", "unknown step nothing/x"),
        ("step.trust.request.nothing@all", "no output 'nothing'"),
        ("step.trust.request.requests", "append @all"),
    ],
)
def test_invalid_sources(source: str, reason: str) -> None:
    """An invalid source is reported with the part that does not exist."""
    with pytest.raises(Unresolved, match=reason):
        resolved(source)


def test_groups() -> None:
    """Sources of a group have the group's name, labels, taints and runtime."""
    assert resolved("group.name", text=tiny.GROUPS, group="big-box") == "big-box"
    assert resolved("group.labels", text=tiny.GROUPS, group="big-box") == "b=2,example.org/a=x"
    assert resolved("group.taints", text=tiny.GROUPS, group="big-box") == (
        "only=:NoSchedule,k=v:NoExecute"
    )
    assert resolved("group.taints", text=tiny.GROUPS, group="control") == (
        "node-role.kubernetes.io/control-plane=:NoSchedule"
    )
    assert resolved("runtime.version", "os", tiny.GROUPS, "big-box") == "2.0"
    assert resolved("runtime.version", "os", tiny.GROUPS, "worker") == "1.0"


def test_artifacts_of_a_group() -> None:
    """The source ``artifacts`` has only the artifacts of the group's own blocks."""
    assert resolved("artifacts", "os", tiny.GROUPS, "worker") == f"{tiny.TOOL} {'a' * 64}"
    assert resolved("artifacts", "os", tiny.GROUPS, "big-box") == f"{tiny.ENGINE} {'e' * 64}"


def test_patches() -> None:
    """Patches of a block apply on groups that use it; the user's overrides apply after them."""
    text = tiny.GROUPS + "overrides: {agent: {gates: {own: true}}}\n"
    assert json.loads(resolved("config.agent", "orchestration", text, "big-box")) == {
        "port": 1, "dns": "10.96.0.10", "socket": "engine",
        "gates": {"new": True, "old": False, "own": True},
    }  # fmt: skip
    assert json.loads(resolved("config.agent", "orchestration", tiny.GROUPS, "worker")) == {
        "port": 1, "dns": "10.96.0.10", "gates": {"new": True},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("balancer", "host"),
    [("vip", "10.0.0.9"), ("octavia", "10.0.0.9"), ("none", "10.0.0.10")],
)
def test_api_host(balancer: str, host: str) -> None:
    """The API's address for components is fixed by the plan for every kind of load balancer."""
    text = tiny.CLUSTER + f"control_plane: {{count: 3, load_balancer: {balancer}}}\n"
    assert resolved("api.host", text=text) == host
    assert resolved("api.url", text=text) == f"https://{host}:6443"
    assert f",IP:{host}," in resolved("certificates", text=text)


def test_conditions() -> None:
    """Each source must have one of its values; numbers and booleans are compared as text."""
    worker = context(text=tiny.GROUPS)
    assert inputs.holds({}, worker)
    assert inputs.holds({"control_plane.count": (3, 5)}, worker)
    assert inputs.holds({"control_plane.count": ("3",), "group.name": ("worker",)}, worker)
    assert not inputs.holds({"control_plane.count": (3,), "group.name": ("big-box",)}, worker)
    with pytest.raises(Unresolved, match="only Heat knows"):
        inputs.holds({"servers.names": ("x",)}, worker)


def test_certificates_with_conditions() -> None:
    """A certificate whose condition is false is not in the policy."""
    assert "kubernetes/mover" not in resolved("certificates")
    assert "\nkubernetes/mover|control|" in resolved("certificates", text=tiny.GROUPS)


@pytest.mark.parametrize(
    ("value", "text"),
    [("a", "a"), (1, "1"), (True, "true"), (["a", 1], "a,1"), (None, ""), ({"b": 1}, '{"b": 1}')],
)
def test_as_text(value: object, text: str) -> None:
    """Values are converted to text for scripts."""
    assert inputs.as_text(value) == text
