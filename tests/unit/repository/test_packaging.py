# SPDX-License-Identifier: Apache-2.0
"""Tests of the wheel."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from heatgen import VERSION

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy of the tracked files, because the build writes to its folder."""
    copy = tmp_path_factory.mktemp("copy")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "heatgen", "hot", "conformance", "setup.cfg", "pyproject.toml",
         "README.rst"], cwd=ROOT, capture_output=True, check=True, text=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).exists():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes((ROOT / name).read_bytes())
            (copy / name).chmod((ROOT / name).stat().st_mode)
    subprocess.run(
        [sys.executable, "-c", "import setuptools.build_meta as b; b.build_wheel('.')"],
        cwd=copy, check=True, capture_output=True,
    )  # fmt: skip
    return next(copy.glob("*.whl"))


def test_contents(wheel: Path) -> None:
    """The wheel has blocks, agent, schemas, py.typed and the conformance suite."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    listed = subprocess.run(
        ["git", "ls-files", "hot", "heatgen/schemas", "heatgen/py.typed", "conformance"],
        cwd=ROOT, capture_output=True, check=True, text=True,
    )  # fmt: skip
    expected = {name for name in listed.stdout.split() if (ROOT / name).exists()}
    assert "hot/lib/step.sh" in expected
    assert expected <= names


def test_installed_wheel_works(wheel: Path, tmp_path: Path) -> None:
    """The unpacked wheel can lint its blocks outside the repository."""
    with zipfile.ZipFile(wheel) as archive:
        for item in archive.infolist():
            target = Path(archive.extract(item, tmp_path))
            # Keep the executable bit, as pip does.
            if item.external_attr >> 16 & 0o100:
                target.chmod(0o755)
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from heatgen.project import block_loader\n"
        f"assert str(block_loader.HOT).startswith({str(tmp_path)!r}), block_loader.HOT\n"
        "from heatgen.authoring import lint\n"
        "blocks = block_loader.catalog()\n"
        "found = lint.check(blocks, block_loader.executables(blocks.all_blocks()),\n"
        "                   block_loader.schema('cluster'))\n"
        "assert not found[0], found[0]\n"
    )
    subprocess.run([sys.executable, "-P", "-c", program], cwd=tmp_path, check=True)


def test_version(wheel: Path) -> None:
    """The package has the version that templates contain."""
    assert wheel.name.startswith(f"heatgen-{VERSION}-")


def test_no_large_files() -> None:
    """No program that a test runs left its cache among the tracked files."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
    ).stdout.split("\0")
    files = [ROOT / name for name in listed if name]
    large = [str(path) for path in files if path.is_file() and path.stat().st_size > 512 << 10]
    assert large == []
