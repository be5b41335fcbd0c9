# SPDX-License-Identifier: Apache-2.0
"""Edge: the key that opens backups of etcd, and its certificate, to which nodes seal them.

The key never leaves this machine, and an existing key is never overwritten: it is the only one that
opens backups after the loss of all control-plane nodes. The template has only the certificate. The
key may be stored elsewhere; then the certificate alone is used.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from heatgen.project import key_document
from heatgen.project.files import read_file
from heatgen.project.key_document import Draft, Kind
from heatgen.yamlio.codes import Code
from heatgen.yamlio.problems import Problem, ProblemsFound

BEGIN = datetime(2020, 1, 1, tzinfo=UTC)
DAYS = 36500
"""Validity of the certificate: openssl does not seal to one that has expired."""
MAX_NAME = 64
"""Largest common name in X.509, in bytes."""


def draft(key_file: Path, certificate_file: Path, cluster: str) -> Draft:
    """Read key and certificate, or create them in memory.

    See :func:`heatgen.project.key_document.draft`.
    """
    return key_document.draft(CERTIFICATE, key_file, certificate_file, cluster)


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


def _public_key(certificate: str) -> object:
    return x509.load_pem_x509_certificate(certificate.encode()).public_key()


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


CERTIFICATE = Kind(
    noun="certificate",
    invalid_key=Code.INVALID_BACKUP_KEY,
    mismatch=Code.BACKUP_KEY_MISMATCH,
    mismatch_hint="restore the key of this certificate: backups that exist are sealed to it",
    read=read_certificate,
    create=_certificate,
    public_key=_public_key,
)
"""The certificate to which backups are sealed."""
