# SPDX-License-Identifier: Apache-2.0
"""Blocks from other folders."""

from pathlib import Path

import pytest

from heatgen.cli.main import main
from heatgen.project import block_loader
from heatgen.yamlio.codes import Code
from tests.golden.cases import CASES
from tests.unit.heatgen.support.others import write_block

CASE = CASES / "minimal"


def test_rendering_does_not_depend_on_the_folder(
    others: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cluster with a third-party block renders to the same bytes for any folder of the block."""
    first = rendered(tmp_path / "first")
    # The second time in another folder, with a relative path after an empty entry.
    others.rename(tmp_path / "elsewhere")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(block_loader.PATH_VARIABLE, ":elsewhere")
    assert rendered(tmp_path / "second") == first
    assert "runtime_start_config" in first
    assert "/etc/box.note" in first
    assert "NOTE: mine" in first


def rendered(folder: Path) -> str:
    """Return the template of a cluster with a third-party block."""
    folder.mkdir()
    for name in ("cluster.lock.yaml", "cluster.admin.csr", "cluster.backup.crt"):
        (folder / name).write_text((CASE / name).read_text())
    text = (CASE / "cluster.yaml").read_text()
    (folder / "cluster.yaml").write_text(f"{text}runtime: {{use: box, note: mine}}\n")
    target = folder / "generated.yaml"
    assert main(["render", str(folder / "cluster.yaml"), "-o", str(target)]) == 0
    return target.read_text()


def test_duplicate_blocks(
    others: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two blocks with the same name are an error with both paths, also for installed blocks."""
    write_block(others, "os", "debian")
    write_block(others.parent / "more", "runtime", "box")
    paths = f"{others}:{others.parent / 'more'}"
    monkeypatch.setenv(block_loader.PATH_VARIABLE, paths)
    assert main(["block", "list"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count(f"error[{Code.DUPLICATE_BLOCK}]: ") == 2
    for path in (f"{others}/os/debian/block.yaml: ", "hot/blocks/os/debian",
                 f"{others}/runtime/box"):  # fmt: skip
        assert path in captured.err


def test_duplicate_folders(others: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same folder by two paths, and the folder of the installed blocks, are not a conflict."""
    paths = [str(others), str(others / ".." / "others"), str(block_loader.HOT / "blocks")]
    monkeypatch.setenv(block_loader.PATH_VARIABLE, ":".join(paths))
    assert block_loader.catalog().names("runtime") == ["box", "containerd", "docker"]


def add_fault(folder: Path, fault: str) -> None:
    """Add a fault to a folder of blocks."""
    block = folder / "runtime" / "box"
    if fault == "missing":
        folder.rename(folder.parent / "renamed")
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
    ("fault", "code"),
    [
        ("missing", Code.INVALID_BLOCK_FOLDER),
        ("empty", Code.INVALID_BLOCK_FOLDER),
        ("layer", Code.UNKNOWN_LAYER),
        ("name", Code.INVALID_BLOCK_NAME),
        ("bytes", Code.INVALID_ENCODING),
        ("schema", Code.WRONG_TYPE),
    ],
)
def test_invalid_folders(
    fault: str, code: Code, others: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A fault in a folder of HEATGEN_PATH is reported with its path; the exit code is 2."""
    add_fault(others, fault)
    assert main(["block", "list"]) == 2
    err = capsys.readouterr().err
    assert f"error[{code}]: " in err
    assert str(others) in err
    assert "Traceback" not in err
