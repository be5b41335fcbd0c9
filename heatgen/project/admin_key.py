# SPDX-License-Identifier: Apache-2.0
"""Edge: the administrator's key and certificate request. The key never leaves this machine.

An existing key is never overwritten, because access to the cluster depends on it. It is only
replaced by a new key whose certificate has been issued (:class:`Renewal`).
"""

import getpass
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from heatgen.yamlio.codes import Code
from heatgen.yamlio.problems import Problem, ProblemsFound

ADMIN_GROUP = "heatgen:cluster-admins"
"""Group of the administrators' certificates; bound to cluster-admin."""


def admin_request(key_file: Path, request_file: Path, cluster: str) -> str:
    """Return the administrator's certificate request (PEM); create missing key and request.

    An existing request is used without its key, which may be stored elsewhere.

    Args:
        key_file: EC P-256 key, PEM, mode 0600.
        request_file: PKCS #10 request, PEM.
        cluster: name of the cluster, part of the administrator's name.

    Raises:
        ProblemsFound: a file is malformed, or key and request do not match.
    """
    if not request_file.exists():
        key = _read_key(key_file) if key_file.exists() else _create_key(key_file)
        request_file.write_text(_request(key, cluster), "ascii")
    text = request_file.read_text("utf-8", "replace")
    hint = "remove it: it will be recreated from the key"
    try:
        request = x509.load_pem_x509_csr(text.encode())
    except ValueError:
        message = "not a certificate request"
        problem = Problem(str(request_file), None, message, hint, code=Code.INVALID_ADMIN_REQUEST)
        raise ProblemsFound([problem]) from None
    if key_file.exists() and _public(_read_key(key_file).public_key()) != _public(
        request.public_key()
    ):
        message = f"the certificate request does not belong to the key {key_file}"
        problem = Problem(str(request_file), None, message, hint, code=Code.ADMIN_KEY_MISMATCH)
        raise ProblemsFound([problem])
    return text


@dataclass(frozen=True)
class Renewal:
    """A new key and request next to the old ones, until the new certificate is issued.

    After an interruption, the existing new key is used.
    """

    old_key: Path

    @property
    def key_file(self) -> Path:
        """File of the new key."""
        return self.old_key.with_suffix(".new.key")

    @property
    def request_file(self) -> Path:
        """File of the new key's request."""
        return self.old_key.with_suffix(".new.csr")

    def request(self, cluster: str) -> str:
        """Return the new key's certificate request (PEM); see :func:`admin_request`."""
        try:
            return admin_request(self.key_file, self.request_file, cluster)
        except OSError as error:
            problem = Problem(str(self.key_file), None, str(error), code=Code.FILE_NOT_WRITABLE)
            raise ProblemsFound([problem]) from None

    def finish(self) -> None:
        """Replace the old key and request with the new ones."""
        self.request_file.replace(self.old_key.with_suffix(".csr"))
        self.key_file.replace(self.old_key)


def _create_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """Create a key in a file with mode 0600, which is set when the file is created."""
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
        message = "not an unencrypted EC key in PEM format"
        hint = "move the file away: heatgen does not overwrite it"
        problem = Problem(str(path), None, message, hint, code=Code.INVALID_ADMIN_KEY)
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
    """Return the user's name, truncated to fit a common name of at most 64 characters."""
    try:
        return getpass.getuser()[:30]
    except (KeyError, OSError):
        return "admin"


def _public(key: object) -> bytes:
    """Return a public key as bytes, for comparison."""
    if not isinstance(key, ec.EllipticCurvePublicKey):
        return b""
    return key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
