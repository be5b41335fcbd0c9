# SPDX-License-Identifier: Apache-2.0
"""Files of a cluster are written atomically."""

import os
from pathlib import Path

import pytest

from heatgen.project import project


def test_failed_write(tmp_path: Path) -> None:
    """A failed write does not change the file, and leaves no temporary file."""
    path = tmp_path / "file"
    project.write_file(path, "old")
    with pytest.raises(UnicodeEncodeError):
        project.write_file(path, "new" * 100000 + "\ud800")
    assert path.read_text() == "old"
    assert [item.name for item in tmp_path.iterdir()] == ["file"]


def test_write_through(tmp_path: Path) -> None:
    """Links are followed, and pipes are written directly."""
    (tmp_path / "link").symlink_to(tmp_path / "file")
    project.write_file(tmp_path / "link", "text")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text() == "text"
    receiver, sender = os.pipe()
    project.write_file(Path(f"/dev/fd/{sender}"), "piped")
    assert os.read(receiver, 99) == b"piped"
    os.close(receiver)
    os.close(sender)
