# SPDX-License-Identifier: Apache-2.0
"""``heatgen render``."""

import stat
from pathlib import Path

import pytest

from heatgen.cli.main import main
from tests.golden.cases import CASES

CASE = CASES / "minimal"


def test_render_to_stdout(cluster: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Only the template is written to stdout."""
    assert main(["render", str(cluster)]) == 0
    assert capsys.readouterr().out == (CASE / "generated.yaml").read_text()


def test_render_to_file(cluster: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With -o the file is written, and stdout is empty."""
    target = cluster.with_name("out.yaml")
    assert main(["render", str(cluster), "-o", str(target)]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "bytes" in captured.err
    assert target.read_text() == (CASE / "generated.yaml").read_text()


def test_notices(cluster: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A cluster whose API is not reachable is rendered with a note."""
    assert main(["render", str(cluster)]) == 0
    assert "note: access.api" in capsys.readouterr().err
    with cluster.open("a") as file:
        file.write("access: {api: [198.51.100.0/24]}\n")
    assert main(["render", str(cluster)]) == 0
    assert "note:" not in capsys.readouterr().err


def test_missing_key(cluster: Path) -> None:
    """Without a request, key and request are created next to the cluster's file."""
    cluster.with_name("cluster.admin.csr").unlink()
    assert main(["render", str(cluster), "-o", str(cluster.with_name("o"))]) == 0
    key = cluster.with_name("cluster.admin.key")
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_missing_output_folder(cluster: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An output file in a missing folder is an error."""
    output = cluster.parent / "no" / "o"
    assert main(["render", str(cluster), "-o", str(output)]) == 2
    assert f"{output}: error[file-not-writable]: " in capsys.readouterr().err
