# SPDX-License-Identifier: Apache-2.0
"""Backups of etcd: the commands of the document, and what the backup key opens."""

import io
import json
import tarfile
from pathlib import Path

import pytest

from lab.harness import controller
from lab.harness.cluster import Cluster
from tests import shown

from .test_readme import NAME

DOCUMENT = "doc/how-to/back-up-and-restore.rst"
FOLDER = "/var/backups/etcd"


@pytest.fixture(scope="module")
def taken(cluster: Cluster) -> list[dict[str, str]]:
    """Run the commands of the document; return the rows of 'heatgen backup list'."""
    for command in shown.runnable(DOCUMENT):
        controller.inside(
            "bash", "-c", NAME.sub(cluster.name, command), directory=cluster.directory
        )
    words = ("heatgen", "backup", "list", cluster.name, "-f", "json")
    rows: list[dict[str, str]] = json.loads(controller.inside(*words, directory=cluster.directory))
    return rows


def test_every_node_has_a_rehearsed_backup(cluster: Cluster, taken: list[dict[str, str]]) -> None:
    """After 'heatgen backup now' the newest backup of each control-plane node is rehearsed."""
    newest = {row["Node"]: row for row in reversed(taken)}
    assert sorted(newest) == sorted(node.name for node in cluster.control)
    assert {row["Rehearsed"] for row in newest.values()} == {"yes"}
    assert all(int(row["Keys"]) > 100 for row in newest.values())


def test_the_backup_key_opens_a_backup(
    cluster: Cluster, taken: list[dict[str, str]], tmp_path: Path
) -> None:
    """The administrator can open a copy of a backup without the cluster."""
    node = cluster.control[-1]
    file = next(row["File"] for row in taken if row["Node"] == node.name)
    copy = tmp_path / file
    copy.write_bytes(controller.on_node(node.name, f"cat {FOLDER}/{file}"))
    content = controller.run(
        "openssl", "cms", "-decrypt", "-binary", "-inform", "DER", "-in", copy,
        "-recip", cluster.directory / "cluster.backup.crt",
        "-inkey", cluster.directory / "cluster.backup.key",
    )  # fmt: skip
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        names = set(archive.getnames())
    assert {"meta.json", "snapshot.db", "trust/encryption.key", "trust/version"} <= names
