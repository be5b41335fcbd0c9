# SPDX-License-Identifier: Apache-2.0
"""The administrator's kubeconfig: what the stack gives, joined with the key that stayed here."""

import base64
from collections.abc import Mapping

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization

from heatgen.yamlio import writer

OUTPUTS = ("api_endpoint", "ca_certificate", "admin_certificate")


class Mismatch(ValueError):
    """Outputs and key do not belong together; the text says how and what to do."""


def build(stack: str, outputs: Mapping[str, str], key: bytes) -> str:
    """The kubeconfig (YAML).

    Args:
        stack: name of the stack; it names cluster, user and context.
        outputs: of the stack, those in :data:`OUTPUTS`.
        key: the administrator's key, PEM.

    Raises:
        Mismatch: an output is missing or not what it should be, the certificate is not the key's,
            or none of the authorities signed it.
    """
    missing = [name for name in OUTPUTS if not outputs.get(name)]
    if missing:
        raise Mismatch(f"the stack has no output {', '.join(missing)}: is it complete?")
    authority, certificate = outputs["ca_certificate"], outputs["admin_certificate"]
    _check(authority, certificate, key)
    cluster = {
        "server": outputs["api_endpoint"],
        "certificate-authority-data": _base64(authority.encode()),
    }
    user = {
        "client-certificate-data": _base64(certificate.encode()),
        "client-key-data": _base64(key),
    }
    admin = f"{stack}-admin"
    return writer.dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": stack, "cluster": cluster}],
            "users": [{"name": admin, "user": user}],
            "contexts": [{"name": stack, "context": {"cluster": stack, "user": admin}}],
            "current-context": stack,
        }
    )


def _check(bundle: str, certificate: str, key: bytes) -> None:
    try:
        # Several while they rotate.
        issuers = x509.load_pem_x509_certificates(bundle.encode())
        leaf = x509.load_pem_x509_certificate(certificate.encode())
    except ValueError:
        raise Mismatch("the stack's outputs hold no certificates: is it complete?") from None
    try:
        private = serialization.load_pem_private_key(key, password=None)
    except (ValueError, TypeError):
        raise Mismatch("the key is not an unencrypted private key in PEM") from None
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    if private.public_key().public_bytes(*form) != leaf.public_key().public_bytes(*form):
        raise Mismatch(
            "the stack's administrator certificate belongs to another key: "
            "give the key that lies beside the stack's cluster.yaml with --key"
        )
    if not any(_issued(leaf, issuer) for issuer in issuers):
        raise Mismatch("the stack's authority did not sign its administrator certificate")


def _issued(leaf: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        leaf.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
