# SPDX-License-Identifier: Apache-2.0
"""Looking for secrets in heaps of bytes, however they may have been wrapped on their way there.

A secret's bytes may lie there as they are, in hexadecimal, or in base64 at any of three offsets,
its lines broken anywhere, its line ends escaped by JSON and once more by a dump. Base64 may lie
within base64 (a kubeconfig holds PEM so, Nova a server's user data).
"""

import base64
import binascii
import re

# A line end as it may come: real, or escaped any number of times. Blanks fall with it.
LINE_ENDS = re.compile(rb"\\+[nr]|\s+")
# What is base64 and long enough to hold a key; URL-safe as well.
WRAPPED = re.compile(rb"[A-Za-z0-9+/_-]{80,}={0,2}")
DEPTH = 3

PRIVATE_KEY = re.compile(rb"-----BEGIN[A-Z]*PRIVATEKEY-----[A-Za-z0-9+/]{16}")
TOKEN = re.compile(rb"eyJ[A-Za-z0-9_-]{16,}\.eyJ[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}")


def encodings(secret: bytes) -> set[bytes]:
    """Return the forms in which a secret's bytes may show in `layers`."""
    found = {secret, secret.hex().encode(), secret.hex().upper().encode()}
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + secret)
        # The first and last characters hold bits of the neighbours, too.
        begin, end = (0, 2, 3)[offset], len(encoded) - (4 if (offset + len(secret)) % 3 else 0)
        found |= {encoded[begin:end], encoded[begin:end].translate(bytes.maketrans(b"+/", b"-_"))}
    return found


def decodings(heap: bytes, depth: int = DEPTH) -> list[bytes]:
    """Return a heap as it is, without its line ends, and whatever base64 in it wraps."""
    flat = LINE_ENDS.sub(b"", heap)
    found = [heap, flat]
    if depth and (inner := b"\n".join(map(unwrapped, {*WRAPPED.findall(flat)}))):
        found += decodings(inner, depth - 1)
    return found


def unwrapped(text: bytes) -> bytes:
    """Return what base64 holds, read from each of its first four characters.

    Which one begins it is not known: without the blanks between them, words run together.
    """
    plain = text.translate(bytes.maketrans(b"-_", b"+/")).rstrip(b"=")
    parts = [plain[begin:] for begin in range(4)]
    return b"\n".join(binascii.a2b_base64(part[: len(part) // 4 * 4]) for part in parts)


def contains(secret: bytes, heap: list[bytes]) -> bool:
    """Tell whether a secret shows in a heap's layers, in any form."""
    return any(form in layer for form in encodings(secret) for layer in heap)
