# SPDX-License-Identifier: Apache-2.0
"""Certificates in PEM format."""

import re

_CERTIFICATE = re.compile(
    r"-----BEGIN CERTIFICATE-----\n(?:[A-Za-z0-9+/=]+\n)+-----END CERTIFICATE-----"
)
_MARK = "-----BEGIN "
_FOLDED = re.compile(r"-----BEGIN CERTIFICATE----- *[A-Za-z0-9+/]")
_HINT_BLOCK = "paste the certificates unchanged, as a literal block after 'KEY: |'"


class InvalidCertificates(ValueError):
    """A text is not a sequence of certificates; the message is the reason.

    Args:
        reason: for "KEY reason".
        hint: what to do.
        secret: the text contains a private key.
    """

    def __init__(self, reason: str, hint: str, *, secret: bool = False) -> None:
        super().__init__(reason)
        self.hint = hint
        self.secret = secret


def check_certificates(text: str) -> None:
    """Check that a text consists of X.509 certificates in PEM format and nothing else.

    Raises:
        InvalidCertificates: with the reason; the text is not part of it.
    """
    if "PRIVATE KEY" in text:
        reason = "must not contain a private key"
        hint = "remove it: nodes need only certificates"
        raise InvalidCertificates(reason, hint, secret=True)
    if _FOLDED.search(text):
        raise InvalidCertificates("must have line breaks around its base64 lines", _HINT_BLOCK)
    blocks = _split(text)
    for number, block in enumerate(blocks, start=1):
        if not _CERTIFICATE.fullmatch(block):
            reason = "must consist of certificates in PEM format"
            if len(blocks) > 1:
                reason += f": block {number} of {len(blocks)} is not one"
            raise InvalidCertificates(reason, _HINT_BLOCK)
        if not _parses(block):
            reason = (
                f"must consist of X.509 certificates: block {number} of {len(blocks)} is not one"
            )
            raise InvalidCertificates(
                reason, "copy the certificate again: it is incomplete or damaged"
            )


def _split(text: str) -> list[str]:
    """Return the blocks of a text, each from its first line to the next block's."""
    # OpenSSL ignores spaces at the end of lines, but not empty lines within a certificate.
    normal = "\n".join(line.rstrip() for line in text.strip().split("\n"))
    first, *rest = normal.split(_MARK)
    blocks = [f"{_MARK}{part}".strip("\n") for part in rest]
    return [first, *blocks] if first or not blocks else blocks


def _parses(block: str) -> bool:
    # Only few clusters have such certificates, and the import takes a while.
    from cryptography import x509

    try:
        x509.load_pem_x509_certificate(block.encode())
    except ValueError:
        return False
    return True
