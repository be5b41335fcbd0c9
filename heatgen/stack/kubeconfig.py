# SPDX-License-Identifier: Apache-2.0
"""The administrator's kubeconfig, built from outputs of the stack and the local key."""

import base64
from collections.abc import Mapping

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization

from heatgen.yamlio import writer
from heatgen.yamlio.codes import Code

OUTPUTS = ("api_endpoint", "ca_certificate", "admin_certificate")


class Mismatch(ValueError):
    """Outputs and key do not match."""

    def __init__(self, message: str, hint: str, code: Code) -> None:
        super().__init__(message)
        self.hint = hint
        self.code = code


def build(stack: str, outputs: Mapping[str, str], key: bytes) -> str:
    """Return the kubeconfig (YAML).

    Args:
        stack: name of the stack, used as the name of cluster and context and in that of the user.
        outputs: outputs of the stack, at least :data:`OUTPUTS`.
        key: the administrator's key, PEM.

    Raises:
        Mismatch: an output is missing or malformed, the certificate belongs to another key, or
            none of the authorities signed it.
    """
    missing = [name for name in OUTPUTS if not outputs.get(name)]
    if missing:
        message = f"the stack has no output {', '.join(missing)}"
        raise Mismatch(message, _INCOMPLETE.format(stack), Code.INVALID_STACK_OUTPUT)
    authority, certificate = outputs["ca_certificate"], outputs["admin_certificate"]
    _check(stack, authority, certificate, key)
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


_INCOMPLETE = "check that the stack is complete: heatgen status {}"


def _check(stack: str, bundle: str, certificate: str, key: bytes) -> None:
    try:
        # More than one during a rotation.
        issuers = x509.load_pem_x509_certificates(bundle.encode())
        leaf = x509.load_pem_x509_certificate(certificate.encode())
    except ValueError:
        message = "the certificate outputs of the stack are not valid PEM certificates"
        raise Mismatch(message, _INCOMPLETE.format(stack), Code.INVALID_STACK_OUTPUT) from None
    try:
        private = serialization.load_pem_private_key(key, password=None)
    except (ValueError, TypeError):
        message = "the key is not an unencrypted private key in PEM format"
        hint = "pass the administrator's key of the cluster with --key"
        raise Mismatch(message, hint, Code.INVALID_ADMIN_KEY) from None
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    if private.public_key().public_bytes(*form) != leaf.public_key().public_bytes(*form):
        message = "the administrator certificate of the stack belongs to another key"
        hint = "pass the key next to the stack's cluster.yaml with --key"
        raise Mismatch(message, hint, Code.ADMIN_KEY_MISMATCH)
    if not any(_issued(leaf, issuer) for issuer in issuers):
        message = "no authority of the stack signed its administrator certificate"
        hint = "check the outputs ca_certificate and admin_certificate of the stack"
        raise Mismatch(message, hint, Code.CERTIFICATE_NOT_TRUSTED)


def _issued(leaf: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        leaf.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
