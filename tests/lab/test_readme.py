# SPDX-License-Identifier: Apache-2.0
"""The commands that README.rst tells a user to run, run as it says, in a fresh checkout."""

import re
import shutil
from pathlib import Path

import pytest

from tests.lab import controller
from tests.lab.cluster import Cluster

# What the user of a stack has beside cluster.yaml; the key is the one the stack was made with.
FILES = ("cluster.yaml", "cluster.lock.yaml", "cluster.admin.key", "cluster.admin.csr")
# The README calls the stack so.
NAME = re.compile(r"(?<= )demo(?= |$)")


def console_commands() -> list[str]:
    """Return the lines after a `$` in README.rst, without their comments."""
    lines = (controller.CHECKOUT / "README.rst").read_text().splitlines()
    shown = [line.strip().removeprefix("$ ") for line in lines if line.startswith("  $ ")]
    return [line.partition("  #")[0].strip() for line in shown]


@pytest.fixture(scope="module")
def checkout(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh checkout with the cluster's files in it."""
    directory = tmp_path_factory.mktemp("user") / "heatgen"
    controller.run("git", "clone", "--quiet", controller.CHECKOUT, directory)
    for name in FILES:
        shutil.copy(cluster.directory / name, directory)
    return directory


def test_the_commands_of_the_readme_work(cluster: Cluster, checkout: Path) -> None:
    """From lock to the suite's verdict; only the stack itself is the one that is there."""
    commands = console_commands()
    assert [line.split()[0] for line in commands].count("heatgen") == 3
    for command in commands:
        if command.startswith("openstack stack create"):
            template = (checkout / "generated.yaml").read_bytes()
            assert template == (cluster.directory / "generated.yaml").read_bytes()
            continue  # the demonstration made the stack from these very bytes, by this command
        named = NAME.sub(cluster.name, command)
        controller.inside("bash", "-c", named, directory=checkout)
