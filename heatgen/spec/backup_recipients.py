# SPDX-License-Identifier: Apache-2.0
"""``access.backup_recipients``: certificates to which nodes seal backups of etcd.

The command ``openssl cms`` on nodes seals to elliptic curves of NIST and to RSA keys.
"""

from collections.abc import Iterator

from heatgen.spec.model import Spec
from heatgen.yamlio.codes import Code
from heatgen.yamlio.document import Document, dotted
from heatgen.yamlio.problems import Problem

_PATH = ("access", "backup_recipients")
MIN_RSA = 2048
"""Bits."""


def check(document: Document, spec: Spec) -> Iterator[Problem]:
    """Check that backups can be sealed to each certificate, and that there are backups."""
    text = spec.access.backup_recipients
    if not text:
        return
    if not spec.backed_up:
        message = f"{dotted(_PATH)} has an effect only with kvstore.backup: true"
        hint = "remove the key, or set kvstore.backup: true"
        yield document.problem(_PATH, message, hint, key=True, code=Code.CONFLICTING_KEYS)
        return
    # Only few clusters have such certificates, and the import takes a while.
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    for number, found in enumerate(x509.load_pem_x509_certificates(text.encode()), start=1):
        key = found.public_key()
        usable = isinstance(key, ec.EllipticCurvePublicKey) or (
            isinstance(key, rsa.RSAPublicKey) and key.key_size >= MIN_RSA
        )
        if not usable:
            message = (
                f"{dotted(_PATH)}: the key of certificate {number} cannot open backups: it must be "
                f"an elliptic curve, or RSA with at least {MIN_RSA} bits"
            )
            hint = "create a certificate with another key, such as 'openssl req -x509 -newkey ec'"
            yield document.problem(_PATH, message, hint, code=Code.INVALID_FORMAT)
