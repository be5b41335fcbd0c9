# SPDX-License-Identifier: Apache-2.0
"""Edge: the administrator's key and certificate request. The key never leaves this machine.

An existing key is never overwritten, because access to the cluster depends on it. It is only
replaced by a new key whose certificate has been issued (:class:`Renewal`). Both files are written
completely or not at all, also by concurrent runs, of which one creates the key.
"""

import getpass
import re
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from heatgen.project import key_document, private_key
from heatgen.project.files import present, read_file, reported
from heatgen.project.key_document import Draft, Kind
from heatgen.yamlio.codes import Code
from heatgen.yamlio.problems import Problem, ProblemsFound

ADMIN_GROUP = "heatgen:cluster-admins"
"""Group of the administrators' certificates; bound to cluster-admin."""
MAX_NAME = 64
"""Largest common name in X.509; counted in bytes, as some libraries do."""
MAX_USER = 30
"""Largest part of a common name that is the user's name, in bytes."""


def draft(key_file: Path, request_file: Path, cluster: str) -> Draft:
    """Read key and request, or create them in memory.

    See :func:`heatgen.project.key_document.draft`. A request is also malformed if the cluster would
    not sign it.
    """
    return key_document.draft(REQUEST, key_file, request_file, cluster)


def admin_request(key_file: Path, request_file: Path, cluster: str) -> str:
    """Return the administrator's certificate request (PEM); create missing key and request.

    See :func:`draft`.
    """
    return key_document.keep(draft(key_file, request_file, cluster))


def read_request(path: Path) -> str:
    """Return the certificate request in a file (PEM), without anything else in the file.

    Raises:
        ProblemsFound: the file has no request, or one that the step ``trust/sign`` would refuse.
    """
    request = _load_request(path)
    if not request.is_signature_valid:
        message = "the certificate request is not signed by its own key"
        raise ProblemsFound([_invalid_request(path, message)])
    subject = [list(part) for part in request.subject.rdns]
    kinds = [item.oid for part in subject for item in part]
    values = [str(item.value) for part in subject for item in part]
    expected = [NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME]
    if (
        len(subject) != len(expected)
        or kinds != expected
        or values[0] != ADMIN_GROUP
        or not re.fullmatch(r"[^,+]+", values[1])
    ):
        message = f"the cluster does not sign the subject {request.subject.rfc4514_string()!r}"
        hint = f"create a request for the subject /O={ADMIN_GROUP}/CN=NAME, without ',' and '+'"
        problem = Problem(str(path), None, message, hint, code=Code.ADMIN_REQUEST_SUBJECT)
        raise ProblemsFound([problem])
    return request.public_bytes(serialization.Encoding.PEM).decode()


def _load_request(path: Path) -> x509.CertificateSigningRequest:
    try:
        request = x509.load_pem_x509_csr(read_file(path))
        # Both are decoded when they are used.
        _ = request.subject, request.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ProblemsFound([_invalid_request(path, "not a certificate request")]) from None
    return request


def _invalid_request(path: Path, message: str) -> Problem:
    hint = "remove it: it will be recreated from the key"
    return Problem(str(path), None, message, hint, code=Code.INVALID_ADMIN_REQUEST)


def _public_key(request: str) -> object:
    return x509.load_pem_x509_csr(request.encode()).public_key()


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

    @property
    def old_request(self) -> Path:
        """File of the old key's request."""
        return self.old_key.with_suffix(".csr")

    @property
    def files(self) -> tuple[Path, ...]:
        """All files of the renewal."""
        return (self.old_key, self.old_request, self.key_file, self.request_file)

    def request(self, cluster: str) -> str:
        """Return the new key's certificate request (PEM); see :func:`admin_request`.

        Raises:
            ProblemsFound: also if a file to be replaced later is not a key or a request.
        """
        if present(self.old_key):
            private_key.read(self.old_key, Code.INVALID_ADMIN_KEY)
        if present(self.old_request):
            _load_request(self.old_request)
        if present(self.request_file) and not present(self.key_file):
            # A run was killed when it had replaced the key.
            with reported(self.request_file, Code.FILE_NOT_WRITABLE):
                self.request_file.unlink()
        return admin_request(self.key_file, self.request_file, cluster)

    def finish(self) -> None:
        """Replace the old key and request with the new ones."""
        # The key first: if this is interrupted, the old request is recreated from the new key.
        with reported(self.old_key, Code.FILE_NOT_WRITABLE):
            self.key_file.replace(self.old_key)
            self.request_file.replace(self.old_request)


def _request(key: ec.EllipticCurvePrivateKey, cluster: str) -> str:
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, ADMIN_GROUP),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name(_user(), cluster)),
        ]
    )
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode()


def common_name(user: str, cluster: str) -> str:
    """Return the name of an administrator, which X.509 and the step ``trust/sign`` accept.

    Characters that have a meaning in subjects, or are not printed, are replaced.
    """
    safe = "".join(c if c.isalnum() or c in "._-" else "-" for c in user).strip("-") or "admin"
    space = min(MAX_USER, MAX_NAME - len(f"@{cluster}".encode()))
    return f"{safe.encode()[:space].decode(errors='ignore')}@{cluster}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return "admin"


REQUEST = Kind(
    noun="certificate request",
    invalid_key=Code.INVALID_ADMIN_KEY,
    mismatch=Code.ADMIN_KEY_MISMATCH,
    mismatch_hint="remove it: it will be recreated from the key",
    read=read_request,
    create=_request,
    public_key=_public_key,
)
"""The administrator's certificate request."""
