# SPDX-License-Identifier: Apache-2.0
"""Files are written completely or not at all, and protected files are never replaced."""

import os
import stat
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from heatgen.project import files
from heatgen.yamlio.codes import Code
from heatgen.yamlio.problems import ProblemsFound


def code_of(run: Callable[[], object]) -> tuple[str, Code]:
    """Return place and code of the only problem of a call."""
    with pytest.raises(ProblemsFound) as found:
        run()
    (problem,) = found.value.problems
    return problem.file, problem.code


def test_failed_write(tmp_path: Path) -> None:
    """A failed write does not change the file, and leaves no temporary file."""
    path = tmp_path / "file"
    files.write_file(path, "old")
    with pytest.raises(UnicodeEncodeError):
        files.write_file(path, "new" * 100000 + "\ud800")
    assert path.read_text() == "old"
    assert [item.name for item in tmp_path.iterdir()] == ["file"]


def test_write_through(tmp_path: Path) -> None:
    """Links are followed, and pipes are written directly."""
    (tmp_path / "link").symlink_to(tmp_path / "file")
    files.write_file(tmp_path / "link", "text")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text() == "text"
    receiver, sender = os.pipe()
    files.check_output(Path(f"/dev/fd/{sender}"), [])
    files.write_file(Path(f"/dev/fd/{sender}"), "piped")
    assert os.read(receiver, 99) == b"piped"
    os.close(receiver)
    os.close(sender)


def test_links_in_a_circle(tmp_path: Path) -> None:
    """A symbolic link to itself is reported for every operation, and stays."""
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    writes = (str(loop), Code.FILE_NOT_WRITABLE)
    assert code_of(lambda: files.write_file(loop, "x")) == writes
    assert code_of(lambda: files.check_output(loop, [])) == writes
    assert code_of(lambda: files.read_file(loop)) == (str(loop), Code.FILE_NOT_READABLE)
    assert code_of(lambda: files.write_new(loop, "x")) == (str(loop), Code.FILE_EXISTS)
    assert code_of(lambda: files.make_folder(loop)) == writes
    assert [item.name for item in tmp_path.iterdir()] == ["loop"]


@pytest.mark.parametrize("name", [
    "no/file", "folder", "text/file", "x" * 300, "/proc/heatgen", "/dev/full", "",
])  # fmt: skip
def test_places_that_cannot_be_written(name: str, tmp_path: Path,
                                       monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    """Each is reported with its path."""
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("text").touch()
    path = Path(name)
    assert code_of(lambda: files.write_file(path, "x")) == (str(path), Code.FILE_NOT_WRITABLE)
    if name != "/dev/full":
        assert code_of(lambda: files.check_output(path, [])) == (str(path), Code.FILE_NOT_WRITABLE)
    assert sorted(item.name for item in tmp_path.iterdir()) == ["folder", "text"]


def test_create(tmp_path: Path) -> None:
    """An existing file is not changed, and no temporary file remains."""
    path = tmp_path / "file"
    assert files.create_file(path, "first", 0o600)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not files.create_file(path, "second")
    assert path.read_text() == "first"
    assert [item.name for item in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_owner_is_kept(tmp_path: Path) -> None:
    """A file that root replaces keeps its owner, so that the owner can read it."""
    path = tmp_path / "file"
    path.touch()
    os.chown(path, 1234, 1235)
    files.write_file(path, "x", 0o600)
    status = path.stat()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (1234, 1235, 0o600)


def test_protected_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A protected file is recognized under every spelling, also before it exists."""
    monkeypatch.chdir(tmp_path)
    key, lock = Path("c.admin.key"), Path("c.lock.yaml")
    key.touch()
    (tmp_path / "sub").mkdir()
    (tmp_path / "folder").symlink_to(tmp_path)
    (tmp_path / "link").symlink_to(key)
    (tmp_path / "far").symlink_to("link")
    (tmp_path / "early").symlink_to(lock)
    (tmp_path / "hard").hardlink_to(key)
    spellings = [
        "c.admin.key", "./c.admin.key", "sub/../c.admin.key", "folder/c.admin.key", "link", "far",
        str(tmp_path / "c.admin.key"), "hard", "c.lock.yaml", "early", "folder/folder/c.lock.yaml",
    ]  # fmt: skip
    for spelling in spellings:
        found = code_of(partial(files.check_output, Path(spelling), [key, lock]))
        assert found == (str(Path(spelling)), Code.OUTPUT_IS_INPUT)
    files.check_output(Path("other"), [key, lock])
    assert not lock.exists()


def test_recognized_outputs(tmp_path: Path) -> None:
    """With signs, only empty files and earlier outputs are replaced."""
    path = tmp_path / "file"
    files.check_output(path, [], ["sign"])
    path.touch()
    files.check_output(path, [], ["sign"])
    path.write_text("with a sign")
    files.check_output(path, [], ["sign"])
    path.write_bytes(b"\xff other")
    assert code_of(lambda: files.check_output(path, [], ["sign"])) == (str(path), Code.FILE_EXISTS)
