# SPDX-License-Identifier: Apache-2.0
"""Where inputs come from: every word that ``from:`` may say."""

import tomllib
from typing import Any

import pytest

from heatgen import inputs, spec

from . import tiny

MIRROR = tiny.CLUSTER + (
    "artifacts: {mirror: 'http://m.example/', registry: 'r.example:5000'}\n"
    "overrides: {box: {extra: 1}}\n"
)


def resolved(source: str, layer: str = "runtime", text: str = MIRROR) -> Any:
    """The value of a reference, asked for by a block."""
    blocks = tiny.house()
    wanted = tiny.wish(text, blocks)
    used = spec.used_blocks(wanted, blocks)
    house = inputs.House(wanted, used, tiny.pinned())
    return inputs.resolve(source, inputs.Place(house, used[layer], "worker"))


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
        ("nodes.cidr", "10.0.0.0/24"),
        ("api.host", "10.0.0.10"),
        ("api.port", 6443),
        ("api.url", "https://10.0.0.10:6443"),
        ("api.external", inputs.ApiExternal()),
        ("artefact.tool", f"http://m.example/example.org/v1.0/tool.tar.gz {'a' * 64}"),
        ("artefacts", f"http://m.example/example.org/v1.0/tool.tar.gz {'a' * 64}"),
        ("image.pause", f"{tiny.PAUSE}@sha256:{'b' * 64}"),
        ("override.box", '{"extra": 1}'),
        ("override.nothing", "{}"),
        ("artifacts.mirror", "http://m.example"),
        ("artifacts.registry", "https://r.example:5000"),
        ("access.admin_request", inputs.AdminRequest()),
        ("expected.nodes", inputs.NodeNames()),
        ("servers.worker.names", inputs.ServerNames("worker")),
        ("servers.control.addresses", inputs.ServerAddresses("control")),
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
    assert resolved("artefact.tool", text=tiny.CLUSTER).startswith(f"{tiny.TOOL} ")
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
        ("artefact.nothing", "no artefact 'nothing'"),
        ("image.nothing", "no image 'nothing'"),
        ("config.nothing", "no configuration 'nothing'"),
        ("file:nothing", "no file 'nothing'"),
        ("servers.worker", "must be servers.ROLE.names"),
        ("servers.nobody.names", "must be servers.ROLE.names"),
        ("step.trust.request", "must be step.LAYER.STEP.OUTPUT"),
        ("step.trust.nothing.x@worker", "no step trust/nothing"),
        ("step.nothing.x.y", "no step nothing/x"),
        ("step.trust.request.nothing@worker", "no output 'nothing'"),
        ("step.trust.request.requests", "add @ROLE"),
        ("step.kvstore.start.health@worker", "does not run on role 'worker'"),
    ],
)
def test_references_that_lead_nowhere(source: str, reason: str) -> None:
    """Each is told for what it is."""
    with pytest.raises(inputs.Unresolved, match=reason):
        resolved(source)


@pytest.mark.parametrize(
    ("value", "text"),
    [("a", "a"), (1, "1"), (True, "true"), (["a", 1], "a,1"), (None, ""), ({"b": 1}, '{"b": 1}')],
)
def test_as_text(value: object, text: str) -> None:
    """Scripts get text."""
    assert inputs.as_text(value) == text
