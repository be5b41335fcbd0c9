# SPDX-License-Identifier: Apache-2.0
"""Comments are removed from scripts, and nothing else."""

import subprocess
from pathlib import Path

import pytest

from heatgen.plan.shell_comments import without_comments

HOT = Path(__file__).resolve().parents[4] / "hot"
SCRIPTS = sorted(HOT.rglob("*.sh"))


def parsed(script: str) -> str:
    """Return a script as bash prints it after parsing, without comments."""
    return subprocess.run(
        ["bash", "--pretty-print", "/dev/stdin"],
        input=script,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: str(path.relative_to(HOT)))
def test_scripts_of_blocks(path: Path) -> None:
    """Bash reads the same commands on the same lines."""
    script = path.read_text()
    short = without_comments(script)
    assert parsed(short) == parsed(script)
    for before, after in zip(script.split("\n"), short.split("\n"), strict=True):
        assert after in (before, "")
        assert after or not before.strip() or before.lstrip().startswith("#")


def test_most_comments_are_removed() -> None:
    """The scripts of the blocks become shorter by more than a fifth."""
    scripts = [path.read_text() for path in SCRIPTS]
    assert sum(len(without_comments(script)) for script in scripts) < 0.8 * sum(map(len, scripts))


@pytest.mark.parametrize(
    ("script", "short"),
    [
        ("#!/bin/bash\n# what\necho a", "#!/bin/bash\n\necho a"),
        ("if a; then\n    # why\n    b # c\nfi", "if a; then\n\n    b # c\nfi"),
        ("echo it # isn't\n# why\necho", "echo it # isn't\n\necho"),
        ("echo ${a#b} $# 'x'\n# why", "echo ${a#b} $# 'x'\n"),
        ("echo \\\" \\' a\\\n# part of the command before", None),
        ("cat <<E\n# data\nE\n# why\n", "cat <<E\n# data\nE\n\n"),
        ("cat <<-'E' >a\n# data\n\tE\n# why", "cat <<-'E' >a\n# data\n\tE\n"),
        ('cat <<A; cat <<"B"\n# a\nA\n# b\nB\n# why', 'cat <<A; cat <<"B"\n# a\nA\n# b\nB\n'),
        ("grep a <<<b\n# why", "grep a <<<b\n"),
        ("awk '\n# program\n' a", None),
        ('echo "\n# \\" text\n" a', None),
        ('echo "${a}" "\'"\n# why', 'echo "${a}" "\'"\n'),
    ],
)
def test_kinds_of_lines(script: str, short: str | None) -> None:
    """Lines of strings, here-documents and continued commands are not comments."""
    assert without_comments(script) == (script if short is None else short)
