# SPDX-License-Identifier: Apache-2.0
"""Tests of the step and the program that back up etcd, with a real etcd and a real API server."""

from __future__ import annotations

import io
import json
import stat
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from heatgen.project import backup_key, key_document

from .conftest import Sandbox
from .etcd_backup import API, certified, inputs, kubernetes_programs, programs, run
from .trust_cluster import Cluster, Node, openssl

FOLDER = "/var/backups/etcd"
KEYS = "for i in 1 2 3 4 5; do put /registry/pods/default/p$i value; done\n"


@pytest.fixture(scope="module")
def created(tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    """Return a control-plane node with certificates."""
    return certified(tmp_path_factory.mktemp("created"))


@pytest.fixture
def cluster(sandbox: Sandbox, request: pytest.FixtureRequest, tmp_path: Path) -> Cluster:
    """Return a copy of that node for one test; skip the test without sandbox or etcd."""
    programs()
    created: Cluster = request.getfixturevalue("created")
    return created.copy(tmp_path / "cluster")


def status(node: Node) -> Any:
    """Return the status that the program has written."""
    return json.loads(node.text(f"{FOLDER}/status.json"))


def archives(node: Node) -> list[Path]:
    """Return the files of the backups, the oldest first."""
    return sorted(node.path(FOLDER).glob("*.backup"))


def opened(archive: Path, certificate: Path, key: Path) -> tarfile.TarFile:
    """Return the content of a backup."""
    command = ["openssl", "cms", "-decrypt", "-binary", "-inform", "DER", "-in", str(archive)]
    command += ["-recip", str(certificate), "-inkey", str(key)]
    content = subprocess.run(command, capture_output=True, check=True).stdout
    return tarfile.open(fileobj=io.BytesIO(content))


def test_backup(cluster: Cluster) -> None:
    """A backup is verified, rehearsed and described; only the root user may read it."""
    node = cluster.nodes[0]
    run(node, KEYS + "install_backup && backup take && backup rehearse", **inputs(cluster))
    found = status(node)
    [archive] = found["archives"]
    assert archive["keys"] == 5
    assert archive["revision"] == 6
    assert found["rehearsed_file"] == archive["file"]
    assert found["problem"] == found["rehearsal_problem"] == ""
    assert found["node"] == "demo-control-0"
    assert [path.name for path in archives(node)] == [archive["file"]]
    files = [path for path in node.path(FOLDER).rglob("*") if path.is_file()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert stat.S_IMODE(node.path(FOLDER).stat().st_mode) == 0o700
    assert not (node.path(FOLDER) / "work").exists()
    assert not node.path("/run/heatgen-etcd-backup.work").exists()


def test_recipients(cluster: Cluster, tmp_path: Path) -> None:
    """The backup key of heatgen and further keys (EC, RSA) open a backup; others do not."""
    node = cluster.nodes[0]
    key, certificate = tmp_path / "cluster.backup.key", tmp_path / "cluster.backup.crt"
    own = key_document.keep(backup_key.draft(key, certificate, "demo"))
    others = ""
    for name, kind in (("rsa", "rsa:2048"), ("ec", "ec"), ("foreign", "rsa:2048")):
        options = ["-newkey", kind, "-nodes", "-subj", f"/CN={name}", "-days", "9"]
        options += ["-pkeyopt", "ec_paramgen_curve:P-384"] if kind == "ec" else []
        files = ["-keyout", str(tmp_path / f"{name}.key"), "-out", str(tmp_path / f"{name}.crt")]
        openssl("req", "-x509", *options, *files)
        others += "" if name == "foreign" else (tmp_path / f"{name}.crt").read_text()
    values = inputs(cluster, BACKUP_CERTIFICATE=own, BACKUP_RECIPIENTS=others.strip())
    run(node, KEYS + "install_backup && backup take", **values)
    [archive] = archives(node)
    for name in ("cluster.backup", "rsa", "ec"):
        content = opened(archive, tmp_path / f"{name}.crt", tmp_path / f"{name}.key")
        names = content.getnames()
        assert {"meta.json", "snapshot.db", "trust/encryption.key", "trust/etcd/1.key"} <= {*names}
    with pytest.raises(subprocess.CalledProcessError):
        opened(archive, tmp_path / "foreign.crt", tmp_path / "foreign.key")
    # A recipient that is removed cannot open new backups.
    run(node, "install_backup && backup take", **inputs(cluster, BACKUP_CERTIFICATE=own))
    with pytest.raises(subprocess.CalledProcessError):
        opened(archives(node)[-1], tmp_path / "rsa.crt", tmp_path / "rsa.key")


def test_description(cluster: Cluster) -> None:
    """The sealed description has what a restore compares; no file outside has a secret."""
    node = cluster.nodes[0]
    result = run(
        node,
        KEYS + f"install_backup && backup take && backup meta {FOLDER}/*.backup",
        **inputs(cluster),
    )
    meta = json.loads(result.stdout.splitlines()[-1])
    assert meta | {
        "format": 1, "cluster": "demo", "stack": "demo", "etcd": "3.6.16", "kubernetes": "1.37.2",
        "keys": 5, "revision": 6, "members": "control-0=https://127.0.0.1:2380",
    } == meta  # fmt: skip
    key = node.text("/var/lib/heatgen/trust/current/encryption.key").strip()
    for path in node.path("/var/backups").rglob("*"):
        assert path.is_dir() or key.encode() not in path.read_bytes(), path
    assert key not in result.stdout + result.stderr


def test_damaged_backup(cluster: Cluster) -> None:
    """The rehearsal finds a changed byte and a truncated file, and reports them."""
    node = cluster.nodes[0]
    run(node, KEYS + "install_backup && backup take && backup rehearse", **inputs(cluster))
    [archive] = archives(node)
    content = archive.read_bytes()
    middle = len(content) // 2
    changed = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    for damaged in (changed, content[:middle], b""):
        archive.write_bytes(damaged)
        result = run(node, "backup rehearse && echo well")
        assert "well" not in result.stdout
        assert "cannot be opened with the key of this node" in status(node)["rehearsal_problem"]
    archive.write_bytes(content)
    run(node, "backup rehearse")
    assert status(node)["rehearsal_problem"] == ""


def test_lost_keys_are_found(cluster: Cluster) -> None:
    """The rehearsal compares the number of keys with that of the description."""
    node = cluster.nodes[0]
    count = "sed 's/^count() {/count() { echo 7; return; /' $ETCD_BLOCK/backup.sh >/run/other.sh"
    run(node, KEYS + "install_backup && backup take", **inputs(cluster))
    run(node, f"{count}\nbash /run/other.sh rehearse")
    assert "has 7 keys of Kubernetes after the restore" in status(node)["rehearsal_problem"]


def test_retention(cluster: Cluster) -> None:
    """The newest backups are kept, and the last one from which etcd was started."""
    node = cluster.nodes[0]
    again = "for i in 1 2 3 4; do sleep 1; put /registry/x $i; backup take; done"
    first = "install_backup && backup take && backup rehearse\n"
    run(node, KEYS + first + again, **inputs(cluster))
    kept = archives(node)
    assert len(kept) == 3 + 1
    assert kept[0].name == status(node)["rehearsed_file"]
    assert len(list(node.path(FOLDER).glob("etcd-*.json"))) == 4


def test_when(cluster: Cluster) -> None:
    """The first backup is due after the creation of the cluster, others after the interval."""
    node = cluster.nodes[0]
    age = f'age() {{ sed -i "s/^$1 .*/$1 $(($(date +%s) - $2))/" {FOLDER}/state; }}\n'
    count = f"count_backups() {{ backup tick; ls {FOLDER}/*.backup 2>/dev/null | wc -l; }}\n"
    result = run(
        node,
        KEYS + age + count + "install_backup; count_backups; age since 590; count_backups\n"
        "age since 610; count_backups; sleep 1; age attempted_take 999; count_backups\n"
        "age taken 21601; count_backups",
        **inputs(cluster),
    )
    lines = [line for line in result.stdout.splitlines() if line.isdecimal()]
    assert lines == ["0", "0", "1", "1", "2"]
    assert result.stdout.count("rehearsed the restore") == 1
    assert status(node)["rehearsed"]


@pytest.mark.parametrize(
    ("before", "reason"),
    [
        ("kill -STOP $etcd", "etcd on this node does not respond"),
        ("df() { echo Avail; echo 1000000; }; export -f df", "MiB are required: free space"),
        (
            f"backup take; sed -i 's/^revision .*/revision 99999/' {FOLDER}/state",
            "is lower than that of the last backup, 99999",
        ),
        ("rm /etc/heatgen/backup/*.crt", "contains no certificate of a recipient"),
        ("echo x >/etc/heatgen/backup/envelope-0.crt", "cannot seal the backup"),
        ("rm -r /var/lib/heatgen/trust/current/*", "the trust state is incomplete"),
    ],
)
def test_failure(cluster: Cluster, before: str, reason: str) -> None:
    """A backup that cannot be taken is reported, and not repeated before ten minutes."""
    node = cluster.nodes[0]
    again = f"sed -i -e 's/^since .*/since 9/' -e 's/^taken .*/taken 9/' {FOLDER}/state\n"
    result = run(
        node,
        KEYS + f"install_backup\n{before}\nbackup take && echo well\n{again}"
        "echo AGAIN; backup tick; kill -CONT $etcd",
        **inputs(cluster),
    )
    assert reason in status(node)["problem"]
    assert "well" not in result.stdout
    assert "took the backup" not in result.stdout.partition("AGAIN")[2]
    assert result.stderr.count("take failed") == 1
    assert not (node.path(FOLDER) / "work").exists()


def test_disabled(cluster: Cluster) -> None:
    """Without backups the timer is stopped; existing backups are kept."""
    node = cluster.nodes[0]
    run(node, KEYS + "install_backup && backup take", **inputs(cluster))
    run(node, "install_backup", **inputs(cluster, BACKUP="false"))
    assert len(archives(node)) == 1
    assert status(node)["enabled"] is False
    assert "systemctl disable --quiet --now etcd-backup.timer" in node.text("/run/calls")


def test_request(cluster: Cluster) -> None:
    """An annotation of the node requests a backup, and another one reports the status.

    The API server is a real one with the admission plug-in NodeRestriction: the program has the
    certificate of the kubelet only.
    """
    node = cluster.nodes[0]
    annotate = "kubectl annotate --overwrite node demo-control-0 heatgen/backup-request="
    show = "kubectl get node demo-control-0 -o jsonpath='{.metadata.annotations.heatgen/backup}'\n"
    result = run(
        node,
        f"{API}\ninstall_backup\n{show}echo; {annotate}one; backup tick; {show}echo\n"
        f"backup tick; echo unchanged; {show}echo",
        HEATGEN_KUBERNETES=str(kubernetes_programs()),
        **inputs(cluster),
    )
    shown = [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]
    assert [len(item["archives"]) for item in shown] == [0, 1, 1]
    assert [item["request"] for item in shown] == ["", "one", "one"]
    assert shown[1]["rehearsed_file"] == shown[1]["archives"][0]["file"]
    assert shown[1] == shown[2] == status(node)
