# SPDX-License-Identifier: Apache-2.0
"""``heatgen render``."""

import stat
from pathlib import Path

import pytest

from heatgen.cli.main import main
from tests.golden.cases import CASES

CASE = CASES / "minimal"


def test_render_to_stdout(cluster: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The template goes to stdout, and nothing else does."""
    assert main(["render", str(cluster)]) == 0
    assert capsys.readouterr().out == (CASE / "generated.yaml").read_text()


def test_render_to_file(cluster: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With -o the file is written and stdout stays empty."""
    target = cluster.with_name("out.yaml")
    assert main(["render", str(cluster), "-o", str(target)]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert "bytes" in said.err
    assert target.read_text() == (CASE / "generated.yaml").read_text()


def test_render_tells_what_is_rarely_meant(
    cluster: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A cluster that nobody can reach is rendered, and that is said."""
    assert main(["render", str(cluster)]) == 0
    assert "access.api is empty" in capsys.readouterr().err
    with cluster.open("a") as file:
        file.write("access: {api: [198.51.100.0/24]}\n")
    assert main(["render", str(cluster)]) == 0
    assert "note:" not in capsys.readouterr().err


def test_render_makes_the_key(cluster: Path) -> None:
    """Without a request, key and request are made beside the cluster's file."""
    cluster.with_name("cluster.admin.csr").unlink()
    assert main(["render", str(cluster), "-o", str(cluster.with_name("o"))]) == 0
    key = cluster.with_name("cluster.admin.key")
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_output_that_cannot_be_written(cluster: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that is not there is told, not traced."""
    assert main(["render", str(cluster), "-o", str(cluster.parent / "no" / "o")]) == 2
    assert "no such file or directory" in capsys.readouterr().err
