# SPDX-License-Identifier: Apache-2.0
"""Check that code and documents are in plain technical English.

The project was first written in a dialect of its own ("nodes that nobody asked are told of"). Each
entry of :data:`DIALECT` is a word or phrase of that dialect, with the words to use instead.
"""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]

# Keys of facts (doors, unasked, said, nobody, stranger, asked) are exempt in code.
DIALECT = {
    r"told": "reported, shown, passed",
    r"tells": "shows, reports",
    r"(?<![.\"'`])said(?!: str|[\"'`])|says": "message, reason, states, reports",
    r"(?<![.\"'`])nobody(?!: Answer|=at\.| - |[\"'`])|(?:some|any)body|whoever": "name the actor",
    r"(?<![.\"'`])stranger(?!: int|[\"'`])|strangers": "anonymous client, unauthorized",
    r"(?<![.\"'`])(?<!kubelet_)doors?(?![\"'`]| ?[:=])": "port",
    r"(?<![.\"'`])unasked(?![\"'`]| ?[:=])": "unavailable, not collected",
    r"houses?|mortar": "cluster, trust",
    r"wish(?:es|ed)?": "option, request",
    r"(?<![.\"'`])asked(?!: float|_about|[\"'`])|asks?|asking": "request, query, call, check",
    r"anew": "again; recreate, rebuild",
    r"(?:is|are|was|were|be) (?-i:none)": "is not supported, does not exist",
    r"in vain": "unused, without effect",
    r"for ever|for good": "permanently",
    r"by the book": "normal",
    r"(?:is|are|was|were) there": "exists, is present",
    r"stands": "is, is running, is defined",
    r"lies": "is stored, is located",
    r"bears": "has, contains",
    r"likes": "accepts",
    r"judge[sd]?|judging": "evaluate, check",
    r"(?:is|are|be|was|were) whole": "is healthy, is complete",
    r"(?:goes|go|went|going) on": "continue",
    r"(?:is|are) good": "is valid, is healthy",
    r"(?:of|in) the field": "known systems",
    r"amid|lest": "during; so that ... not",
    r"artefacts?": "artifact",
}
"""Regular expressions to the words to use instead. Case is ignored; ``_`` separates words."""

ALLOWED = {
    # This test, and the spelling in block.yaml and locks of heatgen 0.1.
    "tests/unit/repository/test_language.py": r".*",
    "heatgen/blocks/catalog.py": r"artefacts?",
    "heatgen/blocks/pins.py": r"artefacts?",
    "releasenotes/notes/stable-problem-codes-6f2a9d41c8e0b735.yaml": r"artefacts?",
    # A role in records of trials, and an option of `lab/lab fault`.
    "lab/faultinjection/verdict.py": r"stranger",
    "lab/faultinjection/command.py": r"judge",
    "doc/explanation/fault-injection.rst": r"judge",
    # Parts of cache keys of the lab: a changed comment would rebuild binaries or the node image.
    "lab/artifacts/components/docker/recipe.toml": r"says",
    "lab/artifacts/images/agnhost/recipe.toml": r"says|stands",
    # Former names of checks.
    "conformance/results/renamed.py": r"\w+",
    "releasenotes/notes/names-of-checks-2b7d0e94f1a6c853.yaml": r"\w+",
    "tests/unit/heatgen/blocks/test_catalog.py": r"artefacts?",
    "tests/unit/heatgen/blocks/test_pins.py": r"artefacts?",
}
"""Files to a regular expression of the words that they may contain."""

SCANNED = (
    "heatgen", "conformance", "hot", "lab", "doc", "bench", "cloudring", "tests", "releasenotes",
)  # fmt: skip
NOT_TEXT = re.compile(
    r"(?:\.(?:png|sum|mod|csr|pem|svg|patch|lock\.yaml)|/recorded/.*|/released/.*|"
    r"tests/golden/cases/.*/generated\.yaml|tests/tosca/(?:samples|expected)/.*|doc/reference/facts\.schema\.json)\Z"
)
_WORDS = re.compile(
    rf"(?<![A-Za-z])(?:{'|'.join(f'({words})' for words in DIALECT)})(?![A-Za-z])", re.IGNORECASE
)


def tracked() -> list[str]:
    """Return the paths of the files under version control."""
    names = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    roots = [name for name in names if "/" not in name and name.endswith((".rst", ".md"))]
    inside = [name for name in names if name.partition("/")[0] in SCANNED]
    return [name for name in roots + inside if not NOT_TEXT.search(name) and (ROOT / name).exists()]


def group_of(name: str) -> str:
    """Return the folder by which a file is grouped: two levels, three below ``tests/unit``."""
    parts = name.split("/")
    return "/".join(parts[: min(len(parts) - 1, 3 if parts[:2] == ["tests", "unit"] else 2)]) or "."


def findings(name: str, text: str) -> list[str]:
    """Return the lines of a file with words of the dialect, each with the words to use instead."""
    allowed = re.compile(ALLOWED.get(name, r"(?!)"), re.IGNORECASE)
    instead = list(DIALECT.values())
    return [
        f"{name}:{number}: {found[0]!r}: write {instead[(found.lastindex or 0) - 1]}"
        for number, line in enumerate(text.splitlines(), 1)
        for found in _WORDS.finditer(line)
        if not allowed.fullmatch(found[0])
    ]


FILES = tracked()


@pytest.mark.parametrize("group", sorted({group_of(name) for name in FILES}))
def test_plain_english(group: str) -> None:
    """No file of a folder contains words of the dialect."""
    found = [
        line
        for name in FILES
        if group_of(name) == group
        for line in findings(name, (ROOT / name).read_text("utf-8"))
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("line", "count"),
    [
        ("Nobody is told.", 2),
        ("def is_told() -> None:", 1),
        ("a retold story of households", 0),
        ("host.unasked, which is unasked", 1),
        ("facts.doors, and the door", 1),
        ("answer.said, which it said", 1),
        ("def asked() -> None: asked_about", 1),
    ],
)
def test_words_are_found(line: str, count: int) -> None:
    """Words are found in prose and in names, but not inside other words."""
    assert len(findings("x.py", line)) == count
