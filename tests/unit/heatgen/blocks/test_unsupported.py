# SPDX-License-Identifier: Apache-2.0
"""Known systems that have no block, and the reasons that are reported for them."""

from pathlib import Path

import pytest

from heatgen.authoring import lint
from heatgen.blocks import catalog, unsupported
from heatgen.project import block_loader
from heatgen.spec.reader import read_spec
from heatgen.yamlio import document
from heatgen.yamlio.problems import ProblemsFound, report
from tests.unit.heatgen.support import tiny
from tests.unit.heatgen.support.others import REAL, write_block


def refused(text: str, blocks: catalog.Catalog = REAL) -> str:
    """The report of a cluster.yaml."""
    read = document.parse("cluster.yaml", (tiny.CLUSTER + text).encode())
    with pytest.raises(ProblemsFound) as found:
        read_spec(read, blocks, block_loader.schema("cluster"))
    return report(found.value.problems, found.value.sources)


WORDS = [(item, word) for item in REAL.unsupported.known for word in (item.name, *item.also)]


@pytest.mark.parametrize(("item", "word"), WORDS, ids=[word for _, word in WORDS])
def test_naming_a_system_explains_itself(item: unsupported.System, word: str) -> None:
    """cluster.yaml says in one line why there is none and what to use; that then is good."""
    first = refused(f"{item.layer}: {{use: {word}}}\n").splitlines()[0]
    assert f"{item.layer}.use: {item.title} " in first
    assert item.why in first
    assert first.endswith(f"use {item.use}")
    text = f"{tiny.CLUSTER}{item.layer}: {{use: {item.use}}}\n"
    read_spec(document.parse("c", text.encode()), REAL, block_loader.schema("cluster"))


def test_as_people_write_it() -> None:
    """RancherOS is what the reason says, however it is written."""
    expected = "RancherOS is refused: it ended in June 2021"
    assert expected in refused("os: {use: RancherOS}\n")
    assert expected in refused("os: {use: Rancher OS}\n")


def test_runtime_of_a_group() -> None:
    """What a group of workers names explains itself, too."""
    said = refused("workers: [{name: a, runtime: rkt}]\n")
    assert "workers[0].runtime: Rocket (rkt) is refused" in said


def test_successor_without_a_block_is_not_promised() -> None:
    """As long as there is no block of the successor, it is not what one is told to use."""
    said = refused("os: {use: atomic-host}\n")
    assert "Fedora Atomic Host went on as fedora-coreos" in said
    assert "fedora-coreos has no block yet, use debian" in said


def test_successor_with_a_block(tmp_path: Path) -> None:
    """Once there is one it is offered, and it is no longer listed as planned."""
    write_block(tmp_path, "os", "fedora-coreos")
    blocks = block_loader.catalog([tmp_path])
    said = refused("os: {use: atomic-host}\n", blocks)
    assert "it ended with Fedora 29 in November 2019; use fedora-coreos" in said
    assert "fedora-coreos" not in [item.name for item in blocks.unsupported_systems()]
    text = document.parse("c", f"{tiny.CLUSTER}os: {{use: fedora-coreos}}\n".encode())
    assert (
        read_spec(text, blocks, block_loader.schema("cluster")).layers["os"].use == "fedora-coreos"
    )


@pytest.mark.parametrize("text", ["network: {use: etcd}\n", "network: {use: consul}\n"])
def test_name_of_another_layer(text: str) -> None:
    """What belongs to another layer is told with that layer."""
    assert "it belongs to the layer kvstore" in refused(text)


FAULTS = {
    "a block": ("runtime", "docker", "containerd", "there is a block runtime/docker"),
    "nothing to use": ("runtime", "rkt", "contanerd", "did you mean 'containerd'?"),
    "unknown layer": ("cloud", "rkt", "containerd", "cloud is not known here"),
    "name": ("runtime", "Rkt", "containerd", "must be a lower-case word"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_of_systems(name: str) -> None:
    """The linter holds the list against the blocks."""
    layer, word, use, message = FAULTS[name]
    entry = f"{{title: Some thing, state: refused, why: it is not wanted, use: {use}}}"
    assert message in lint_systems(f"{layer}:\n  {word}: {entry}\n")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("state: successor", "belong together"),
        ("state: refused, successor: docker", "belong together"),
        ("state: successor, successor: moby", "'moby' is neither a block nor told of here"),
        ("state: gone", "'gone' is not known"),
        ("state: refused, also: [rkt]", "'rkt' is there twice in the layer runtime"),
        ("state: refused, also: [docker]", "there is a block runtime/docker"),
    ],
)
def test_entries_of_systems(entry: str, message: str) -> None:
    """A successor is known, a word is there once."""
    rest = "title: Some thing, why: it is not wanted, use: containerd"
    assert message in lint_systems(f"runtime:\n  rkt: {{{entry}, {rest}}}\n")


def lint_systems(text: str) -> str:
    """What the linter says of another list of systems."""
    files = {**tiny.tree(), "unsupported.yaml": text.encode()}
    try:
        blocks = tiny.build_catalog(files)
    except ProblemsFound as found:
        return report(found.problems, found.sources)
    problems, sources = lint.check(blocks, tiny.executables(files), block_loader.schema("cluster"))
    return report(problems, sources)
