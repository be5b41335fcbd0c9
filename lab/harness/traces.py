# SPDX-License-Identifier: Apache-2.0
"""Search bytes for secrets in any encoding.

A secret may be stored raw, in hexadecimal, or in base64 at any of three offsets, with line breaks
anywhere, which JSON and an SQL dump may escape. Base64 may be nested (PEM in a kubeconfig, user
data in Nova).
"""

import base64
import binascii
import re

# Line ends, real or escaped any number of times, and blanks.
LINE_ENDS = re.compile(rb"\\+[nr]|\s+")
# Base64, standard or URL-safe, long enough for a key.
BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{80,}={0,2}")
DEPTH = 3

PRIVATE_KEY = re.compile(rb"-----BEGIN[A-Z]*PRIVATEKEY-----[A-Za-z0-9+/]{16}")
TOKEN = re.compile(rb"eyJ[A-Za-z0-9_-]{16,}\.eyJ[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}")


def encodings(secret: bytes) -> set[bytes]:
    """Return the encodings of a secret that may occur in `decodings`."""
    found = {secret, secret.hex().encode(), secret.hex().upper().encode()}
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + secret)
        # The first and last characters also encode bits of neighboring bytes.
        begin, end = (0, 2, 3)[offset], len(encoded) - (4 if (offset + len(secret)) % 3 else 0)
        found |= {encoded[begin:end], encoded[begin:end].translate(bytes.maketrans(b"+/", b"-_"))}
    return found


def decodings(data: bytes, depth: int = DEPTH) -> list[bytes]:
    """Return data unchanged, without line ends, and with its base64 decoded."""
    flat = LINE_ENDS.sub(b"", data)
    found = [data, flat]
    if depth and (inner := b"\n".join(map(decoded, {*BASE64.findall(flat)}))):
        found += decodings(inner, depth - 1)
    return found


def decoded(text: bytes) -> bytes:
    """Return base64 text, decoded from each of its first four characters.

    The start is unknown, because the text may follow another word after blanks are removed.
    """
    plain = text.translate(bytes.maketrans(b"-_", b"+/")).rstrip(b"=")
    parts = [plain[begin:] for begin in range(4)]
    return b"\n".join(binascii.a2b_base64(part[: len(part) // 4 * 4]) for part in parts)


def contains(secret: bytes, found: list[bytes]) -> bool:
    """Return whether decodings contain a secret in any encoding."""
    return any(form in each for form in encodings(secret) for each in found)
