# SPDX-License-Identifier: Apache-2.0
"""Every shell script of the repository passes shellcheck."""

import subprocess
from pathlib import Path

from heatgen.authoring import scaffold
from heatgen.project import block_loader

ROOT = Path(__file__).resolve().parents[2]


def shell_files() -> list[str]:
    """Tracked files that are shell by their name or their first line."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [name for name in listed.stdout.split("\0") if name and is_shell(ROOT / name)]


def is_shell(path: Path) -> bool:
    """Whether a file is a shell script."""
    if not path.is_file():
        return False
    if path.suffix == ".sh":
        return True
    with path.open("rb") as file:
        first = file.readline(100)
    return first.startswith(b"#!") and first.split()[-1].rpartition(b"/")[2] in (b"sh", b"bash")


def shellcheck(*files: str) -> subprocess.CompletedProcess[str]:
    """What shellcheck says; sources are followed."""
    return subprocess.run(
        ["shellcheck", "--external-sources", *files],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_scripts_pass_shellcheck() -> None:
    """Shellcheck finds nothing in any script."""
    files = shell_files()
    assert "hot/lib/step.sh" in files
    done = shellcheck(*files)
    assert done.returncode == 0, done.stdout


def test_new_blocks_pass_shellcheck(tmp_path: Path) -> None:
    """The step that a new block begins with is as good as those that are here."""
    new = tmp_path / scaffold.SCRIPT
    new.write_text(scaffold.files(block_loader.installed(), "runtime", "mine")[scaffold.SCRIPT])
    done = shellcheck(str(new))
    assert done.returncode == 0, done.stdout


def test_shellcheck_finds_a_fault(tmp_path: Path) -> None:
    """The check can fail: an unquoted variable is found."""
    bad = tmp_path / "bad.sh"
    bad.write_text("#!/bin/bash\nrm $1\n")
    assert "SC2086" in shellcheck(str(bad)).stdout
