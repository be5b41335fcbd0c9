# SPDX-License-Identifier: Apache-2.0
"""The commands in the documents work in a fresh checkout."""

import re
import shutil
from pathlib import Path

import pytest

from lab.harness import controller
from lab.harness.cluster import Cluster
from tests import shown

# The files of the user of a stack; the key is the one with which the stack was created.
FILES = (
    "cluster.yaml", "cluster.lock.yaml", "cluster.admin.key", "cluster.admin.csr",
    "cluster.backup.crt",
)  # fmt: skip
# The name of the stack in the documents.
NAME = re.compile(r"(?<= )demo(?= |$)")


@pytest.fixture(scope="module")
def checkout(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a fresh checkout with the files of the cluster."""
    directory = tmp_path_factory.mktemp("user") / "heatgen"
    controller.run("git", "clone", "--quiet", controller.CHECKOUT, directory)
    for name in FILES:
        shutil.copy(cluster.directory / name, directory)
    return directory


def test_the_commands_of_the_documents_work(cluster: Cluster, checkout: Path) -> None:
    """All commands from lock to the conformance suite work, with the existing stack."""
    commands = shown.runnable(
        "README.rst", "doc/tutorial/first-cluster.rst", "doc/how-to/operate-cluster.rst"
    )
    tosca = shown.runnable("doc/how-to/import-tosca.rst")
    commands += [line for line in tosca if line.startswith("openstack ")]
    assert [line.split()[0] for line in commands].count("heatgen") >= 3
    # An earlier run on this cluster may have created it.
    controller.inside("openstack", "application", "credential", "delete", "NAME", check=False)
    for command in commands:
        controller.inside("bash", "-c", NAME.sub(cluster.name, command), directory=checkout)
    # The demonstration created the stack from the same bytes.
    template = (checkout / "generated.yaml").read_bytes()
    assert template == (cluster.directory / "generated.yaml").read_bytes()
