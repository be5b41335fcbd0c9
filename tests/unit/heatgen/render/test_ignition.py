# SPDX-License-Identifier: Apache-2.0
"""Tests of user data for Ignition; tests/heat runs Heat and the real Ignition on it."""

import base64
import gzip
import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest

from heatgen.blocks.boot import CREDENTIALS, IGNITION, PRESET, SHELL, Boot
from heatgen.plan.model import Plan
from heatgen.render import heat_limits, ignition, servers
from heatgen.render.ignition import DropIn, File, Link, Unit
from heatgen.render.template import render
from tests.unit.heatgen.support import tiny

CLOUD = Boot(system="debian")
UNIT_TEXT = "[Service]\nExecStart=/opt/heatgen/agent/heatgen-agent\n"
BOOT = Boot(
    system="other",
    by=IGNITION,
    agent=SHELL,
    agent_path="/opt/bin/heatgen-agent",
    trust="/etc/ssl/certs",
    trust_command="/usr/sbin/update-ca-certificates",
    files={"/etc/updates.conf": "off\n"},
    links={"/etc/docker.raw": "/dev/null"},
    mask=("docker.service",),
)


def content(item: dict[str, Any]) -> str:
    """Return the text of a file in a configuration; check its hash."""
    packed = item["contents"]["source"].removeprefix("data:;base64,")
    data = gzip.decompress(base64.b64decode(packed, validate=True))
    digest = hashlib.sha256(data).hexdigest()
    assert item["contents"]["verification"] == {"hash": f"sha256-{digest}"}
    assert item["contents"]["compression"] == "gzip"
    return data.decode()


def test_user_data() -> None:
    """The agent, its unit with the other path, authorities, files, links and masks are written."""
    config = json.loads(ignition.user_data(BOOT, "agent\n", UNIT_TEXT, ["one\n", "two\n"]))
    files = {item["path"]: (item["mode"], content(item)) for item in config["storage"]["files"]}
    unit = "/etc/systemd/system/heatgen-agent.service"
    assert files == {
        "/opt/bin/heatgen-agent": (493, "agent\n"),
        "/etc/ssl/certs/heatgen-1.pem": (420, "one\n"),
        "/etc/ssl/certs/heatgen-2.pem": (420, "two\n"),
        "/etc/updates.conf": (420, "off\n"),
        unit: (420, "[Service]\nExecStart=/opt/bin/heatgen-agent\n"),
        f"{unit}.d/10-trust.conf": (
            420, "[Service]\nExecStartPre=-/usr/sbin/update-ca-certificates\n",
        ),
    }  # fmt: skip
    assert config["ignition"] == {"version": "3.3.0"}
    assert config["storage"]["links"] == [
        {"overwrite": True, "path": "/etc/docker.raw", "target": "/dev/null"}
    ]
    assert config["systemd"]["units"] == [
        {"enabled": True, "name": "heatgen-agent.service"},
        {"mask": True, "name": "docker.service"},
    ]


def test_without_authorities() -> None:
    """Without authorities of the site, the store of the system is not changed."""
    assert "trust" not in ignition.user_data(BOOT, "agent\n", UNIT_TEXT)


def test_form() -> None:
    """The text is one line of ASCII with sorted keys, and equal for equal input."""
    text = ignition.user_data(BOOT, "ä %index%\n", UNIT_TEXT, ["ü\n"])
    assert text.isascii()
    assert "\n" not in text
    assert text == ignition.user_data(BOOT, "ä %index%\n", UNIT_TEXT, ["ü\n"])
    assert text == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))


def test_no_percent() -> None:
    """No "%" occurs, with which variables of a ResourceGroup begin; paths have an escape."""
    text = ignition.ignition([File("/%index%", "%index%")], [Link("/a", "%index%")])
    assert "%" not in text
    config = json.loads(text)
    assert config["storage"]["files"][0]["path"] == "/%index%"
    assert config["storage"]["links"][0]["target"] == "%index%"


