# SPDX-License-Identifier: Apache-2.0
"""The `--expect` file: however the OpenStack client wrapped it, and what is wrong with bad ones."""

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
def test_every_wrapping_is_understood(tmp_path: Path, content: str) -> None:
    """Each form in which `openstack stack output show` may give the output leads to the same."""
    file = tmp_path / "expect.json"
    file.write_text(content)
    assert expected.read(file) == PLAIN


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("no json", "Expecting value"),
        ("[]", "not a stack's `conformance` output"),
        ('{"nodes": {"a": {"role": "worker"}}, "version": 2}', "version 2"),
        ('{"nodes": {"a": "worker"}}', "expected ExpectedNode"),
    ],
)
def test_bad_file_is_told(tmp_path: Path, content: str, words: str) -> None:
    """The message names the file and what is wrong with it."""
    file = tmp_path / "expect.json"
    file.write_text(content)
    with pytest.raises(expected.ExpectationError) as caught:
        expected.read(file)
    assert words in str(caught.value)
    assert str(file) in str(caught.value)


def test_parts_may_be_missing_and_unknown_ones_ignored() -> None:
    """What is not expected is empty; keys of later versions do no harm."""
    plain: dict[str, Any] = {"nodes": {}, "moons": 2}
    understood = expected.understand(plain, "file")
    assert understood == expected.NOTHING
    node = {"role": "worker", "address": "192.0.2.20", "mood": "good"}
    understood = expected.understand({"nodes": {"a": node}}, "file")
    assert understood.nodes["a"] == expected.ExpectedNode("worker", "192.0.2.20")


def test_runtime_is_the_nodes_own_or_the_main_one() -> None:
    """A group may have a runtime of its own; who says nothing has the cluster's."""
    house = expected.understand(healthy.expected(healthy.HA_NODES), "test")
    assert house.runtime("demo-docker-0") == "docker"
    assert house.runtime("demo-worker-0") == "containerd"
    assert house.runtime("a-stranger") == "containerd"
    assert expected.NOTHING.runtime("demo-worker-0") == ""
