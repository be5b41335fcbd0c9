# SPDX-License-Identifier: Apache-2.0
"""Check documents: examples are valid, commands exist. The lab tests run the commands."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from heatgen.cli.main import Heatgen, main
from heatgen.project import block_loader
from heatgen.spec.reader import read_spec
from heatgen.yamlio import document

ROOT = Path(__file__).resolve().parents[3]
DOCUMENTS = [ROOT / "README.rst", ROOT / "CONTRIBUTING.rst", *sorted(ROOT.glob("doc/**/*.rst"))]


def code_block(text: str, language: str) -> str:
    """Return the lines of the first code block of a language."""
    _, _, after = text.partition(f".. code-block:: {language}\n\n")
    lines = after.splitlines(keepends=True)
    end = next(number for number, line in enumerate(lines) if re.match(r"\S", line))
    return "".join(line.removeprefix("  ") for line in lines[:end])


def test_cluster_of_the_readme() -> None:
    """The cluster.yaml in the README is valid."""
    text = code_block((ROOT / "README.rst").read_text(), "yaml")
    read = document.parse("cluster.yaml", text.encode())
    shown = read_spec(read, block_loader.catalog(), block_loader.schema("cluster"))
    assert (shown.name, shown.worker_count) == ("demo", 2)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_make_targets_exist(path: Path) -> None:
    """Every `make TARGET` in a document is in the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^  |``)make ([a-z-]+)", path.read_text(), re.MULTILINE))
    assert named <= targets


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_heatgen_commands_exist(path: Path) -> None:
    """Every `heatgen COMMAND` in a document exists."""
    pattern = r"(?:^  |\$ |``)heatgen ((?:block |rotate )?[a-z]+)"
    named = set(re.findall(pattern, path.read_text(), re.MULTILINE))
    commands = {name for name, _ in Heatgen().command_manager}
    # A document may name a group of commands.
    assert named <= commands | {name.partition(" ")[0] for name in commands}


def consoles(path: Path, section: str) -> list[tuple[str, str]]:
    """Return the commands in a section's console blocks, each with its output."""
    _, _, text = path.read_text().partition(f"\n{section}\n{'=' * len(section)}\n")
    text = re.split(r"\n\S[^\n]*\n===", text)[0]
    shown: list[tuple[str, str]] = []
    for block in text.split(".. code-block:: console\n\n")[1:]:
        for line in re.split(r"\n(?=\S)", block)[0].splitlines():
            if line.startswith("  $ "):
                shown.append((line.removeprefix("  $ "), ""))
            elif line.strip():
                command, output = shown[-1]
                shown[-1] = (command, f"{output}{line.removeprefix('  ')}\n")
    return shown


def test_add_a_block_in_ten_minutes(tmp_path: Path) -> None:
    """The commands in the document have the documented output and exit codes, in one shell."""
    # A lock avoids requests for checksums.
    case = ROOT / "tests" / "golden" / "cases" / "minimal" / "cluster.lock.yaml"
    (tmp_path / case.name).write_text(case.read_text())
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
    environment.pop("HEATGEN_PATH", None)
    shown = consoles(ROOT / "doc" / "how-to" / "write-block.rst", "Add a block in ten minutes")
    script = "\n".join(f'{command} 2>&1\necho "== $?"' for command, _ in shown)
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    results = re.split(r"== (\d+)\n", done.stdout)
    assert len(shown) > 10
    for number, (command, output) in enumerate(shown):
        printed, status = results[2 * number : 2 * number + 2]
        assert status == ("2" if ": error[" in output else "0"), f"{command}\n{printed}"
        assert output in printed.replace(str(tmp_path), "/home/me"), command


def test_links_of_the_readme() -> None:
    """Every relative link in the README has a target in the repository."""
    targets = re.findall(r"<([\w./-]+)>`__", (ROOT / "README.rst").read_text())
    assert len(targets) > 5
    assert not [target for target in targets if not (ROOT / target).exists()]


@pytest.mark.parametrize("what", ["workers", "groups"])
def test_sizes_of_large_clusters(what: str, tmp_path: Path) -> None:
    """The largest cluster that the documents name is valid, and a larger one is not."""
    text = (ROOT / "doc" / "how-to" / "operate-cluster.rst").read_text("utf-8")
    pattern = {"workers": r"has about (\d+)\s+workers", "groups": r"or (\d+) groups\s+of\s+workers"}
    (largest,) = map(int, re.findall(pattern[what], text))
    file = tmp_path / "cluster.yaml"
    codes = []
    for count in (largest, largest + 1):
        groups = [f"{{name: g{number}, count: 1}}" for number in range(count)]
        workers = f"{{count: {count}}}" if what == "workers" else f"[{', '.join(groups)}]"
        cloud = "{external_network: public, image: debian-12, flavor: m1.medium}"
        file.write_text(f"name: demo\ncloud: {cloud}\nworkers: {workers}\n")
        codes.append(main(["validate", str(file)]))
    assert codes == [0, 2]
