# SPDX-License-Identifier: Apache-2.0
"""Edge: private keys that heatgen creates beside ``cluster.yaml``: EC P-256, unencrypted PEM."""

from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from heatgen.project.files import read_file
from heatgen.yamlio.codes import Code
from heatgen.yamlio.problems import Problem, ProblemsFound


def create() -> ec.EllipticCurvePrivateKey:
    """Return a new key."""
    return ec.generate_private_key(ec.SECP256R1())


def pem(key: ec.EllipticCurvePrivateKey) -> str:
    """Return a key as the text of its file."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def read(path: Path, code: Code) -> ec.EllipticCurvePrivateKey:
    """Return the key in a file.

    Args:
        path: the file.
        code: code of the problem that is raised if it is not such a key.

    Raises:
        ProblemsFound: the file cannot be read, or is not an unencrypted EC key.
    """
    try:
        key = serialization.load_pem_private_key(read_file(path), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        message = "not an unencrypted EC key in PEM format"
        hint = "move the file away: heatgen does not overwrite it"
        raise ProblemsFound([Problem(str(path), None, message, hint, code=code)])
    return key


def public(key: object) -> bytes:
    """Return a public key as bytes, for comparison; b"" if it is not an EC key."""
    if not isinstance(key, ec.EllipticCurvePublicKey):
        return b""
    return key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
