# SPDX-License-Identifier: Apache-2.0
"""Actions of the steps: build tools, artifacts, the virtual environment."""

import subprocess
import sys
from pathlib import Path

from lab.artifacts.images import load_images
from lab.artifacts.recipes import load_components
from lab.cloud import packages, paths
from lab.cloud.problem import Problem
from lab.demo import components, record
from lab.demo.demo import Demo
from lab.node.rootfs import TOOLS as NODE_TOOLS

LAB = paths.LAUNCHER.parent
ARTIFACTS = LAB / "artifacts"
PYTHON = "/usr/bin/python3"
CLIENT = "python-openstackclient>=7"
STEP_SECONDS = 3600


def install_tools() -> str | None:
    """Install the packages that builds require; others are installed while builds run."""
    recipes = load_components(ARTIFACTS / "components")
    images = load_images(ARTIFACTS / "images", {each.name: each for each in recipes})
    needed = {name for component in recipes for name in component.packages}
    needed |= {name for image in images for name in image.packages}
    return packages.install(tuple(sorted({*needed, *NODE_TOOLS, "python3-venv"})))


def build_artifacts(cluster: Path) -> None:
    """Build the artifacts that a cluster needs; existing ones are reused."""
    needed = components.needed(cluster, load_components(ARTIFACTS / "components"))
    build(ARTIFACTS, "--components", ",".join(needed))


def build_images(demo: Demo) -> None:
    """Build the node image, and other images of a demonstration; existing ones are reused."""
    build(LAB / "node", *(("--others", ",".join(demo.images)) if demo.images else ()))
    if demo.machine:
        build(LAB / "machine", "--variant", demo.machine)


def build(directory: Path, *options: str) -> None:
    """Run the build command of a directory of the lab."""
    run([str(directory / "build"), "--out", str(paths.STATE), *options])


def create_venv() -> str | None:
    """Create the virtual environment with the checkout, installed editable, and the client.

    The dependencies are reused while setup.cfg is unchanged, even for another checkout.
    """
    pip = [str(paths.VENV / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
    editable = ["--editable", str(paths.CHECKOUT)]
    stamp = record.digest(paths.CHECKOUT / "setup.cfg", CLIENT, sys.version)
    checkout = record.digest(stamp, str(paths.CHECKOUT))
    installed = (paths.VENV / "bin" / "heatgen").exists()
    reusable = installed and record.stamped(paths.STATE, "venv", stamp)
    if reusable and record.stamped(paths.STATE, "venv-checkout", checkout):
        return "already done"
    if reusable:
        run([*pip, "--no-deps", *editable])
    else:
        run([PYTHON, "-m", "venv", "--clear", str(paths.VENV)])
        run([*pip, *editable, CLIENT])
    record.stamp(paths.STATE, "venv", stamp)
    record.stamp(paths.STATE, "venv-checkout", checkout)
    return "checkout changed" if reusable else None


def run(command: list[str]) -> None:
    """Run a command; raise Problem if it fails."""
    result = subprocess.run(command, stdin=subprocess.DEVNULL, timeout=STEP_SECONDS, check=False)
    if result.returncode:
        raise Problem(f"{' '.join(command)}: exit status {result.returncode}", result.returncode)
