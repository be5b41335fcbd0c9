# SPDX-License-Identifier: Apache-2.0
"""Edge: the administrator's key and certificate request. The key never leaves this machine.

An existing key is kept, whatever happens: who loses it loses the way into the cluster. Only a new
key with a certificate of its own takes its place (:class:`Renewal`).
"""

import getpass
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from heatgen.yamlio.problems import Problem, ProblemsFound

ADMIN_GROUP = "heatgen:cluster-admins"
"""The group that the cluster's authority signs administrators into; bound to cluster-admin."""


def admin_request(key_file: Path, request_file: Path, cluster: str) -> str:
    """The administrator's certificate request (PEM); key and request are made if missing.

    A request without a key beside it is taken as it is: its key may lie elsewhere.

    Args:
        key_file: EC P-256 key, PEM, mode 0600.
        request_file: PKCS #10 request, PEM.
        cluster: name of the cluster, part of the administrator's name.

    Raises:
        ProblemsFound: a file is not what it should be, or the two do not belong together.
    """
    if not request_file.exists():
        key = _read_key(key_file) if key_file.exists() else _make_key(key_file)
        request_file.write_text(_request(key, cluster), "ascii")
    text = request_file.read_text("utf-8", "replace")
    try:
        request = x509.load_pem_x509_csr(text.encode())
    except ValueError:
        hint = "remove it: it is made anew from the key"
        problem = Problem(str(request_file), None, "is not a certificate request", hint)
        raise ProblemsFound([problem]) from None
    if key_file.exists() and _public(_read_key(key_file).public_key()) != _public(
        request.public_key()
    ):
        message = f"is not the request of the key {key_file}"
        hint = "remove the request: it is made anew from the key"
        raise ProblemsFound([Problem(str(request_file), None, message, hint)])
    return text


@dataclass(frozen=True)
class Renewal:
    """A new key and request beside the old ones, until the new certificate is there.

    After an interruption the new key that lies there is taken up again.
    """

    old_key: Path

    @property
    def key_file(self) -> Path:
        """The new key."""
        return self.old_key.with_suffix(".new.key")

    @property
    def request_file(self) -> Path:
        """The new key's request."""
        return self.old_key.with_suffix(".new.csr")

    def request(self, cluster: str) -> str:
        """The new key's certificate request (PEM); see :func:`admin_request`."""
        try:
            return admin_request(self.key_file, self.request_file, cluster)
        except OSError as error:
            raise ProblemsFound([Problem(str(self.key_file), None, str(error))]) from None

    def finish(self) -> None:
        """Put the new key and request in the place of the old ones."""
        self.request_file.replace(self.old_key.with_suffix(".csr"))
        self.key_file.replace(self.old_key)


def _make_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """A new key, in a file that is private from its first byte."""
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
    return key


def _read_key(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        hint = "move it away: it is never overwritten"
        problem = Problem(str(path), None, "is not an unencrypted EC key in PEM", hint)
        raise ProblemsFound([problem])
    return key


def _request(key: ec.EllipticCurvePrivateKey, cluster: str) -> str:
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, ADMIN_GROUP),
            x509.NameAttribute(NameOID.COMMON_NAME, f"{_user()}@{cluster}"),
        ]
    )
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode()


def _user() -> str:
    """The user's name, at most so long that it fits a common name (64 characters)."""
    try:
        return getpass.getuser()[:30]
    except (KeyError, OSError):
        return "admin"


def _public(key: object) -> bytes:
    """A public key's bytes, to compare."""
    if not isinstance(key, ec.EllipticCurvePublicKey):
        return b""
    return key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
