# SPDX-License-Identifier: Apache-2.0
"""``heatgen lock`` with the real blocks, against a mirror and registry on loopback."""

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
    """A mirror with all that a cluster of defaults wants."""
    alone(monkeypatch)
    blocks = block_loader.catalog()
    text = document.parse("cluster.yaml", CLUSTER.encode())
    with serving(Site()) as served:
        served.serve_all(read_spec(text, blocks, block_loader.schema("cluster")), blocks)
        yield served


@pytest.fixture
def cluster(tmp_path: Path, site: Site) -> Path:
    """A cluster's file that names the mirror."""
    path = tmp_path / "cluster.yaml"
    path.write_text(f"{CLUSTER}artifacts: {{mirror: '{site.url}', registry: '{site.url}'}}\n")
    return path


@pytest.fixture
def locked(cluster: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """Its lock."""
    assert main(["lock", str(cluster)]) == 0
    capsys.readouterr()
    return cluster.with_suffix(".lock.yaml")


def test_lock_and_check(cluster: Path, site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """A lock is made, is good, and is not written again when nothing has changed."""
    assert main(["lock", str(cluster)]) == 0
    said = capsys.readouterr()
    path = cluster.with_suffix(".lock.yaml")
    assert f"{path}: 11 artifacts, 2 images" in said.err
    assert said.out == ""
    before = (path.stat().st_ino, path.stat().st_mtime_ns)
    assert main(["lock", str(cluster)]) == 0
    assert main(["lock", "--check", str(cluster)]) == 0
    assert f"{path}: good, 11 artifacts, 2 images" in capsys.readouterr().err
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == before
    assert path_of(KUBELET) not in site.requests  # its sum is published


def test_changed_upstream(
    cluster: Path, locked: Path, site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    """Other bytes than the lock says are an error with both sums; only --update takes them."""
    before = locked.read_text()
    found = re.search(rf"{KUBELET}: ([0-9a-f]+)", before)
    assert found is not None
    old, new = found.group(1), "f" * 64
    site.files[path_of(f"{KUBELET}.sha256")] = new.encode()
    for words in (["lock"], ["lock", "--check"]):
        assert main([*words, str(cluster)]) == 1
        said = capsys.readouterr().err
        assert said.count("error:") == 1
        assert f"{locked}:" in said
        assert "kubelet (artifact 'kubelet' of orchestration/kubernetes) has changed" in said
        assert f"the lock has {old}, {site.url}{path_of(KUBELET)}.sha256 says {new}" in said
        assert f"| {'  '}{KUBELET}: {old}" in said
        assert f"heatgen lock --update {cluster}" in said
        assert locked.read_text() == before
    assert main(["lock", "--update", str(cluster)]) == 0
    assert f"{KUBELET}: was {old}, is {new}" in capsys.readouterr().err
    assert locked.read_text() == before.replace(old, new)


def test_changed_image(
    cluster: Path, locked: Path, site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    """A tag that was moved is an error, too."""
    site.files["/v2/pause/manifests/3.10.1"] = b"{}"
    assert main(["lock", str(cluster)]) == 1
    said = capsys.readouterr().err
    assert "pause:3.10.1 (image 'pause' of runtime/containerd) has changed" in said
    assert DIGEST in said


def test_stale_lock(
    cluster: Path, locked: Path, site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    """When cluster.yaml has changed, --check says what lacks and what is too much."""
    with cluster.open("a") as file:
        file.write("kvstore: {version: 3.6.99}\n")
    assert main(["lock", "--check", str(cluster)]) == 1
    said = capsys.readouterr().err
    base = "https://github.com/etcd-io/etcd/releases/download"
    new = f"{base}/v3.6.99/etcd-v3.6.99-linux-amd64.tar.gz"
    old = f"{base}/v3.6.16/etcd-v3.6.16-linux-amd64.tar.gz"
    assert f"lacks {new} (artifact 'etcd' of kvstore/etcd)" in said
    assert f"{old} is not wanted by this cluster" in said
    assert f"run 'heatgen lock {cluster}'" in said
    # That version is not at the mirror: said in the same report.
    assert "HTTP 404" in said
    # Rendering asks nobody: it says what lacks.
    del site.requests[:]
    assert main(["render", str(cluster)]) == 2
    assert f"there is no checksum of {new}" in capsys.readouterr().err
    assert site.requests == []
    sums = f"{'a' * 64}  etcd-v3.6.99-linux-amd64.tar.gz".encode()
    site.files[path_of(f"{base}/v3.6.99/SHA256SUMS")] = sums
    assert main(["lock", str(cluster)]) == 0
    said = capsys.readouterr().err
    assert f"{new}: new" in said
    assert f"{old}: not wanted any more" in said
    assert main(["lock", "--check", str(cluster)]) == 0


def test_check_without_lock(cluster: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """There is nothing to check, and nothing is made."""
    assert main(["lock", "--check", str(cluster)]) == 1
    assert f"run 'heatgen lock {cluster}'" in capsys.readouterr().err
    assert not cluster.with_suffix(".lock.yaml").exists()


def test_sources_that_are_away(
    cluster: Path, locked: Path, site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    """A source without answer is a failed operation, and the lock stays as it was."""
    before = locked.read_text()
    site.statuses[path_of(f"{KUBELET}.sha256")] = [500] * 99
    for words in (["lock"], ["lock", "--check"], ["lock", "--update"]):
        assert main([*words, str(cluster)]) == 1
        assert "HTTP 500" in capsys.readouterr().err
        assert locked.read_text() == before


def test_lock_edited_by_hand(
    cluster: Path, locked: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A bad sum is told with its place by whoever reads the lock; it is invalid input."""
    locked.write_text(re.sub(rf"({KUBELET}: )[0-9a-f]+", r"\1oops", locked.read_text()))
    for words in (["lock"], ["lock", "--check"], ["lock", "--update"], ["render"]):
        assert main([*words, str(cluster)]) == 2
        said = capsys.readouterr().err
        assert re.search(rf"{re.escape(str(locked))}:\d+:\d+: error: artifacts\.", said)
        assert "must be a SHA-256 in hex, not 'oops'" in said


def test_artifact_that_nobody_knows(
    cluster: Path, locked: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An artifact put in by hand is told with its place; the next lock drops it."""
    text = locked.read_text()
    locked.write_text(
        text.replace("artifacts:\n", f"artifacts:\n  https://a.example/b: {'0' * 64}\n")
    )
    assert main(["lock", "--check", str(cluster)]) == 1
    assert f"{locked}:5:3: error: https://a.example/b is not wanted" in capsys.readouterr().err
    assert main(["lock", str(cluster)]) == 0
    assert locked.read_text() == text


def test_render_makes_the_lock(
    cluster: Path, site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a lock, rendering makes it once and says so; after that nobody is asked."""
    target = cluster.with_name("out.yaml")
    assert main(["render", str(cluster), "-o", str(target)]) == 0
    path = cluster.with_suffix(".lock.yaml")
    assert f"{path}: is missing and made now" in capsys.readouterr().err
    first = target.read_text()
    del site.requests[:]
    assert main(["render", str(cluster), "-o", str(target)]) == 0
    assert "is missing" not in capsys.readouterr().err
    assert site.requests == []
    assert target.read_text() == first


def test_render_without_lock_and_sources(
    cluster: Path, site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is left behind when the lock cannot be made."""
    site.files.clear()
    assert main(["render", str(cluster)]) == 1
    said = capsys.readouterr()
    assert "HTTP 404" in said.err
    assert said.out == ""
    assert [path.name for path in cluster.parent.iterdir()] == ["cluster.yaml"]


def test_locks_at_once(cluster: Path, site: Site) -> None:
    """Whoever locks at the same time: one whole lock, and nothing beside it."""
    cluster_files = project.load(cluster)

    def work(number: int) -> None:
        for turn in range(5):
            # Each time other bytes, so that each time the lock is written.
            site.files["/v2/pause/manifests/3.10.1"] = f"{{{number}{turn}}}".encode()
            project.make_lock(cluster_files, lambda _: None, update=True)
            project.lock_or_make(cluster_files, lambda _: None)

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(work, range(3))) == [None] * 3
    names = {path.name for path in cluster.parent.iterdir()}
    assert names == {"cluster.yaml", "cluster.lock.yaml"}


def test_interrupted(cluster: Path, site: Site) -> None:
    """Ctrl-C ends at once, whatever servers do: exit code 130, no lock and no traceback."""
    site.meeting = threading.Barrier(99)
    # What a shell starts in the background ignores Ctrl-C, and so do its children.
    words = ["env", "--default-signal=INT", sys.executable, "-m", "heatgen", "lock", str(cluster)]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as running:
        while not site.requests:
            assert running.poll() is None
            time.sleep(0.01)
        running.send_signal(signal.SIGINT)
        # Long before the time-outs of the silent server.
        _, said = running.communicate(timeout=20)
    site.meeting.abort()
    assert running.returncode == 130
    assert "Traceback" not in said
    assert [path.name for path in cluster.parent.iterdir()] == ["cluster.yaml"]