A = File("/a/b", "x")
INVALID: dict[str, tuple[list[File], list[Link], list[Unit]]] = {
    "Heat's file": ([File(CREDENTIALS[0], "x")], [], []),
    "Heat's other file": ([], [Link(CREDENTIALS[1], "/x")], []),
    "Heat's folder": ([File("/var/lib/cloud", "x")], [], []),
    "below Heat's file": ([File(f"{CREDENTIALS[0]}/x", "x")], [], []),
    "Ignition's preset": ([File(PRESET, "x")], [], []),
    "twice": ([A, A], [], []),
    "file and link": ([A], [Link(A.path, "/x")], []),
    "below a file": ([A, File("/a/b/c", "x")], [], []),
    "above a file": ([A], [Link("/a", "/x")], []),
    "file and unit": (
        [File("/etc/systemd/system/a.service", "x")], [], [Unit("a.service", "y")],
    ),
    "link and mask": (
        [], [Link("/etc/systemd/system/a.service", "x")], [Unit("a.service", mask=True)],
    ),
    "unit twice": ([], [], [Unit("a.service", enabled=True), Unit("a.service", enabled=True)]),
    "masked and written": ([], [], [Unit("a.service", "x", mask=True)]),
    "masked and enabled": ([], [], [Unit("a.service", enabled=True, mask=True)]),
    "masked and changed": (
        [], [], [Unit("a.service", mask=True, drop_ins=(DropIn("a.conf", ""),))],
    ),
    "relative": ([File("a", "x")], [], []),
    "empty path": ([File("", "x")], [], []),
    "root": ([File("/", "x")], [], []),
    "folder": ([File("/a/", "x")], [], []),
    "parent": ([File("/a/../b", "x")], [], []),
    "double slash": ([File("/a//b", "x")], [], []),
    "control character": ([File("/a\nb", "x")], [], []),
    "empty target": ([], [Link("/a", "")], []),
    "target with a line feed": ([], [Link("/a", "/b\n")], []),
    "set-user-ID, which Ignition ignores": ([File("/a", "x", 0o4755)], [], []),
    "not UTF-8": ([File("/a", "\ud800")], [], []),
    "no unit": ([], [], [Unit("a", enabled=True)]),
    "unit with a path": ([], [], [Unit("../a.service", "x")]),
    "unit with a line feed": ([], [], [Unit("a.service\n", "x")]),
    "drop-in with a path": ([], [], [Unit("a.service", drop_ins=(DropIn("../a.conf", "x"),))]),
}  # fmt: skip


@pytest.mark.parametrize("name", INVALID)
def test_invalid(name: str) -> None:
    """What would stop Ignition, and with it the server, is an error before."""
    with pytest.raises(ValueError, match=r".+"):
        ignition.ignition(*INVALID[name])


def test_unit_without_the_agent() -> None:
    """A unit that does not start the agent is an error: the path could not be replaced."""
    with pytest.raises(ValueError, match="ExecStart"):
        ignition.user_data(BOOT, "agent\n", "[Service]\nExecStart=/other\n")


def user_data_of(plan: Plan) -> dict[str, str]:
    """Return the first line of each user data by the name of its resource."""
    resources = render(plan).as_dict()["resources"]
    return {
        name: item["properties"]["config"].partition("\n")[0][:12]
        for name, item in resources.items()
        if name.startswith("agent")
    }


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {"agent": "#cloud-booth"}),
        ({"worker": replace(CLOUD, system="like-debian")}, {"agent": "#cloud-booth"}),
        ({"worker": BOOT}, {"agent": "#cloud-booth", "agent_other": '{"ignition":'}),
        ({"worker": BOOT, "big-box": BOOT},
         {"agent": "#cloud-booth", "agent_other": '{"ignition":'}),
        ({"control": BOOT}, {"agent": '{"ignition":', "agent_debian": "#cloud-booth"}),
        ({"control": BOOT, "worker": BOOT, "big-box": BOOT}, {"agent": '{"ignition":'}),
    ],
)  # fmt: skip
def test_groups(changes: dict[str, Boot], expected: dict[str, str]) -> None:
    """Groups whose servers start alike share user data; the control plane's name never changes."""
    plan = tiny.planned(tiny.GROUPS)
    plan = replace(plan, boots={**plan.boots, **changes})
    assert user_data_of(plan) == expected
    names = {servers.user_data_name(plan, group) for group in plan.boots}
    assert names == set(expected)


def test_limit() -> None:
    """Nova's limit is checked for the largest user data, with what Heat adds to it."""
    plan = tiny.planned(tiny.GROUPS)
    text = "".join(chr(0x4E00 + number * 7919 % 20000) for number in range(20_000))
    large = replace(BOOT, files={"/x": text})
    plan = replace(plan, boots={**plan.boots, "worker": BOOT})
    before, after = (
        heat_limits.usage(item, render(item).as_dict())[-1]
        for item in (plan, replace(plan, boots={**plan.boots, "big-box": large}))
    )
    assert not before.exceeded
    assert after.exceeded
    assert after.path == ("os", "use")
