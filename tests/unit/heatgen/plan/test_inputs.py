# SPDX-License-Identifier: Apache-2.0
"""Where inputs come from: every word that ``from:`` may say."""

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
    """A block on the servers of a group."""
    blocks = tiny.build_catalog()
    wanted = tiny.spec(text, blocks)
    used = group_blocks(wanted, blocks)
    return inputs.BlockContext(
        inputs.PlanContext(wanted, used, tiny.pinned()), used[group][layer], group
    )


def resolved(source: str, layer: str = "runtime", text: str = MIRROR, group: str = "worker") -> Any:
    """The value of a reference, asked for by a block."""
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
    """Each source gives its value."""
    assert resolved(source) == value


def test_config() -> None:
    """A configuration is base, planned values, and the user's part last."""
    assert tomllib.loads(resolved("config.box")) == {
        "version": 3,
        "plugins": {"a.b": {"image": f"{tiny.PAUSE}@sha256:{'b' * 64}"}},
        "extra": 1,
    }


def test_file() -> None:
    """A file of the block is its text."""
    assert resolved("file:node.service", "orchestration") == "[Service]\n"


def test_upstream_without_mirror() -> None:
    """Without a mirror, upstream's own URL."""
    assert resolved("artifact.tool", text=tiny.CLUSTER).startswith(f"{tiny.TOOL} ")
    assert resolved("artifacts.mirror", text=tiny.CLUSTER) == ""


def test_api_without_floating_ip() -> None:
    """Without a floating IP users reach the API where components do."""
    text = tiny.CLUSTER + "access: {floating_ip: false}\n"
    assert resolved("api.external", text=text) == "10.0.0.10"


def test_policy() -> None:
    """One line for each certificate, sorted, with the names it is good for."""
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


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("nonsense", "not a source of inputs"),
        ("options.nothing", "no option 'nothing'"),
        ("network.nothing", "no option 'nothing'"),
        ("artifact.nothing", "no artifact 'nothing'"),
        ("image.nothing", "no image 'nothing'"),
        ("config.nothing", "no configuration 'nothing'"),
        ("file:nothing", "no file 'nothing'"),
        ("servers.worker.names", "not a source of inputs"),
        ("step.trust.request", "must be step.LAYER.STEP.OUTPUT"),
        ("step.trust.request.requests@worker", "must be step.LAYER.STEP.OUTPUT"),
        ("step.trust.nothing.x@all", "no step trust/nothing"),
        ("step.nothing.x.y", "no step nothing/x"),
        ("step.trust.request.nothing@all", "no output 'nothing'"),
        ("step.trust.request.requests", "add @all"),
    ],
)
def test_references_that_lead_nowhere(source: str, reason: str) -> None:
    """Each is told for what it is."""
    with pytest.raises(Unresolved, match=reason):
        resolved(source)


def test_groups() -> None:
    """A group has its own name, labels, taints and runtime."""
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
    """Servers are told of what their own group's blocks fetch."""
    assert resolved("artifacts", "os", tiny.GROUPS, "worker") == f"{tiny.TOOL} {'a' * 64}"
    assert resolved("artifacts", "os", tiny.GROUPS, "big-box") == f"{tiny.ENGINE} {'e' * 64}"


def test_patches() -> None:
    """A block changes another's configuration on its own groups; the user has the last word."""
    text = tiny.GROUPS + "overrides: {agent: {socket: mine}}\n"
    assert json.loads(resolved("config.agent", "orchestration", text, "big-box")) == {
        "port": 1, "dns": "10.96.0.10", "socket": "mine", "gates": {"new": True, "old": False},
    }  # fmt: skip
    assert json.loads(resolved("config.agent", "orchestration", tiny.GROUPS, "worker")) == {
        "port": 1, "dns": "10.96.0.10", "gates": {"new": True},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("balancer", "host"),
    [("vip", "10.0.0.9"), ("octavia", "10.0.0.9"), ("none", "10.0.0.10")],
)
def test_api_host(balancer: str, host: str) -> None:
    """Components reach the API at the address that the balancer has, known before it is there."""
    text = tiny.CLUSTER + f"control_plane: {{count: 3, load_balancer: {balancer}}}\n"
    assert resolved("api.host", text=text) == host
    assert resolved("api.url", text=text) == f"https://{host}:6443"
    assert f",IP:{host}," in resolved("certificates", text=text)


def test_conditions() -> None:
    """All sources must have one of their values; numbers and truths are compared as text."""
    here = context(text=tiny.GROUPS)
    assert inputs.holds({}, here)
    assert inputs.holds({"control_plane.count": (3, 5)}, here)
    assert inputs.holds({"control_plane.count": ("3",), "group.name": ("worker",)}, here)
    assert not inputs.holds({"control_plane.count": (3,), "group.name": ("big-box",)}, here)
    with pytest.raises(Unresolved, match="known to Heat only"):
        inputs.holds({"servers.names": ("x",)}, here)


def test_certificates_with_conditions() -> None:
    """A certificate whose condition does not hold may not be signed."""
    assert "kubernetes/mover" not in resolved("certificates")
    assert "\nkubernetes/mover|control|" in resolved("certificates", text=tiny.GROUPS)


@pytest.mark.parametrize(
    ("value", "text"),
    [("a", "a"), (1, "1"), (True, "true"), (["a", 1], "a,1"), (None, ""), ({"b": 1}, '{"b": 1}')],
)
def test_as_text(value: object, text: str) -> None:
    """Scripts get text."""
    assert inputs.as_text(value) == text
