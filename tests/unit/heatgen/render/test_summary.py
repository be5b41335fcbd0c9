# SPDX-License-Identifier: Apache-2.0
"""What ``heatgen plan`` shows, and that its numbers are those of the template."""

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
def shown() -> dict[str, Any]:
    """The overview of three control-plane nodes with volumes and two groups of workers."""
    planned = tiny.planned(TEXT)
    return summarize(planned, render(planned).as_dict())


def test_servers(shown: dict[str, Any]) -> None:
    """Each control-plane node with its address, zone and volumes; each group with its count."""
    rows = {row["server"]: row for row in shown["servers"]}
    assert rows["STACK-control-1"] == {
        "server": "STACK-control-1", "count": 1, "address": "10.0.0.11", "flavor": "small",
        "image": "debian", "zone": "b", "volumes": "kvstore data 8 GiB",
    }  # fmt: skip
    assert (rows["STACK-big-box-*"]["count"], rows["STACK-big-box-*"]["image"]) == (4, "other")


def test_steps_come_after_what_they_wait_for(shown: dict[str, Any]) -> None:
    """A deployment is in a later round than each it waits for, and the rounds begin at 1."""
    rounds = {row["deployment"]: row["round"] for row in shown["deployments"]}
    assert min(rounds.values()) == 1
    for row in shown["deployments"]:
        assert all(rounds[name] < row["round"] for name in row["after"])
    numbers = [row["round"] for row in shown["steps"]]
    assert numbers == sorted(numbers)
    ready = shown["steps"][-1]
    assert (ready["step"], ready["on"]) == ("orchestration/ready", ["control-0"])
    assert "network/start" in ready["after"]


def test_rules_and_what_is_fetched(shown: dict[str, Any]) -> None:
    """Who may reach whom and why; every artifact with its sum, every image with its digest."""
    assert {
        "to": "control", "from": "192.0.2.0/24", "protocol": "tcp", "ports": "22", "why": "os: SSH",
    } in shown["rules"]  # fmt: skip
    assert {"url": tiny.TOOL, "sha256": "a" * 64} in shown["artifacts"]
    assert {"url": tiny.ENGINE, "sha256": "e" * 64} in shown["artifacts"]
    assert shown["images"] == [f"{tiny.PAUSE}@sha256:{'b' * 64}"]


def test_the_largest_count_is_the_largest() -> None:
    """With that many workers nothing is exceeded; with one more the named limit is."""
    planned = tiny.planned()
    [found] = heat_limits.largest(planned, render(planned).as_dict())
    assert found.stopped_by == "resources of the stack"

    def exceeded(count: int) -> list[str]:
        text = f"{tiny.CLUSTER}workers: {{count: {count}}}\n"
        grown = tiny.planned(text)
        used = heat_limits.usage(grown, render(grown).as_dict())
        return [item.what for item in used if item.exceeded]

    assert exceeded(found.count) == []
    assert exceeded(found.count + 1) == ["resources of the stack"]


def test_addresses_stop_a_group() -> None:
    """In a small network it is the addresses that end first."""
    text = tiny.CLUSTER.replace("flavor: small", "flavor: small, nodes: 192.0.2.0/27")
    planned = tiny.planned(text)
    [found] = heat_limits.largest(planned, render(planned).as_dict())
    assert (found.count, found.stopped_by) == (9, "addresses")


def test_forms(shown: dict[str, Any]) -> None:
    """JSON and YAML hold the same; the table has every server, and its columns stand in line."""
    assert json.loads(json.dumps(shown)) == shown
    assert writer.dump(shown)
    text = command.table(shown)
    lines = [line for line in text.splitlines() if line.startswith("  STACK-")]
    assert len(lines) == len(shown["servers"])
    assert len({line.index("  10.0.0.") for line in lines if "10.0.0." in line}) == 1
