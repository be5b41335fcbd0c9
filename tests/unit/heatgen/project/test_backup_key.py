# SPDX-License-Identifier: Apache-2.0
"""The key that opens backups, and its certificate."""

import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509

from heatgen.project import backup_key, key_document
from heatgen.yamlio.codes import Code
from heatgen.yamlio.problems import ProblemsFound
from tests.unit.heatgen.support import pki


def files(folder: Path) -> tuple[Path, Path]:
    """Return the files of key and certificate."""
    return folder / "c.backup.key", folder / "c.backup.crt"


def create(folder: Path) -> str:
    """Create what is missing, and return the certificate."""
    return key_document.keep(backup_key.draft(*files(folder), "demo"))


def test_creation(tmp_path: Path) -> None:
    """The certificate is valid for decades; the key is created once, and closed to others."""
    text = create(tmp_path)
    key, file = files(tmp_path)
    assert file.read_text() == text
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    found = x509.load_pem_x509_certificate(text.encode())
    assert found.subject.rfc4514_string() == "CN=backups of demo"
    assert found.not_valid_before_utc < datetime.now(UTC)
    assert found.not_valid_after_utc.year > 2100
    assert found.extensions.get_extension_for_class(x509.KeyUsage).value.key_agreement
    secret = key.read_bytes()
    assert create(tmp_path) == text
    assert key.read_bytes() == secret


def test_key_elsewhere(tmp_path: Path) -> None:
    """The certificate alone is enough; a lost certificate is recreated for the same key."""
    text = create(tmp_path)
    key, file = files(tmp_path)
    moved = key.rename(tmp_path / "safe")
    assert create(tmp_path) == text
    assert not key.exists()
    moved.rename(key)
    file.unlink()
    renewed = x509.load_pem_x509_certificate(create(tmp_path).encode())
    assert renewed.public_key() == x509.load_pem_x509_certificate(text.encode()).public_key()


def test_long_name(tmp_path: Path) -> None:
    """A long name of a cluster is cut, because X.509 limits common names."""
    draft = backup_key.draft(*files(tmp_path), "ä" * 80)
    assert x509.load_pem_x509_certificate(draft.document.encode()).subject


@pytest.mark.parametrize(
    ("broken", "content", "code"),
    [
        (0, b"no key", Code.INVALID_BACKUP_KEY),
        (0, b"", Code.INVALID_BACKUP_KEY),
        (1, b"no certificate", Code.INVALID_BACKUP_CERTIFICATE),
        (1, b"", Code.INVALID_BACKUP_CERTIFICATE),
    ],
)
def test_malformed(tmp_path: Path, broken: int, content: bytes, code: Code) -> None:
    """A malformed file is an error, and is not overwritten."""
    create(tmp_path)
    file = files(tmp_path)[broken]
    file.write_bytes(content)
    with pytest.raises(ProblemsFound) as found:
        create(tmp_path)
    assert [(item.file, item.code) for item in found.value.problems] == [(str(file), code)]
    assert file.read_bytes() == content


def test_mismatch(tmp_path: Path) -> None:
    """A certificate of another key is an error: that key would not open the backups."""
    create(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    create(other)
    files(other)[0].replace(files(tmp_path)[0])
    with pytest.raises(ProblemsFound) as found:
        create(tmp_path)
    assert [item.code for item in found.value.problems] == [Code.BACKUP_KEY_MISMATCH]


def test_concurrent_run(tmp_path: Path) -> None:
    """If another run creates the key first, its certificate is used."""
    draft = backup_key.draft(*files(tmp_path), "demo")
    first = create(tmp_path)
    assert key_document.keep(draft) == first != draft.document
    assert files(tmp_path)[1].read_text() == first


def test_foreign_kind_of_key(tmp_path: Path) -> None:
    """A certificate of an RSA key is an error: nodes seal with parameters of elliptic curves."""
    files(tmp_path)[1].write_text(pki.rsa_certificate())
    with pytest.raises(ProblemsFound) as found:
        create(tmp_path)
    assert [item.code for item in found.value.problems] == [Code.INVALID_BACKUP_CERTIFICATE]
