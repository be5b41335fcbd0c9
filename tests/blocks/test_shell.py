# SPDX-License-Identifier: Apache-2.0
"""All shell scripts in the repository pass shellcheck."""

import re
import subprocess
from pathlib import Path

import pytest

from heatgen.authoring import scaffold
from heatgen.project import block_loader

ROOT = Path(__file__).resolve().parents[2]


EARLY = re.compile(r"\|\s*(head\b|grep (-\S+ )*-\w*[qm]|sed .*\dq\b|awk .*\bexit\b)")
"""Pipeline whose reader may exit before the writer has written all."""


def shell_files() -> list[str]:
    """Return the tracked files that are shell scripts by their name or first line."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [name for name in listed.stdout.split("\0") if name and is_shell(ROOT / name)]


def is_shell(path: Path) -> bool:
    """Return whether a file is a shell script."""
    if not path.is_file():
        return False
    if path.suffix == ".sh":
        return True
    with path.open("rb") as file:
        first = file.readline(100)
    return first.startswith(b"#!") and first.split()[-1].rpartition(b"/")[2] in (b"sh", b"bash")


def shellcheck(*files: str) -> subprocess.CompletedProcess[str]:
    """Run shellcheck; sourced files are checked, too."""
    return subprocess.run(
        ["shellcheck", "--external-sources", *files],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_scripts_pass_shellcheck() -> None:
    """Shellcheck reports no problems in any script."""
    files = shell_files()
    assert "hot/lib/step.sh" in files
    process = shellcheck(*files)
    assert process.returncode == 0, process.stdout


def test_readers_read_everything() -> None:
    """No reader in a pipeline exits early: SIGPIPE ends the writer, and pipefail fails the step."""
    early = [
        f"{name}:{number}: {line.strip()}"
        for name in shell_files()
        if name.startswith("hot/") or "pipefail" in (ROOT / name).read_text()
        for number, line in enumerate((ROOT / name).read_text().splitlines(), 1)
        if EARLY.search(line)
    ]
    assert early == []


@pytest.mark.parametrize(
    "line",
    [
        "ctr images list | grep -qxF x",
        "a | grep -E -m 1 x",
        "find . | head -n 1",
        "ip | awk '{print $2; exit}'",
    ],
)
def test_early_readers(line: str) -> None:
    """The pattern of the test above finds a reader that exits early."""
    assert EARLY.search(line)


def test_new_blocks_pass_shellcheck(tmp_path: Path) -> None:
    """Shellcheck reports no problems in the step of a new block."""
    new = tmp_path / scaffold.SCRIPT
    new.write_text(scaffold.files(block_loader.installed(), "runtime", "mine")[scaffold.SCRIPT])
    process = shellcheck(str(new))
    assert process.returncode == 0, process.stdout


def test_shellcheck_reports_problems(tmp_path: Path) -> None:
    """Shellcheck reports an unquoted variable."""
    bad = tmp_path / "bad.sh"
    bad.write_text("#!/bin/bash\nrm $1\n")
    assert "SC2086" in shellcheck(str(bad)).stdout
