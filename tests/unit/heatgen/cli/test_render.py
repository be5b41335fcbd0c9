# SPDX-License-Identifier: Apache-2.0
"""``heatgen render``."""

import shutil
import stat
from pathlib import Path

import pytest
from cryptography.x509.oid import NameOID

from heatgen.cli.main import main
from tests.golden.cases import CASES
from tests.unit.heatgen.support import pki

CASE = CASES / "minimal"


def test_render_to_stdout(cluster: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Only the template is written to stdout."""
    assert main(["render", str(cluster)]) == 0
    assert capsys.readouterr().out == (CASE / "generated.yaml").read_text()


def test_render_to_file(cluster: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With -o the file is written, and stdout is empty."""
    target = cluster.with_name("out.yaml")
    assert main(["render", str(cluster), "-o", str(target)]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "bytes" in captured.err
    assert target.read_text() == (CASE / "generated.yaml").read_text()


def test_notices(cluster: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A cluster whose API is not reachable is rendered with a note."""
    assert main(["render", str(cluster)]) == 0
    assert "note: access.api" in capsys.readouterr().err
    with cluster.open("a") as file:
        file.write("access: {api: [198.51.100.0/24]}\n")
    assert main(["render", str(cluster)]) == 0
    assert "note:" not in capsys.readouterr().err


def test_missing_key(cluster: Path) -> None:
    """Without a request, key and request are created next to the cluster's file."""
    cluster.with_name("cluster.admin.csr").unlink()
    assert main(["render", str(cluster), "-o", str(cluster.with_name("o"))]) == 0
    key = cluster.with_name("cluster.admin.key")
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_missing_backup_key(cluster: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a certificate for backups, the key is created, but not where backups are disabled."""
    key, certificate = (cluster.with_name(f"cluster.backup.{end}") for end in ("key", "crt"))
    certificate.unlink()
    text = cluster.read_text()
    cluster.write_text(f"{text}kvstore: {{backup: false}}\n")
    assert main(["render", str(cluster), "-o", str(cluster.with_name("o"))]) == 0
    assert not key.exists()
    cluster.write_text(text)
    assert main(["render", str(cluster), "-o", str(cluster.with_name("o"))]) == 0
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert f"{key}: created; store a copy" in capsys.readouterr().err
    assert "PRIVATE KEY" not in cluster.with_name("o").read_text()
    secret = key.read_text()
    certificate.unlink()
    assert main(["render", str(cluster), "-o", str(cluster.with_name("o"))]) == 0
    assert key.read_text() == secret
    assert "created; store" not in capsys.readouterr().err


def test_missing_output_folder(cluster: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An output file in a missing folder is an error."""
    output = cluster.parent / "no" / "o"
    assert main(["render", str(cluster), "-o", str(output)]) == 2
    assert f"{output}: error[file-not-writable]: " in capsys.readouterr().err


def own(cluster: Path) -> list[str]:
    """Return the names of the files in the folder of a cluster."""
    return sorted(path.name for path in cluster.parent.iterdir())


@pytest.mark.parametrize("name", [
    "cluster.yaml", "cluster.lock.yaml", "cluster.admin.key", "cluster.admin.csr",
    "cluster.backup.key", "cluster.backup.crt",
    "cluster.admin.new.key", "cluster.admin.new.csr",
])  # fmt: skip
def test_own_files(name: str, cluster: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file of the cluster is not overwritten by its template, also before it exists."""
    target, before = cluster.with_name(name), own(cluster)
    text = target.read_bytes() if target.exists() else None
    for spelling in (target, cluster.parent / ".." / cluster.parent.name / name):
        assert main(["render", str(cluster), "-o", str(spelling)]) == 2
        assert f"{spelling}: error[output-is-input]: " in capsys.readouterr().err
    assert own(cluster) == before
    assert (target.read_bytes() if target.exists() else None) == text


def test_other_files(cluster: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is not a template, such as another cluster's key, is not overwritten."""
    other, target = cluster.with_name("other.admin.key"), cluster.with_name("out.yaml")
    other.write_text("-----BEGIN PRIVATE KEY-----")
    assert main(["render", str(cluster), "-o", str(other)]) == 2
    assert f"{other}: error[file-exists]: " in capsys.readouterr().err
    assert other.read_text() == "-----BEGIN PRIVATE KEY-----"
    for text in ("", "heat_template_version: 2018-08-31\n", "# Made by heatgen 0.1"):
        target.write_text(text)
        assert main(["render", str(cluster), "-o", str(target)]) == 0


@pytest.mark.parametrize("output", ["no/o", "loop", "."])
def test_no_key_of_a_failed_render(output: str, cluster: Path) -> None:
    """If the output cannot be written, no key is created."""
    cluster.with_name("cluster.admin.csr").unlink()
    cluster.with_name("loop").symlink_to("loop")
    before = own(cluster)
    assert main(["render", str(cluster), "-o", str(cluster.parent / output)]) == 2
    assert own(cluster) == before


def test_foreign_request(cluster: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A request that the cluster does not sign is an error with the file as its place."""
    request = cluster.with_name("cluster.admin.csr")
    request.write_bytes(pki.request(
        (NameOID.ORGANIZATION_NAME, "system:masters"), (NameOID.COMMON_NAME, "alice")
    ))  # fmt: skip
    for command in ("render", "plan"):
        assert main([command, str(cluster)]) == 2
        assert f"{request}: error[admin-request-subject]: " in capsys.readouterr().err


def test_locked(cluster: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --locked the same template is written, and nothing else."""
    before = own(cluster)
    assert main(["render", str(cluster), "--locked"]) == 0
    assert capsys.readouterr().out == (CASE / "generated.yaml").read_text()
    assert own(cluster) == before


def test_locked_without_files(cluster: Path, capsys: pytest.CaptureFixture[str],
                              monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    """With --locked nothing is created or fetched: all missing files are errors."""
    monkeypatch.setattr("heatgen.project.lock.resolve", lambda *_: 1 / 0)
    lock, request, backup = (
        cluster.with_name(f"cluster.{end}") for end in ("lock.yaml", "admin.csr", "backup.crt")
    )
    complete = lock.read_text()
    lock.unlink()
    request.unlink()
    backup.unlink()
    before = own(cluster)
    assert main(["render", str(cluster), "--locked"]) == 2
    err = capsys.readouterr().err
    assert f"{lock}: error[missing-lock]: " in err
    assert f"{request}: error[missing-admin-request]: " in err
    assert f"{backup}: error[missing-backup-certificate]: " in err
    lock.write_text(complete)
    assert main(["render", str(cluster), "--locked"]) == 2
    assert "missing-lock" not in capsys.readouterr().err
    lock.unlink()
    assert own(cluster) == before
    shutil.copy(CASE / "cluster.admin.csr", request)
    shutil.copy(CASE / "cluster.backup.crt", backup)
    lock.write_text("".join(line for line in complete.splitlines(keepends=True)
                            if "kubelet" not in line))  # fmt: skip
    assert main(["render", str(cluster), "--locked"]) == 2
    assert f"{lock}: error[incomplete-lock]: " in capsys.readouterr().err
