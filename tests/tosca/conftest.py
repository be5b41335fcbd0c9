# SPDX-License-Identifier: Apache-2.0
"""Samples of heat-translator. Only its source archive contains them, which pip fetches once."""

import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

REQUIREMENTS = Path(__file__).with_name("samples.txt")


@pytest.fixture(scope="session")
def samples() -> Path:
    """Return the folder of the samples, which is kept in the environment of the tests."""
    home = Path(sys.prefix) / "heat-translator-samples"
    if not list(home.glob("*.tar.gz")):
        # pip builds the archive's metadata, without isolation to avoid fetching build backends.
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
