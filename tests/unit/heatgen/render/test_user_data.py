# SPDX-License-Identifier: Apache-2.0
"""Tests of the user data: it installs the agent, and is idempotent."""

import os
import stat
import subprocess
from pathlib import Path

import pytest

from heatgen.project import block_loader
from heatgen.render.user_data import AGENT_PATH, CA_MARK, UNIT_PATH, boothook

AGENT = "#!/bin/sh\necho \"$HOME\" `id` 'x' \\n\n"
UNIT = "[Service]\nExecStart=/x\n"


def test_agent_is_installed_and_started(tmp_path: Path) -> None:
    """The script writes agent and unit, reloads systemd and starts the unit; it can run twice."""
    for folder in ("bin", "etc/systemd/system"):
        (tmp_path / folder).mkdir(parents=True)
    systemctl = tmp_path / "bin" / "systemctl"
    systemctl.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/calls\n')
    systemctl.chmod(0o755)
    text = boothook(AGENT, UNIT).replace("/opt/", f"{tmp_path}/opt/")
    hook = tmp_path / "hook"
    hook.write_text(text.replace("/etc/", f"{tmp_path}/etc/"))
    environment = {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
    for _ in range(2):
        subprocess.run(["sh", str(hook)], env=environment, check=True)
    agent = tmp_path / AGENT_PATH.removeprefix("/")
    assert agent.read_text() == AGENT
    assert stat.S_IMODE(agent.stat().st_mode) == 0o755
    assert (tmp_path / UNIT_PATH.removeprefix("/")).read_text() == UNIT
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls[:3] == [
        "daemon-reload", "enable --quiet heatgen-agent.service",
        "start --no-block heatgen-agent.service",
    ]  # fmt: skip


def test_first_lines() -> None:
    """The first line is the type of the part for cloud-init, the second the interpreter."""
    tree = block_loader.tree()
    text = boothook(tree["agent/heatgen-agent"].decode(), UNIT)
    assert text.splitlines()[:2] == ["#cloud-boothook", "#!/bin/sh"]


@pytest.mark.parametrize("agent", ["no newline", "a\n_END_OF_FILE_\nrm -rf /\n"])
def test_invalid_texts(agent: str) -> None:
    """A text without final newline, or with the end of its here-document, is rejected."""
    with pytest.raises(ValueError, match="here-document"):
        boothook(agent, UNIT)


def test_site_authorities(tmp_path: Path) -> None:
    """Authorities are added before the agent starts, unless the os block manages them already."""
    folders = ("bin", "etc/systemd/system", "etc/heatgen", "usr/local/share/ca-certificates")
    for folder in folders:
        (tmp_path / folder).mkdir(parents=True)
    for name in ("systemctl", "update-ca-certificates"):
        program = tmp_path / "bin" / name
        program.write_text(f'#!/bin/sh\necho "{name} $1" >>{tmp_path}/calls\n')
        program.chmod(0o755)
    text = boothook(AGENT, UNIT, ["one\n", "two\n"])
    for root in ("/opt/", "/etc/", "/usr/"):
        text = text.replace(f" {root}", f" {tmp_path}{root}").replace(
            f">{root}", f">{tmp_path}{root}"
        )
    hook = tmp_path / "hook"
    hook.write_text(text)
    environment = {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
    subprocess.run(["sh", str(hook)], env=environment, check=True)
    store = tmp_path / folders[-1]
    assert (store / "heatgen-2.crt").read_text() == "two\n"
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls.index("update-ca-certificates ") < calls.index("systemctl start")
    (store / "heatgen-2.crt").unlink()
    (tmp_path / CA_MARK.removeprefix("/")).write_text("")
    subprocess.run(["sh", str(hook)], env=environment, check=True)
    assert not (store / "heatgen-2.crt").exists()
