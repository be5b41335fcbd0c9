# SPDX-License-Identifier: Apache-2.0
"""``heatgen lock`` with the installed blocks, and a mirror and registry on loopback."""

import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from heatgen.cli.main import main
from heatgen.project import block_loader, project
from heatgen.spec.reader import read_spec
from heatgen.yamlio import document
from tests.unit.heatgen.support.website import DIGEST, Site, alone, path_of, serving

CLUSTER = """\
name: demo
cloud: {external_network: public, image: debian-12, flavor: m1.medium}
"""
KUBELET = "https://dl.k8s.io/release/v1.37.2/bin/linux/amd64/kubelet"


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Yield a mirror with all files of a cluster of defaults."""
    alone(monkeypatch)
    blocks = block_loader.catalog()
    text = document.parse("cluster.yaml", CLUSTER.encode())
    with serving(Site()) as served:
        served.serve_all(read_spec(text, blocks, block_loader.schema("cluster")), blocks)
        yield served


@pytest.fixture
def cluster(tmp_path: Path, site: Site) -> Path:
    """Return a cluster's file that uses the mirror."""
    path = tmp_path / "cluster.yaml"
    path.write_text(f"{CLUSTER}artifacts: {{mirror: '{site.url}', registry: '{site.url}'}}\n")
    return path


