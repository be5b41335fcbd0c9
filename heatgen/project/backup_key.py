# SPDX-License-Identifier: Apache-2.0
"""Edge: the key that opens backups of etcd, and its certificate, to which nodes seal them.

The key never leaves this machine, and an existing key is never overwritten: it is the only one that
opens backups after the loss of all control-plane nodes. The template has only the certificate. The
key may be stored elsewhere; then the certificate alone is used.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from heatgen.project import private_key
from heatgen.project.files import create_file, present, read_file
from heatgen.yamlio.codes import Code
from heatgen.yamlio.problems import Problem, ProblemsFound

BEGIN = datetime(2020, 1, 1, tzinfo=UTC)
DAYS = 36500
"""Validity of the certificate: openssl does not seal to one that has expired."""
MAX_NAME = 64
"""Largest common name in X.509, in bytes."""


@dataclass(frozen=True, kw_only=True)
class Draft:
    """Key and certificate as they are, or would be created."""

    key_file: Path
    certificate_file: Path
    cluster: str
    certificate: str
    """PEM."""
    new_key: str
    """The key (PEM) that has to be written; '' for none."""
    new_certificate: bool
    """Whether the certificate has to be written."""


def draft(key_file: Path, certificate_file: Path, cluster: str) -> Draft:
    """Read key and certificate, or create them in memory.

    Args:
        key_file: EC P-256 key, PEM, mode 0600.
        certificate_file: its self-signed certificate, PEM.
        cluster: name of the cluster, part of the certificate's name.

    Raises:
        ProblemsFound: a file is malformed, or key and certificate do not match.
    """
    known, exists = present(key_file), present(certificate_file)
    key = private_key.read(key_file, Code.INVALID_BACKUP_KEY) if known else None
    pem = ""
    if exists:
        text = read_certificate(certificate_file)
        if key is not None:
            _check_match(certificate_file, text, key_file, key)
    else:
        if key is None:
            key = private_key.create()
            pem = private_key.pem(key)
        text = _certificate(key, cluster)
    return Draft(
        key_file=key_file,
        certificate_file=certificate_file,
        cluster=cluster,
        certificate=text,
        new_key=pem,
        new_certificate=not exists,
    )


def keep(draft: Draft) -> str:
    """Write what is new in a draft; return the certificate that is in its file then.

    It is another one if a concurrent run has created key or certificate since the draft.

    Raises:
        ProblemsFound: a file cannot be written, or those of the concurrent run are not usable.
    """
    # The key first: a killed run leaves a key from which the next one creates the certificate.
    written = not draft.new_key or create_file(draft.key_file, draft.new_key, 0o600)
    if written and draft.new_certificate:
        written = create_file(draft.certificate_file, draft.certificate)
    if written:
        return draft.certificate
    return keep(_draft_again(draft))


def _draft_again(old: Draft) -> Draft:
    return draft(old.key_file, old.certificate_file, old.cluster)


def read_certificate(path: Path) -> str:
    """Return the certificate in a file (PEM), without anything else in the file.

    Raises:
        ProblemsFound: the file cannot be read, or has no certificate with an EC key.
    """
    try:
        found = x509.load_pem_x509_certificate(read_file(path))
        usable = isinstance(found.public_key(), ec.EllipticCurvePublicKey)
    except ValueError:
        usable = False
    if not usable:
        message = "not a certificate of an EC key in PEM format"
        hint = "restore the file, or remove it: it will be recreated from the key"
        problem = Problem(str(path), None, message, hint, code=Code.INVALID_BACKUP_CERTIFICATE)
        raise ProblemsFound([problem])
    return found.public_bytes(serialization.Encoding.PEM).decode()


def _check_match(
    certificate_file: Path, certificate: str, key_file: Path, key: ec.EllipticCurvePrivateKey
) -> None:
    """Raise if a certificate belongs to another key."""
    found = x509.load_pem_x509_certificate(certificate.encode()).public_key()
    if private_key.public(found) != private_key.public(key.public_key()):
        message = f"the certificate does not belong to the key {key_file}"
        hint = "restore the key of this certificate: backups that exist are sealed to it"
        code = Code.BACKUP_KEY_MISMATCH
        raise ProblemsFound([Problem(str(certificate_file), None, message, hint, code=code)])


def _certificate(key: ec.EllipticCurvePrivateKey, cluster: str) -> str:
    common = f"backups of {cluster}".encode()[:MAX_NAME].decode(errors="ignore")
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=True,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(BEGIN)
        .not_valid_after(BEGIN + timedelta(days=DAYS))
        .add_extension(usage, critical=True)
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
