# SPDX-License-Identifier: Apache-2.0
"""What the documents show is true: examples load, commands exist. The lab ring runs them."""

import re
from pathlib import Path

import pytest

from heatgen import document, library, spec
from heatgen.commands.main import Heatgen

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.rst", ROOT / "CONTRIBUTING.rst", *sorted(ROOT.glob("doc/*.rst"))]


def code_block(text: str, language: str) -> str:
    """The lines of the first code block of a language."""
    _, _, after = text.partition(f".. code-block:: {language}\n\n")
    lines = after.splitlines(keepends=True)
    end = next(number for number, line in enumerate(lines) if re.match(r"\S", line))
    return "".join(line.removeprefix("  ") for line in lines[:end])


def test_the_readmes_cluster_is_good() -> None:
    """The cluster.yaml of the README is one that heatgen takes as it stands."""
    text = code_block((ROOT / "README.rst").read_text(), "yaml")
    read = document.parse("cluster.yaml", text.encode())
    shown = spec.read(read, library.catalog(), library.schema("cluster"))
    assert (shown.name, shown.worker_count) == ("demo", 2)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_make_targets_exist(path: Path) -> None:
    """Every `make TARGET` that a document names is in the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^  |``)make ([a-z-]+)", path.read_text(), re.MULTILINE))
    assert named <= targets


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_heatgen_commands_exist(path: Path) -> None:
    """Every `heatgen COMMAND` that a document shows is one."""
    pattern = r"(?:^  |\$ |``)heatgen ((?:block |rotate )?[a-z]+)"
    named = set(re.findall(pattern, path.read_text(), re.MULTILINE))
    commands = {name for name, _ in Heatgen().command_manager}
    # Several may be meant by their first word.
    assert named <= commands | {name.partition(" ")[0] for name in commands}
