# SPDX-License-Identifier: Apache-2.0
"""heat-translator's own samples. They are in its source archive alone: pip fetches that once."""

import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

REQUIREMENTS = Path(__file__).with_name("samples.txt")


@pytest.fixture(scope="session")
def samples() -> Path:
    """The folder of the samples, kept in the environment that the tests run in."""
    home = Path(sys.prefix) / "heat-translator-samples"
    if not list(home.glob("*.tar.gz")):
        # pip builds the archive's metadata; with what is here, else it would fetch what builds it.
        subprocess.run(
            [
                sys.executable, "-m", "pip", "download", "--quiet", "--no-deps",
                "--no-build-isolation", "--no-binary", "heat-translator",
                "--require-hashes", "-r", REQUIREMENTS, "-d", home,
            ],
            check=True, timeout=300,
        )  # fmt: skip
    archive = next(home.glob("*.tar.gz"))
    folder = home / archive.name.removesuffix(".tar.gz") / "samples" / "tests" / "data"
    if not folder.exists():
        with tarfile.open(archive) as file:
            file.extractall(home, filter="data")
    return folder
