# SPDX-License-Identifier: Apache-2.0
"""Tests of the user data: it installs the agent, closes files, and is idempotent."""

import os
import stat
import subprocess
from pathlib import Path

import pytest

from heatgen.blocks.boot import AGENT_PATH, CREDENTIALS, UNIT_PATH
from heatgen.project import block_loader
from heatgen.render.user_data import CA_MARK, boothook

AGENT = "#!/bin/sh\necho \"$HOME\" `id` 'x' \\n\n"
UNIT = "[Service]\nExecStart=/x\n"


def test_agent_is_installed_and_started(tmp_path: Path) -> None:
    """The script writes agent and unit, reloads systemd and starts the unit; it can run twice."""
    for folder in ("bin", "etc/systemd/system"):
        (tmp_path / folder).mkdir(parents=True)
    systemctl = tmp_path / "bin" / "systemctl"
    systemctl.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/calls\n')
    systemctl.chmod(0o755)
    hook = write_hook(tmp_path, boothook(AGENT, UNIT))
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


def write_hook(folder: Path, text: str) -> Path:
    """Write the script with all its paths below the folder, and return its path."""
    for root in ("/opt/", "/etc/", "/usr/", "/var/"):
        for before in " >":
            text = text.replace(f"{before}{root}", f"{before}{folder}{root}")
    hook = folder / "hook"
    hook.write_text(text)
    return hook


@pytest.mark.parametrize("mode", [None, 0o644], ids=["new server", "files of an old version"])
def test_credentials_are_closed(tmp_path: Path, mode: int | None) -> None:
    """Only root can read the credentials that Heat's part handler writes after the script ran."""
    for name in ("bin", "etc/systemd/system", "var/lib/cloud/data"):
        (tmp_path / name).mkdir(parents=True)
    systemctl = tmp_path / "bin" / "systemctl"
    systemctl.write_text("#!/bin/sh\n")
    systemctl.chmod(0o755)
    files = [tmp_path / path.removeprefix("/") for path in CREDENTIALS]
    for file in files:
        if mode is not None:
            file.parent.mkdir(exist_ok=True)
            file.write_text("{}")
            file.chmod(mode)
    hook = write_hook(tmp_path, boothook(AGENT, UNIT))
    environment = {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
    subprocess.run(["sh", str(hook)], env=environment, check=True)
    for file in files:
        assert file.read_text() == ("" if mode is None else "{}")
        with file.open("w") as stream:  # as the part handler
            stream.write('{"password": "x"}')
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    subprocess.run(["sh", str(hook)], env=environment, check=True)
    assert [file.read_text() for file in files] == ['{"password": "x"}'] * 2


def test_agent_is_compressed() -> None:
    """The agent takes less than half of its size, and equal input gives equal user data."""
    agent = block_loader.tree()["agent/heatgen-agent"].decode()
    text = boothook(agent, UNIT)
    assert len(text) < len(agent) / 2
    assert text == boothook(agent, UNIT)
    assert max(map(len, text.splitlines())) < 200


def test_first_lines() -> None:
    """The first line is the type of the part for cloud-init, the second the interpreter."""
    tree = block_loader.tree()
    text = boothook(tree["agent/heatgen-agent"].decode(), UNIT)
    assert text.splitlines()[:2] == ["#cloud-boothook", "#!/bin/sh"]


@pytest.mark.parametrize("unit", ["no newline", "a\n_END_OF_FILE_\nrm -rf /\n"])
def test_invalid_texts(unit: str) -> None:
    """A text without final newline, or with the end of its here-document, is rejected."""
    with pytest.raises(ValueError, match="here-document"):
        boothook(AGENT, unit)


def test_site_authorities(tmp_path: Path) -> None:
    """Authorities are added before the agent starts, unless the os block manages them already."""
    folders = ("bin", "etc/systemd/system", "etc/heatgen", "usr/local/share/ca-certificates")
    for folder in folders:
        (tmp_path / folder).mkdir(parents=True)
    for name in ("systemctl", "update-ca-certificates"):
        program = tmp_path / "bin" / name
        program.write_text(f'#!/bin/sh\necho "{name} $1" >>{tmp_path}/calls\n')
        program.chmod(0o755)
    hook = write_hook(tmp_path, boothook(AGENT, UNIT, ["one\n", "two\n"]))
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
