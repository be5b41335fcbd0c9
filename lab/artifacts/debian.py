# SPDX-License-Identifier: Apache-2.0
"""Debian packages that builds require: find and install the missing ones."""

import os
import subprocess
from collections.abc import Collection
from pathlib import Path

from lab.artifacts.progress import BuildError, run, step

SECONDS_TO_WAIT_FOR_APT = 900
SECONDS_TO_INSTALL = 1800


def installed_versions(packages: Collection[str]) -> dict[str, str]:
    """Return the versions of those of `packages` that are installed."""
    query = subprocess.run(
        [
            "dpkg-query",
            "--show",
            "--showformat=${binary:Package} ${db:Status-Status} ${Version}\n",
            *packages,
        ],
        capture_output=True,
        text=True,
        check=False,  # dpkg-query fails if a package is unknown, but lists the others
    )
    lines = (line.split(" ", 2) for line in query.stdout.splitlines())
    return {
        name.partition(":")[0]: version for name, status, version in lines if status == "installed"
    }


def ensure_packages(packages: Collection[str], log: Path) -> dict[str, str]:
    """Install the missing packages; return the versions of all.

    Raises:
        BuildError: a package is missing and the user is not root, or apt-get failed.
    """
    versions = installed_versions(packages)
    missing = sorted(set(packages) - set(versions))
    if not missing:
        return versions
    if os.geteuid() != 0:
        raise BuildError(
            f"missing Debian packages: {' '.join(missing)}: install them or run as root"
        )
    with step(f"installing {' '.join(missing)}"):
        _apt(["update"], log)
        _apt(["install", "--yes", "--no-install-recommends", *missing], log)
    return installed_versions(packages)


def _apt(arguments: list[str], log: Path) -> None:
    run(
        ["apt-get", "-o", f"DPkg::Lock::Timeout={SECONDS_TO_WAIT_FOR_APT}", *arguments],
        log,
        timeout=SECONDS_TO_INSTALL,
        environment={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"},
    )
