# SPDX-License-Identifier: Apache-2.0
"""The Heat of the lab: the newest release, from PyPI, or that of Debian.

All other services are those of Debian. Heat 27 has a virtual environment of its own in the cache;
`bin/lab-heat` starts the services of the Heat that the running lab has.
"""

import os
import shutil
import subprocess
from pathlib import Path

from lab.artifacts.cache import Cache, content_key
from lab.cloud import paths, programs
from lab.cloud.problem import USAGE, Problem

VARIABLE = "HEATGEN_LAB_HEAT"
NEWEST, ZED = "27", "zed"
CHOICES = (NEWEST, ZED)

PINS = paths.HERE / "heat-27.txt"
START_CODE = paths.HERE / "repeated_parse.py"
PYTHON = "/usr/bin/python3"
INSTALL_SECONDS = 1200
# What `bin/lab-heat` reads: the choice, and the virtual environment.
RECORD = paths.CLOUD / "heat"
LINK = paths.CLOUD / "heat-27"


def chosen() -> str:
    """Return the Heat that the environment selects, by default the newest."""
    value = os.environ.get(VARIABLE) or NEWEST
    if value not in CHOICES:
        raise Problem(f"{VARIABLE}={value}: it must be {' or '.join(CHOICES)}", USAGE)
    return value


def check_running() -> None:
    """Raise Problem if the environment selects another Heat than the running lab has."""
    current = running()
    if os.environ.get(VARIABLE) and chosen() != current:
        raise Problem(
            f"the lab is running with {VARIABLE}={current}: run `lab/lab down` first, "
            f"which removes all clusters, or unset {VARIABLE}",
            USAGE,
        )


def running() -> str:
    """Return the Heat of the running lab."""
    return RECORD.read_text().strip()


def install() -> str | None:
    """Create the virtual environment of the selected Heat, unless it is in the cache."""
    if chosen() == ZED:
        return "that of Debian"
    existed = environment().is_dir()
    cache = Cache(paths.CACHE)
    cache.prune({cache.get_or_create("heat", key(), "Heat 27 from PyPI", create)})
    return "already done" if existed else None


def select() -> None:
    """Record the selected Heat in the state of the new lab."""
    RECORD.write_text(chosen() + "\n")
    if chosen() == NEWEST:
        LINK.symlink_to(environment())


def environment() -> Path:
    """Return the path of the virtual environment, which may not exist."""
    return Cache(paths.CACHE).entry("heat", key())


def key() -> str:
    """Return the digest of all inputs of the virtual environment."""
    version = subprocess.run([PYTHON, "-V"], capture_output=True, text=True, check=True).stdout
    return content_key(
        {"pins": PINS.read_bytes(), "start code": START_CODE.read_bytes(), "python": version}
    )


def create(directory: Path) -> None:
    """Create the virtual environment in an empty directory, which is then renamed.

    Therefore `bin/lab-heat` runs its scripts with its Python, and ignores their first lines.
    """
    programs.run([PYTHON, "-m", "venv", str(directory)], INSTALL_SECONDS)
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--requirement", str(PINS)]
    programs.run([str(directory / "bin" / "pip"), "install", *options], INSTALL_SECONDS)
    (packages,) = directory.glob("lib/python3*/site-packages")
    shutil.copy(START_CODE, packages)
    (packages / "repeated_parse.pth").write_text("import repeated_parse\n")