@pytest.fixture
def locked(cluster: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """Return the lock of the cluster."""
    assert main(["lock", str(cluster)]) == 0
    capsys.readouterr()
    return cluster.with_suffix(".lock.yaml")


def test_lock_and_check(cluster: Path, site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """A lock is created, passes --check, and is not written again without changes."""
    assert main(["lock", str(cluster)]) == 0
    captured = capsys.readouterr()
    path = cluster.with_suffix(".lock.yaml")
    assert f"{path}: 11 artifacts, 2 images" in captured.err
    assert captured.out == ""
    before = (path.stat().st_ino, path.stat().st_mtime_ns)
    assert main(["lock", str(cluster)]) == 0
    assert main(["lock", "--check", str(cluster)]) == 0
    assert f"{path}: up to date, 11 artifacts, 2 images" in capsys.readouterr().err
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == before
    assert path_of(KUBELET) not in site.requests  # it has a checksum file


def test_changed_artifact(
    cluster: Path, locked: Path, site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    """A changed checksum is an error with both checksums; only --update accepts it."""
    before = locked.read_text()
    found = re.search(rf"{KUBELET}: ([0-9a-f]+)", before)
    assert found is not None
    old, new = found.group(1), "f" * 64
    site.files[path_of(f"{KUBELET}.sha256")] = new.encode()
    line = before.splitlines().index(f"  {KUBELET}: {old}") + 1
    for arguments in (["lock"], ["lock", "--check"]):
        assert main([*arguments, str(cluster)]) == 1
        err = capsys.readouterr().err
        assert err.count("error[") == 1
        assert f"{locked}:{line}:3: error[checksum-changed]: " in err
        assert f"{site.url}{path_of(KUBELET)}.sha256" in err
        assert old in err
        assert new in err
        assert f"heatgen lock --update {cluster}" in err
        assert locked.read_text() == before
    assert main(["lock", "--update", str(cluster)]) == 0
    assert f"{KUBELET}: changed from {old} to {new}" in capsys.readouterr().err
    assert locked.read_text() == before.replace(old, new)


def test_changed_image(
    cluster: Path, locked: Path, site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    """A changed digest of a tag is an error."""
    site.files["/v2/pause/manifests/3.10.1"] = b"{}"
    assert main(["lock", str(cluster)]) == 1
    err = capsys.readouterr().err
    assert "error[checksum-changed]: pause:3.10.1 (image 'pause' of runtime/containerd)" in err
    assert DIGEST in err


def test_outdated_lock(
    cluster: Path, locked: Path, site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    """After a change of cluster.yaml, --check reports missing and unused entries."""
    with cluster.open("a") as file:
        file.write("kvstore: {version: 3.6.99}\n")
    assert main(["lock", "--check", str(cluster)]) == 1
    err = capsys.readouterr().err
    base = "https://github.com/etcd-io/etcd/releases/download"
    new = f"{base}/v3.6.99/etcd-v3.6.99-linux-amd64.tar.gz"
    old = f"{base}/v3.6.16/etcd-v3.6.16-linux-amd64.tar.gz"
    assert f"error[incomplete-lock]: {new} (artifact 'etcd' of kvstore/etcd)" in err
    assert f"error[unused-lock-entry]: {old} " in err
    assert f"run 'heatgen lock {cluster}'" in err
    # The mirror does not have the new version.
    assert "error[download-failed]: " in err
    # Rendering sends no requests.
    del site.requests[:]
    assert main(["render", str(cluster)]) == 2
    err = capsys.readouterr().err
    assert "error[incomplete-lock]: " in err
    assert new in err
    assert site.requests == []
    sums = f"{'a' * 64}  etcd-v3.6.99-linux-amd64.tar.gz".encode()
    site.files[path_of(f"{base}/v3.6.99/SHA256SUMS")] = sums
    assert main(["lock", str(cluster)]) == 0
    err = capsys.readouterr().err
    assert f"{new}: new" in err
    assert f"{old}: removed" in err
    assert main(["lock", "--check", str(cluster)]) == 0


def test_check_without_lock(cluster: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--check does not create a missing lock."""
    assert main(["lock", "--check", str(cluster)]) == 1
    err = capsys.readouterr().err
    assert "error[missing-lock]: " in err
    assert f"run 'heatgen lock {cluster}'" in err
    assert not cluster.with_suffix(".lock.yaml").exists()


def test_failed_downloads(
    cluster: Path, locked: Path, site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    """A failed request is a failed operation, and the lock is not changed."""
    before = locked.read_text()
    site.statuses[path_of(f"{KUBELET}.sha256")] = [500] * 99
    for arguments in (["lock"], ["lock", "--check"], ["lock", "--update"]):
        assert main([*arguments, str(cluster)]) == 1
        assert "error[download-failed]: " in capsys.readouterr().err
        assert locked.read_text() == before


def test_invalid_checksum(cluster: Path, locked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All commands report a malformed checksum in the lock at its position; the exit code is 2."""
    text = re.sub(rf"({KUBELET}: )[0-9a-f]+", r"\1oops", locked.read_text())
    locked.write_text(text)
    line = text.splitlines().index(f"  {KUBELET}: oops") + 1
    column = len(f"  {KUBELET}: ") + 1
    for arguments in (["lock"], ["lock", "--check"], ["lock", "--update"], ["render"]):
        assert main([*arguments, str(cluster)]) == 2
        err = capsys.readouterr().err
        assert f"{locked}:{line}:{column}: error[invalid-format]: " in err


def test_unused_artifact(cluster: Path, locked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--check reports an unused entry at its position; ``heatgen lock`` removes it."""
    text = locked.read_text()
    locked.write_text(
        text.replace("artifacts:\n", f"artifacts:\n  https://a.example/b: {'0' * 64}\n")
    )
    assert main(["lock", "--check", str(cluster)]) == 1
    assert f"{locked}:5:3: error[unused-lock-entry]: " in capsys.readouterr().err
    assert main(["lock", str(cluster)]) == 0
    assert locked.read_text() == text


def test_render_creates_the_lock(
    cluster: Path, site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rendering creates a missing lock, with a notice; later it sends no requests."""
    target = cluster.with_name("out.yaml")
    assert main(["render", str(cluster), "-o", str(target)]) == 0
    path = cluster.with_suffix(".lock.yaml")
    assert f"{path}: creating the missing lock" in capsys.readouterr().err
    first = target.read_text()
    del site.requests[:]
    assert main(["render", str(cluster), "-o", str(target)]) == 0
    assert str(path) not in capsys.readouterr().err
    assert site.requests == []
    assert target.read_text() == first


def test_render_without_lock_and_sources(
    cluster: Path, site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    """If the lock cannot be created, no file is written."""
    site.files.clear()
    assert main(["render", str(cluster)]) == 1
    captured = capsys.readouterr()
    assert "error[download-failed]: " in captured.err
    assert captured.out == ""
    assert [path.name for path in cluster.parent.iterdir()] == ["cluster.yaml"]


def test_concurrent_locks(cluster: Path, site: Site) -> None:
    """Concurrent writers leave one valid lock and no temporary file."""
    cluster_files = project.load(cluster)

    def work(number: int) -> None:
        for turn in range(5):
            # Different bytes each time, so that the lock is written each time.
            site.files["/v2/pause/manifests/3.10.1"] = f"{{{number}{turn}}}".encode()
            project.make_lock(cluster_files, lambda _: None, update=True)
            project.lock_or_make(cluster_files, lambda _: None)

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(work, range(3))) == [None] * 3
    names = {path.name for path in cluster.parent.iterdir()}
    assert names == {"cluster.yaml", "cluster.lock.yaml"}


def test_interrupted(cluster: Path, site: Site) -> None:
    """Ctrl-C ends the command although servers are silent: exit code 130, no lock, no traceback."""
    site.meeting = threading.Barrier(99)
    # Background jobs of a shell and their children ignore SIGINT.
    command = ["env", "--default-signal=INT", sys.executable, "-m", "heatgen", "lock", str(cluster)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
        while not site.requests:
            assert running.poll() is None
            time.sleep(0.01)
        running.send_signal(signal.SIGINT)
        # Less than the timeouts of requests.
        _, err = running.communicate(timeout=20)
    site.meeting.abort()
    assert running.returncode == 130
    assert "Traceback" not in err
    assert [path.name for path in cluster.parent.iterdir()] == ["cluster.yaml"]
