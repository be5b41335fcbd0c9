# SPDX-License-Identifier: Apache-2.0
"""The commands that documents tell a user of a cloud to run, in a fresh checkout."""

import re
import shutil
from pathlib import Path

import pytest

from lab.harness import controller
from lab.harness.cluster import Cluster
from tests import shown

# What the user of a stack has beside cluster.yaml; the key is the one the stack was made with.
FILES = ("cluster.yaml", "cluster.lock.yaml", "cluster.admin.key", "cluster.admin.csr")
# The documents call the stack so.
NAME = re.compile(r"(?<= )demo(?= |$)")


@pytest.fixture(scope="module")
def checkout(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh checkout with the cluster's files in it."""
    directory = tmp_path_factory.mktemp("user") / "heatgen"
    controller.run("git", "clone", "--quiet", controller.CHECKOUT, directory)
    for name in FILES:
        shutil.copy(cluster.directory / name, directory)
    return directory


def test_the_commands_of_the_documents_work(cluster: Cluster, checkout: Path) -> None:
    """From lock to the suite's verdict; only the stack itself is the one that is there."""
    commands = shown.runnable(
        "README.rst", "doc/tutorial/first-cluster.rst", "doc/how-to/operate-cluster.rst"
    )
    tosca = shown.runnable("doc/how-to/import-tosca.rst")
    commands += [line for line in tosca if line.startswith("openstack ")]
    assert [line.split()[0] for line in commands].count("heatgen") >= 3
    for command in commands:
        controller.inside("bash", "-c", NAME.sub(cluster.name, command), directory=checkout)
    # The demonstration made the stack from these very bytes.
    template = (checkout / "generated.yaml").read_bytes()
    assert template == (cluster.directory / "generated.yaml").read_bytes()
