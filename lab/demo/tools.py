# SPDX-License-Identifier: Apache-2.0
"""What the steps run: the build commands' packages, the project's virtual environment."""

import subprocess
import sys

from lab.artifacts.images import load_images
from lab.artifacts.recipes import load_components
from lab.cloud import packages, paths
from lab.cloud.problem import Problem
from lab.demo import record
from lab.node.command import TOOLS as NODE_TOOLS

LAB = paths.LAUNCHER.parent
PYTHON = "/usr/bin/python3"
CLIENT = "python-openstackclient>=7"
STEP_SECONDS = 3600


def install_tools() -> str | None:
    """Install what building needs first, so that it can go on beside the cloud's packages."""
    components = load_components(LAB / "artifacts" / "components")
    images = load_images(LAB / "artifacts" / "images", {each.name: each for each in components})
    needed = {name for component in components for name in component.packages}
    needed |= {name for image in images for name in image.packages}
    return packages.install(tuple(sorted({*needed, *NODE_TOOLS, "python3-venv"})))


def build(what: str) -> None:
    """Run one of the lab's build commands, which know themselves what is done."""
    run([str(LAB / what / "build"), "--out", str(paths.STATE)])


def make_venv() -> str | None:
    """Make the virtual environment with the project, as it is in the checkout, and its clients.

    What the project depends on is kept while setup.cfg is the same, whichever checkout it is in.
    """
    pip = [str(paths.VENV / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
    editable = ["--editable", str(paths.CHECKOUT)]
    stamp = record.digest(paths.CHECKOUT / "setup.cfg", CLIENT, sys.version)
    checkout = record.digest(stamp, str(paths.CHECKOUT))
    installed = (paths.VENV / "bin" / "heatgen").exists()
    there = installed and record.stamped(paths.STATE, "venv", stamp)
    if there and record.stamped(paths.STATE, "venv-checkout", checkout):
        return "done already"
    if there:
        run([*pip, "--no-deps", *editable])
    else:
        run([PYTHON, "-m", "venv", "--clear", str(paths.VENV)])
        run([*pip, *editable, CLIENT])
    record.stamp(paths.STATE, "venv", stamp)
    record.stamp(paths.STATE, "venv-checkout", checkout)
    return "checkout changed" if there else None


def run(command: list[str]) -> None:
    """Run a command; raise Problem if it fails."""
    result = subprocess.run(command, stdin=subprocess.DEVNULL, timeout=STEP_SECONDS, check=False)
    if result.returncode:
        raise Problem(f"{' '.join(command)}: exit status {result.returncode}", result.returncode)
