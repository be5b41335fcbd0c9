# SPDX-License-Identifier: Apache-2.0
"""On systems of ostree, agents report an ``/etc`` that is older than the state of the cluster."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.agent.simulation import Cloud, Kind, Node, booted, wait_until


class OstreeNode(Node):
    """A server whose ``/etc`` belongs to the booted version of the system."""

    def __init__(self, kind: Kind, folder: Path, cloud: Cloud) -> None:
        super().__init__(kind, folder, cloud)
        self.etc, self.var = folder / "etc" / "generation", folder / "var" / "generation"
        self.ostree = folder / "ostree-booted"
        self.ostree.touch()
        self.change("/etc/heatgen/generation", str(self.etc))
        self.change("/var/lib/heatgen/generation", str(self.var))
        self.change("/run/ostree-booted", str(self.ostree))

    def numbers(self) -> tuple[str, str]:
        """Return the content of both files, empty if they do not exist."""
        etc, var = (file.read_text() if file.exists() else "" for file in (self.etc, self.var))
        return etc, var

    def set(self, etc: str, var: str) -> None:
        """Write the files that are not empty."""
        for path, text in ((self.etc, etc), (self.var, var)):
            path.parent.mkdir(exist_ok=True)
            if text:
                path.write_text(text)


@pytest.fixture
def ostree_node(kind: Kind, tmp_path: Path, cloud: Cloud) -> OstreeNode:
    """Return a server of either agent."""
    return OstreeNode(kind, tmp_path, cloud)


def test_each_script_counts(cloud: Cloud, ostree_node: OstreeNode) -> None:
    """The number in /etc and /var grows before each script runs; nothing is reported."""
    cloud.deploy("first", f"#!/bin/sh\ncat {ostree_node.etc} {ostree_node.var}")
    with booted(ostree_node) as node:
        assert cloud.signal_of("first")["deploy_stdout"] == "1\n1\n"
        cloud.deploy("second", "#!/bin/sh\nexit 1")
        cloud.signal_of("second")
        assert node.numbers() == ("2\n", "2\n")
    assert node.etc.parent.stat().st_mode & 0o777 == 0o755
    with booted(ostree_node) as node:
        cloud.deploy("third", "#!/bin/sh\ntrue")
        cloud.signal_of("third")
        assert node.numbers() == ("3\n", "3\n")
    assert "older" not in node.journal.read_text() + node.console.read_text()


@pytest.mark.parametrize(
    ("etc", "var"), [("4\n", "17\n"), ("", "17\n"), ("x\n", "17\n"), ("09\n", "17\n")]
)
def test_older_version_is_reported(
    cloud: Cloud, ostree_node: OstreeNode, etc: str, var: str
) -> None:
    """After a rollback, journal and console report both numbers, and it stays older."""
    ostree_node.set(etc, var)
    shown = int(etc) if etc.strip().isdigit() else 0
    cloud.deploy("d", "#!/bin/sh\ntrue")
    with booted(ostree_node) as node:
        line = node.shown("is older than the state of the cluster")
        assert f"generation {shown}, the latest is 17." in line
        assert "rpm-ostree rollback --reboot" in line
        node.reported(line.removeprefix("heatgen-agent: "))
        assert cloud.signal_of("d")["deploy_status_code"] == 0
        assert node.numbers() == (etc, "18\n")


@pytest.mark.parametrize(("etc", "var"), [("18\n", "17\n"), ("17\n", ""), ("17\n", "x\n")])
def test_interrupted_count(cloud: Cloud, ostree_node: OstreeNode, etc: str, var: str) -> None:
    """A power failure between both files is not reported: /etc is written first."""
    ostree_node.set(etc, var)
    cloud.deploy("d", "#!/bin/sh\ntrue")
    with booted(ostree_node) as node:
        cloud.signal_of("d")
        number = f"{int(etc) + 1}\n"
        assert node.numbers() == (number, number)
    assert "older" not in node.console.read_text()


def test_other_systems(cloud: Cloud, ostree_node: OstreeNode) -> None:
    """Without ostree, nothing is written, and nothing is reported."""
    ostree_node.ostree.unlink()
    ostree_node.set("1\n", "2\n")
    cloud.deploy("d", "#!/bin/sh\ntrue")
    with booted(ostree_node) as node:
        cloud.signal_of("d")
        wait_until(lambda: node.numbers() == ("1\n", "2\n"), "unchanged")
    assert "older" not in node.console.read_text()
