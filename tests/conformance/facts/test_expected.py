# SPDX-License-Identifier: Apache-2.0
"""The ``--expect`` file: wrappings of the OpenStack client, and errors."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from conformance.facts import expected
from tests.conformance import healthy

PLAIN = healthy.expected()
TEXT = json.dumps(PLAIN)


@pytest.mark.parametrize(
    "content",
    [
        TEXT,
        repr(PLAIN) + "\n",
        json.dumps(TEXT),
        json.dumps({"output_key": "conformance", "description": "…", "output_value": PLAIN}),
        json.dumps({"output_key": "conformance", "output_value": TEXT}),
        json.dumps({"conformance": json.dumps({"output_value": TEXT})}),
    ],
    ids=[
        "raw",
        "show -f value",
        "quoted",
        "show -f json",
        "show -f json, text",
        "show --all -f json",
    ],
)
def test_every_wrapping_is_accepted(tmp_path: Path, content: str) -> None:
    """All output formats of ``openstack stack output show`` give the same result."""
    file = tmp_path / "expect.json"
    file.write_text(content)
    assert expected.read(file) == PLAIN


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("no json", "Expecting value"),
        ("[]", "not the output `conformance`"),
        ('{"nodes": {"a": {"role": "worker"}}, "version": 2}', "version 2"),
        ('{"nodes": {"a": "worker"}}', "expected ExpectedNode"),
    ],
)
def test_invalid_file_is_reported(tmp_path: Path, content: str, reason: str) -> None:
    """The message contains the file and the reason."""
    file = tmp_path / "expect.json"
    file.write_text(content)
    with pytest.raises(expected.ExpectationError) as caught:
        expected.read(file)
    assert reason in str(caught.value)
    assert str(file) in str(caught.value)


def test_missing_parts_are_empty_and_unknown_keys_ignored() -> None:
    """Keys of later versions are ignored, also those of nodes."""
    plain: dict[str, Any] = {"nodes": {}, "unknown": 2}
    understood = expected.understand(plain, "file")
    assert understood == expected.NOTHING
    node = {"role": "worker", "address": "192.0.2.20", "unknown": "x"}
    understood = expected.understand({"nodes": {"a": node}}, "file")
    assert understood.nodes["a"] == expected.ExpectedNode("worker", "192.0.2.20")


def test_runtime_of_a_node_defaults_to_that_of_the_cluster() -> None:
    """A group may have another runtime; unknown nodes have the default."""
    parsed = expected.understand(healthy.expected(healthy.HA_NODES), "test")
    assert parsed.runtime("demo-docker-0") == "docker"
    assert parsed.runtime("demo-worker-0") == "containerd"
    assert parsed.runtime("unknown-node") == "containerd"
    assert expected.NOTHING.runtime("demo-worker-0") == ""


@pytest.mark.parametrize(
    ("server", "group", "name"),
    [
        ("demo-worker-0", "worker", "demo-worker-0"),
        ("demo-worker-0", "", "demo-worker-0"),
        ("My_Team.demo-big-box-12", "big-box", "my-team-demo-big-box-12"),
        ("s" * 42 + "-control-0", "control", "s" * 42 + "-control-0"),
        ("s" * 43 + "-control-0", "control", "s" * 23 + "-9c2d23-control-0"),
    ],
)
def test_names_of_nodes(server: str, group: str, name: str) -> None:
    """Names of nodes are those of servers, in the form that the steps of the stack give them."""
    digest = hashlib.sha256(b"s" * 43).hexdigest()[:6]
    assert expected.node_name(server, group) == name.replace("9c2d23", digest)


def test_version_of_a_node_defaults_to_that_of_the_cluster() -> None:
    """A group may have an older kubelet; unknown nodes have the version of the cluster."""
    plain = healthy.expected(healthy.HA_NODES)
    plain["nodes"]["demo-docker-0"]["kubernetes"] = "1.36.3"
    parsed = expected.understand(plain, "test")
    assert parsed.kubernetes("demo-docker-0") == "1.36.3"
    assert parsed.kubernetes("demo-worker-0") == plain["versions"]["kubernetes"]
    assert expected.NOTHING.kubernetes("demo-worker-0") == ""
