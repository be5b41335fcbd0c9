# SPDX-License-Identifier: Apache-2.0
"""Tests of the gzip encoder: every decoder restores the data, and the output never changes."""

import gzip
import hashlib
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heatgen.project import block_loader
from heatgen.render import gzip_member

# Few different bytes give long copies, and repeated parts distances of all sizes.
DATA = st.one_of(
    st.binary(max_size=2000),
    st.text("ab", max_size=2000).map(str.encode),
    st.builds(lambda part, between: part + between + part, st.binary(), st.binary(max_size=500)),
)


@given(DATA)
@settings(max_examples=150, deadline=None)
def test_round_trip(data: bytes) -> None:
    """Decompression restores any data, checks its CRC, and finds nothing after it."""
    assert gzip.decompress(gzip_member.compress(data)) == data


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(range(256)) * 2,
        b"x" * 70_000,
        *(b"abc" + bytes(size) + b"abc" for size in (32_764, 32_765, 32_766)),
        *(b"z" * size for size in (1, 2, 3, 4, 10, 11, 257, 258, 259, 260, 261, 517)),
        b"".join(number.to_bytes(2, "big") for number in range(20_000)) * 2,
    ],
    ids=len,
)
def test_boundaries(data: bytes) -> None:
    """Lengths and distances at the limits of the format are encoded correctly."""
    assert gzip.decompress(gzip_member.compress(data)) == data


def test_one_member() -> None:
    """The output is one member without time, name or rest."""
    packed = gzip_member.compress(b"text")
    decoder = zlib.decompressobj(wbits=31)
    assert decoder.decompress(packed) == b"text"
    assert (decoder.eof, decoder.unused_data) == (True, b"")
    assert packed[:10] == b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"


def test_same_bytes() -> None:
    """The output is that of every other machine: a change would change the user data."""
    text = b"".join(b"line %d of %d\n" % (number, number % 7) for number in range(500))
    digest = hashlib.sha256(gzip_member.compress(text)).hexdigest()
    assert digest == "9403284e0cb58cf059e991087742843d6c9a7aea157cb379ef84f25a7a31c4a3"


@pytest.mark.parametrize("agent", ["agent/heatgen-agent", "agent/heatgen-agent.sh"])
def test_size(agent: str) -> None:
    """Agents are compressed nearly as well as by zlib."""
    text = block_loader.tree()[agent]
    assert len(gzip_member.compress(text)) < 1.25 * len(gzip.compress(text, 9))
    assert len(gzip_member.compress(text)) < len(text) * 0.45
