# SPDX-License-Identifier: Apache-2.0
"""Tests of known systems that have no block, and of the reasons that are reported for them."""

import dataclasses
from pathlib import Path

import pytest

from heatgen.authoring import lint
from heatgen.blocks import catalog, unsupported
from heatgen.project import block_loader
from heatgen.spec.reader import read_spec
from heatgen.yamlio import document
from heatgen.yamlio.problems import Problem, ProblemsFound
from tests.unit.heatgen.support import tiny
from tests.unit.heatgen.support.others import REAL, write_block


def problem_of(text: str, blocks: catalog.Catalog = REAL) -> Problem:
    """Return the only problem of a cluster.yaml, which is an unknown block."""
    read = document.parse("cluster.yaml", (tiny.CLUSTER + text).encode())
    with pytest.raises(ProblemsFound) as found:
        read_spec(read, blocks, block_loader.schema("cluster"))
    (problem,) = found.value.problems
    assert problem.code == "unknown-block"
    return problem


NAMES = [(item, name) for item in REAL.unsupported.known for name in (item.name, *item.also)]


@pytest.mark.parametrize(("item", "name"), NAMES, ids=[name for _, name in NAMES])
def test_message_of_a_system(item: unsupported.System, name: str) -> None:
    """The message has the reason and the name of a block that exists."""
    message = problem_of(f"{item.layer}: {{use: {name}}}\n").message
    assert f"{item.layer}.use: {item.title} " in message
    assert item.why in message
    assert message.endswith(f"use {item.use}")
    text = f"{tiny.CLUSTER}{item.layer}: {{use: {item.use}}}\n"
    read_spec(document.parse("c", text.encode()), REAL, block_loader.schema("cluster"))


@pytest.mark.parametrize("name", ["rancheros", "RancherOS", "Rancher OS", "rancher_os"])
def test_spellings(name: str) -> None:
    """Case, spaces and underscores of a system's name do not matter."""
    assert "RancherOS" in problem_of(f"os: {{use: {name}}}\n").message


def test_runtime_of_a_group() -> None:
    """The runtime of a group of workers is explained, too."""
    assert (
        "workers[0].runtime: Rocket" in problem_of("workers: [{name: a, runtime: rkt}]\n").message
    )


def test_successor_that_is_not_available(tmp_path: Path) -> None:
    """A successor without a block is named, and heatgen recommends another block."""
    others = dataclasses.replace(
        REAL, blocks={key: block for key, block in REAL.blocks.items() if key[1] != "flatcar"}
    )
    message = problem_of("os: {use: coreos}\n", others).message
    assert "flatcar is not yet available" in message


def test_successor_with_a_block() -> None:
    """A successor with a block is recommended."""
    assert problem_of("os: {use: snappy}\n").message.endswith("use ubuntu")


def test_block_of_a_known_system(tmp_path: Path) -> None:
    """A system for which a block was added is no longer listed as planned."""
    write_block(tmp_path, "os", "rocky")
    blocks = block_loader.catalog([tmp_path])
    assert "rocky" not in [item.name for item in blocks.unsupported_systems()]
    text = document.parse("c", f"{tiny.CLUSTER}os: {{use: rocky}}\n".encode())
    assert read_spec(text, blocks, block_loader.schema("cluster")).layers["os"].use == "rocky"


@pytest.mark.parametrize(
    ("name", "hint"), [("fcos", "fedora-coreos"), ("flatcar-linux", "flatcar")]
)
def test_other_name_of_a_block(name: str, hint: str) -> None:
    """For another name of a block the hint has the block."""
    assert problem_of(f"os: {{use: {name}}}\n").hint == f"use {hint}"


@pytest.mark.parametrize("text", ["network: {use: etcd}\n", "network: {use: consul}\n"])
def test_name_of_another_layer(text: str) -> None:
    """For a name of another layer the hint has that layer."""
    assert "kvstore" in problem_of(text).hint


@pytest.mark.parametrize(
    ("layer", "name", "use", "place"),
    [
        ("runtime", "docker", "containerd", "2:11"),
        ("runtime", "rkt", "contanerd", "2:72"),
        ("cloud", "rkt", "containerd", "1:1"),
        ("runtime", "Rkt", "containerd", "2:3"),
    ],
)
def test_invalid_systems(layer: str, name: str, use: str, place: str) -> None:
    """A name of a block, an unknown block to use, an unknown layer and a bad name are reported."""
    entry = f"{{title: Some thing, state: refused, why: it is not wanted, use: {use}}}"
    assert places_of(f"{layer}:\n  {name}: {entry}\n") == [place]


@pytest.mark.parametrize(
    ("entry", "place"),
    [
        ("state: successor", "2:16"),
        ("state: refused, successor: docker", "2:16"),
        ("state: successor, successor: moby", "2:38"),
        ("state: gone", "2:16"),
        ("state: refused, also: [rkt]", "2:8"),
        ("state: refused, also: [docker]", "2:8"),
    ],
)
def test_invalid_entries_of_systems(entry: str, place: str) -> None:
    """A state without a matching successor and a duplicate name are reported."""
    rest = "title: Some thing, why: it is not wanted, use: containerd"
    assert places_of(f"runtime:\n  rkt: {{{entry}, {rest}}}\n") == [place]


def places_of(text: str) -> list[str]:
    """Return the positions of the linter's problems in a list of systems, ``line:column`` each."""
    files = {**tiny.tree(), "unsupported.yaml": text.encode()}
    try:
        blocks = tiny.build_catalog(files)
        checked = lint.check(blocks, tiny.executables(files), block_loader.schema("cluster"))
        problems = checked[0]
    except ProblemsFound as found:
        problems = list(found.problems)
    assert {problem.file for problem in problems} == {"hot/unsupported.yaml"}
    return [f"{item.position.line}:{item.position.column}" for item in problems if item.position]
