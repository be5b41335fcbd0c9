# SPDX-License-Identifier: Apache-2.0
"""Searching for secrets: every encoding is found, and nothing else."""

import base64
import json
import os
import textwrap

import pytest

from lab.harness import traces

SECRET = os.urandom(32)


def pem(body: bytes) -> bytes:
    """Return bytes as the body of a PEM, with 64 characters per line."""
    lines = "\n".join(textwrap.wrap(base64.b64encode(body).decode(), 64))
    return f"-----BEGIN PRIVATE KEY-----\n{lines}\n-----END PRIVATE KEY-----\n".encode()


def dumped(text: bytes) -> bytes:
    """Return text as in an SQL dump of a column that contains JSON."""
    return json.dumps({"value": text.decode()}).replace("\\", "\\\\").encode()


@pytest.mark.parametrize("before", [0, 1, 2, 36])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda body: body,
        lambda body: body.hex().encode(),
        base64.b64encode,
        pem,
        lambda body: dumped(pem(body)),
        lambda body: base64.b64encode(pem(body)),
        lambda body: dumped(base64.b64encode(b"data: " + base64.b64encode(pem(body)))),
    ],
)
def test_a_secret_is_found_in_every_encoding(before: int, wrap: object) -> None:
    """Raw, hexadecimal, base64, PEM, in JSON in a dump, base64 in base64; at every offset."""
    body = os.urandom(before) + SECRET + os.urandom(65)
    heap = b"x y" + wrap(body) + b"\nz"  # type: ignore[operator]
    assert traces.contains(SECRET, traces.decodings(heap))


def test_another_secret_is_not_found() -> None:
    """The PEM of another secret does not match."""
    assert not traces.contains(SECRET, traces.decodings(dumped(pem(os.urandom(138)))))


def test_patterns_of_private_keys_and_tokens() -> None:
    """A PEM in a dump and a JWT match their patterns; a command with the marker does not."""
    flat = traces.decodings(dumped(pem(SECRET)))[1]
    assert traces.PRIVATE_KEY.search(flat)
    assert not traces.PRIVATE_KEY.search(b"grep-q-----BEGIN.*PRIVATEKEY-----")
    part = base64.urlsafe_b64encode(b'{"alg":"RS256","kid":"xyz"}').rstrip(b"=")
    assert traces.TOKEN.search(b".".join([part, part, b"c2lnbmF0dXJlc2lnbmF0dXJl"]))
