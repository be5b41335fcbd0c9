# SPDX-License-Identifier: Apache-2.0
"""Tests of the parser of blocks: invalid folders, and the names of heatgen 0.1."""

import pytest

from heatgen.blocks import catalog
from heatgen.blocks.catalog import Catalog
from heatgen.cli.base import print_deprecations
from heatgen.project import block_loader
from heatgen.yamlio.problems import Position, Problem, ProblemsFound
from tests.unit.heatgen.support import tiny

OS = "blocks/os/debian/block.yaml"
RUNTIME = "blocks/runtime/containerd/block.yaml"


def problems_of(files: dict[str, bytes], others: dict[str, bytes] | None = None) -> list[Problem]:
    """Return the problems of building a catalog."""
    collections = {"/others": others} if others else None
    with pytest.raises(ProblemsFound) as found:
        catalog.build(files, block_loader.schema("block"), collections)
    return list(found.value.problems)


def moved(source: str, target: str) -> dict[str, bytes]:
    """Return the files of the minimal blocks with another name of a folder."""
    return {path.replace(source, target): content for path, content in tiny.tree().items()}


@pytest.mark.parametrize(
    ("files", "file", "code"),
    [
        (moved("blocks/os/", "blocks/oss/"), "hot/blocks/oss/debian", "unknown-layer"),
        (moved("os/debian/", "os/De_bian/"), "hot/blocks/os/De_bian", "invalid-block-name"),
        (moved("os/debian/", "network/debian/"), "hot/blocks/network/debian/block.yaml",
         "layer-mismatch"),
        (tiny.tree() | {"trust/logo": b"\xff"}, "hot/trust/logo", "invalid-encoding"),
        (tiny.tree() | {OS: b"steps: 1\n"}, f"hot/{OS}", "wrong-type"),
        (moved("agent/heatgen-agent", "agent/other"), "hot/agent/heatgen-agent",
         "incomplete-installation"),
    ],
)  # fmt: skip
def test_invalid_files(files: dict[str, bytes], file: str, code: str) -> None:
    """An invalid or missing file is reported with its path."""
    assert (file, code) in [(problem.file, problem.code) for problem in problems_of(files)]


def test_position_of_the_layer() -> None:
    """A layer that differs from the folder is reported at the key."""
    (problem,) = problems_of(moved("os/debian/", "network/debian/"))
    assert problem.position == Position(3, 8, 2)


BASE = {
    "common/base.yaml": b"""\
inputs: {TEXT: {from: 'file:text', description: common text},
         OWN: {from: 'file:own', description: own text}}
steps:
  - {name: start, script: 10-start.sh, requires: [], provides: [agent], inputs: [TEXT, OWN],
     timeout: 60}
""",
    "common/10-start.sh": b"script",
    "common/text": b"common",
    "blocks/os/debian/own": b"own",
    OS: b"""\
summary: A tiny system
description: Has a base in common.
layer: os
base: common
roles: [control, worker]
inputs: {MORE: {from: cluster.name, description: more text}}
""",
}


def test_base() -> None:
    """A block has the steps, inputs and files of its base, in addition to its own."""
    block = tiny.build_catalog(tiny.tree() | BASE).blocks["os", "debian"]
    assert [step.name for step in block.steps] == ["start"]
    assert set(block.inputs) == {"TEXT", "OWN", "MORE"}
    assert block.files["text"] == "common"
    assert block.paths["own"] == "hot/blocks/os/debian/own"
    assert block.paths["10-start.sh"] == "hot/common/10-start.sh"
    assert "base.yaml" not in block.files


