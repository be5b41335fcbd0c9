# SPDX-License-Identifier: Apache-2.0
"""Tests of the summary of a plan."""

import json
from typing import Any

import pytest

from heatgen.cli import plan as command
from heatgen.render import heat_limits
from heatgen.render.summary import summarize
from heatgen.render.template import render
from heatgen.yamlio import writer
from tests.unit.heatgen.support import tiny

TEXT = tiny.GROUPS.replace(
    "control_plane: {count: 3}",
    "control_plane: {count: 3, availability_zones: [a, b]}\nkvstore: {disk: 8}",
).replace("workers:\n", "access: {ssh: [192.0.2.0/24], ssh_key: mine}\nworkers:\n")


@pytest.fixture(scope="module")
def summary() -> dict[str, Any]:
    """Return the summary of three control-plane nodes with volumes and two groups of workers."""
    planned = tiny.planned(TEXT)
    return summarize(planned, render(planned).as_dict())


def test_servers(summary: dict[str, Any]) -> None:
    """Control-plane nodes have addresses, zones and volumes; groups of workers have counts."""
    rows = {row["server"]: row for row in summary["servers"]}
    assert rows["STACK-control-1"] == {
        "server": "STACK-control-1", "count": 1, "address": "10.0.0.11", "flavor": "small",
        "image": "debian", "zone": "b", "volumes": "kvstore data 8 GiB",
    }  # fmt: skip
    assert (rows["STACK-big-box-*"]["count"], rows["STACK-big-box-*"]["image"]) == (4, "other")


def test_rounds(summary: dict[str, Any]) -> None:
    """A deployment is in a later round than its dependencies, and rounds start at 1."""
    rounds = {row["deployment"]: row["round"] for row in summary["deployments"]}
    assert min(rounds.values()) == 1
    for row in summary["deployments"]:
        assert all(rounds[name] < row["round"] for name in row["after"])
    numbers = [row["round"] for row in summary["steps"]]
    assert numbers == sorted(numbers)
    ready = summary["steps"][-1]
    assert (ready["step"], ready["on"]) == ("orchestration/ready", ["control-0"])
    assert "network/start" in ready["after"]


def test_rules_and_artifacts(summary: dict[str, Any]) -> None:
    """Rules have their reasons, artifacts their checksums, images their digests."""
    assert {
        "to": "control", "from": "192.0.2.0/24", "protocol": "tcp", "ports": "22", "why": "os: SSH",
    } in summary["rules"]  # fmt: skip
    assert {"url": tiny.TOOL, "sha256": "a" * 64} in summary["artifacts"]
    assert {"url": tiny.ENGINE, "sha256": "e" * 64} in summary["artifacts"]
    assert summary["images"] == [f"{tiny.PAUSE}@sha256:{'b' * 64}"]


def test_maximum_count() -> None:
    """The maximum count of workers exceeds no limit; one more exceeds the limit that is named."""
    planned = tiny.planned()
    [found] = heat_limits.largest(planned, heat_limits.types(render(planned).as_dict()))
    assert found.stopped_by == "resources of the stack"

    def exceeded(count: int) -> list[str]:
        text = f"{tiny.CLUSTER}workers: {{count: {count}}}\n"
        grown = tiny.planned(text)
        used = heat_limits.usage(grown, render(grown).as_dict())
        return [item.what for item in used if item.exceeded]

    assert exceeded(found.count) == []
    assert exceeded(found.count + 1) == ["resources of the stack"]


def test_maximum_count_in_a_small_network() -> None:
    """In a small network the number of addresses limits the count."""
    text = tiny.CLUSTER.replace("flavor: small", "flavor: small, nodes: 192.0.2.0/27")
    planned = tiny.planned(text)
    [found] = heat_limits.largest(planned, heat_limits.types(render(planned).as_dict()))
    assert (found.count, found.stopped_by) == (9, "addresses")


def test_formats(summary: dict[str, Any]) -> None:
    """The summary can be written as JSON and YAML; the table has aligned rows for all servers."""
    assert json.loads(json.dumps(summary)) == summary
    assert writer.dump(summary)
    text = command.table(summary)
    lines = [line for line in text.splitlines() if line.startswith("  STACK-")]
    assert len(lines) == len(summary["servers"])
    assert len({line.index("  10.0.0.") for line in lines if "10.0.0." in line}) == 1
