# SPDX-License-Identifier: Apache-2.0
"""The blocks of other folders."""

from pathlib import Path

import pytest

from heatgen.cli.main import main
from heatgen.project import block_loader
from tests.golden.cases import CASES
from tests.unit.heatgen.support.others import write_block

CASE = CASES / "minimal"


def test_others_are_rendered(others: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster with another's block renders to the same bytes wherever that block lies."""
    first = rendered(tmp_path / "first")
    # The second time from elsewhere, by a relative path behind an empty word.
    others.rename(tmp_path / "elsewhere")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(block_loader.PATH_VARIABLE, ":elsewhere")
    assert rendered(tmp_path / "second") == first
    assert "runtime_start_config" in first
    assert "/etc/box.note" in first
    assert "NOTE: mine" in first


def rendered(folder: Path) -> str:
    """The template of a cluster with another's block."""
    folder.mkdir()
    for name in ("cluster.lock.yaml", "cluster.admin.csr"):
        (folder / name).write_text((CASE / name).read_text())
    text = (CASE / "cluster.yaml").read_text()
    (folder / "cluster.yaml").write_text(f"{text}runtime: {{use: box, note: mine}}\n")
    target = folder / "generated.yaml"
    assert main(["render", str(folder / "cluster.yaml"), "-o", str(target)]) == 0
    return target.read_text()


def test_names_that_clash(
    others: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two blocks of one name are an error that names both places; ours are never replaced."""
    write_block(others, "os", "debian")
    write_block(others.parent / "more", "runtime", "box")
    paths = f"{others}:{others.parent / 'more'}"
    monkeypatch.setenv(block_loader.PATH_VARIABLE, paths)
    assert main(["block", "list"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert f"{others}/os/debian/block.yaml: error: there are two blocks os/debian, " in said.err
    assert "the other is hot/blocks/os/debian" in said.err
    assert f"runtime/box, the other is {others}/runtime/box" in said.err


def test_a_folder_named_twice(others: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same folder by two names, and our own, are no clash."""
    words = [str(others), str(others / ".." / "others"), str(block_loader.HOT / "blocks")]
    monkeypatch.setenv(block_loader.PATH_VARIABLE, ":".join(words))
    assert block_loader.catalog().names("runtime") == ["box", "containerd", "docker"]


def broken(folder: Path, fault: str) -> None:
    """Put a fault into a folder of blocks."""
    block = folder / "runtime" / "box"
    if fault == "missing":
        folder.rename(folder.parent / "gone")
    elif fault == "empty":
        (block / "block.yaml").unlink()
    elif fault == "layer":
        (folder / "runtime").rename(folder / "runtimes")
    elif fault == "name":
        block.rename(folder / "runtime" / "My_Box")
    elif fault == "bytes":
        (block / "logo").write_bytes(b"\xff\xd8")
    elif fault == "schema":
        (block / "block.yaml").write_text("summary: 1\n")


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("missing", "is not a folder"),
        ("empty", "holds no block"),
        ("layer", "did you mean 'runtime'?"),
        ("name", "a block cannot be called 'My_Box'"),
        ("bytes", "is not UTF-8 text"),
        ("schema", "summary must be text"),
    ],
)
def test_broken_folders(
    fault: str, message: str, others: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever lies where HEATGEN_PATH leads: exit code 2 and its place."""
    broken(others, fault)
    assert main(["block", "list"]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert str(others) in said
    assert "Traceback" not in said