def test_base_of_a_block_in_another_folder() -> None:
    """A block of another folder can have a base of heatgen, and replace one of its files."""
    others = {"os/mine/block.yaml": BASE[OS], "os/mine/text": b"mine", "os/mine/own": b"own"}
    files = {**tiny.tree(), **{path: BASE[path] for path in BASE if path.startswith("common/")}}
    built = catalog.build(files, block_loader.schema("block"), {"/others": others})
    block = built.blocks["os", "mine"]
    assert block.files["text"] == "mine"
    assert block.paths["text"] == "/others/os/mine/text"
    assert block.paths["10-start.sh"] == "hot/common/10-start.sh"


def test_unknown_base() -> None:
    """A base that does not exist is reported at the key."""
    files = tiny.tree() | {**BASE, OS: BASE[OS].replace(b"common", b"commn")}
    (problem,) = problems_of(files)
    assert (problem.code, problem.position) == ("unknown-base", Position(4, 7, 5))
    assert "common" in problem.hint


def test_duplicate_block() -> None:
    """A block of another folder with the name of a built-in block is reported."""
    prefix = "blocks/"
    others = {
        path.removeprefix(prefix): content
        for path, content in tiny.tree().items()
        if path.startswith("blocks/os/")
    }
    (problem,) = problems_of(tiny.tree(), others)
    assert (problem.file, problem.code) == ("/others/os/debian/block.yaml", "duplicate-block")
    assert "hot/blocks/os/debian" in problem.message


def with_old_names() -> dict[str, bytes]:
    """Return the files of the minimal blocks with the spelling of heatgen 0.1."""
    files = tiny.tree()
    files[OS] = files[OS].replace(b"from: artifacts", b"from: artefacts")
    files[RUNTIME] = (
        files[RUNTIME]
        .replace(b"artifacts:", b"artefacts:")
        .replace(b"from: artifact.tool", b"from: artefact.tool")
    )
    return files


def comparable(blocks: Catalog) -> list[tuple[object, ...]]:
    """Return what a catalog has of blocks, without the texts of their files."""
    return [(block.name, block.artifacts, block.inputs) for block in blocks.all_blocks()]


def test_names_of_0_1() -> None:
    """``artefacts`` and ``from: artefact.X`` of heatgen 0.1 have the same result as new names."""
    assert comparable(tiny.build_catalog(with_old_names())) == comparable(tiny.build_catalog())


def test_deprecations() -> None:
    """Every deprecated name is reported at its position, with the new name as hint."""
    found = tiny.build_catalog(with_old_names()).deprecations()
    assert {problem.code for problem in found} == {"deprecated-name"}
    places = [
        (item.file, item.position and (item.position.line, item.position.column), item.hint)
        for item in found
    ]
    assert places == [
        (f"hot/{OS}", (6, 21), "write 'artifacts'"),
        (f"hot/{RUNTIME}", (7, 1), "write 'artifacts'"),
        (f"hot/{RUNTIME}", (14, 16), "write 'artifact.tool'"),
    ]


def test_no_deprecations() -> None:
    """Blocks with current names, and the installed ones, have no deprecations."""
    assert tiny.build_catalog().deprecations() == []
    assert block_loader.installed().deprecations() == []


def test_both_spellings() -> None:
    """A block with both spellings of the key is invalid."""
    files = tiny.tree()
    files[RUNTIME] += b"artefacts: {}\n"
    (problem,) = problems_of(files)
    assert (problem.file, problem.code) == (f"hot/{RUNTIME}", "unknown-key")


def test_deprecations_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """Deprecations are printed to standard error as warnings with the source line."""
    print_deprecations(tiny.build_catalog(with_old_names()))
    printed = capsys.readouterr()
    lines = printed.err.splitlines()
    assert not printed.out
    assert lines[0].startswith(f"hot/{OS}:6:21: warning[deprecated-name]: ")
    assert lines[1].endswith("from: artefacts, description: artifacts to download}")
    assert printed.err.count("warning[deprecated-name]") == 3


def test_no_deprecations_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """Without deprecations nothing is printed."""
    print_deprecations(tiny.build_catalog())
    assert capsys.readouterr() == ("", "")
