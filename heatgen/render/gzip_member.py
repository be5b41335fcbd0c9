# SPDX-License-Identifier: Apache-2.0
"""gzip with the same output on every machine (RFC 1951, RFC 1952).

The output of zlib differs between its versions and builds (zlib-ng, zlib with the code of Intel or
IBM), but equal input must give an equal template. Ignition reads only gzip, not bzip2, hence this
encoder: one block with the fixed codes of RFC 1951. Its output is a tenth to a fifth larger than
that of zlib.
"""

import zlib
from collections.abc import Iterator

_HEADER = b"\x1f\x8b\x08" + bytes(4) + b"\x00" + b"\x00\xff"
"""Method deflate, no flags, no time, no extra flags, unknown system."""
_FINAL_FIXED = (0b011, 3)
"""Header of the only block: it is the last one, and uses the fixed codes."""
_END = 256

_WINDOW = 32768
_SHORTEST, _LONGEST = 3, 258
_TRIES = 48
"""Earlier places to compare with: more find longer copies, but take more time."""

Bits = tuple[int, int]
"""A value and its number of bits; the lowest bit comes first."""
Copy = tuple[int, int]
"""A length and a distance; length 0: no copy."""


def compress(data: bytes) -> bytes:
    """Return a gzip member with the data."""
    value, count = 0, 0
    out = bytearray(_HEADER)
    for bits, width in _block(data):
        value |= bits << count
        count += width
        while count >= 8:
            out.append(value & 0xFF)
            value >>= 8
            count -= 8
    if count:
        out.append(value)
    size = len(data) & 0xFFFFFFFF
    return bytes(out) + zlib.crc32(data).to_bytes(4, "little") + size.to_bytes(4, "little")


def _block(data: bytes) -> Iterator[Bits]:
    """Yield the bits of a block: literal bytes, and copies of earlier text."""
    yield _FINAL_FIXED
    copies = _copies(data)
    place = 0
    while place < len(data):
        length, distance = copies[place]
        # A byte is worth a literal if the copy that begins after it is longer.
        later = copies[place + 1][0] if place + 1 < len(data) else 0
        if length and length >= later:
            yield from _LENGTHS[length]
            yield from _distance(distance)
            place += length
        else:
            yield _CODES[data[place]]
            place += 1
    yield _CODES[_END]


def _copies(data: bytes) -> list[Copy]:
    """Return the longest copy at each place of the data, the nearest of equal ones."""
    places: dict[bytes, list[int]] = {}
    found: list[Copy] = []
    for place in range(len(data)):
        earlier = places.setdefault(data[place : place + _SHORTEST], [])
        length, distance = 0, 0
        longest = min(_LONGEST, len(data) - place)
        for start in reversed(earlier[-_TRIES:]):
            if place - start > _WINDOW or length == longest:
                break
            # Only a copy that includes the next byte, too, is longer.
            if data[start + length] == data[place + length]:
                common = _common(data, start, place, longest)
                if common > length:
                    length, distance = common, place - start
        found.append((length, distance) if length >= _SHORTEST else (0, 0))
        earlier.append(place)
    return found


def _common(data: bytes, first: int, second: int, longest: int) -> int:
    """Return the number of equal bytes at two places, at most ``longest``."""
    length = 0
    while length < longest and data[first + length] == data[second + length]:
        length += 1
    return length


def _reversed(value: int, width: int) -> int:
    """Return a value with its bits in reverse order: the highest bit of a code comes first."""
    return int(f"{value:0{width}b}"[::-1], 2)


def _codes() -> list[Bits]:
    """Return the fixed codes of literals, end and lengths."""
    ranges = ((0, 143, 8, 0x30), (144, 255, 9, 0x190), (256, 279, 7, 0), (280, 287, 8, 0xC0))
    return [
        (_reversed(code + symbol - first, width), width)
        for first, last, width, code in ranges
        for symbol in range(first, last + 1)
    ]


_CODES = _codes()


def _lengths() -> dict[int, tuple[Bits, Bits]]:
    """Return the code and the extra bits of each length."""
    found: dict[int, tuple[Bits, Bits]] = {}
    length = _SHORTEST
    for number in range(28):
        width = max(0, number // 4 - 1)
        for extra in range(1 << width):
            found[length] = (_CODES[_END + 1 + number], (extra, width))
            length += 1
    return found | {_LONGEST: (_CODES[285], (0, 0))}


_LENGTHS = _lengths()


def _distance(distance: int) -> Iterator[Bits]:
    """Yield the code and the extra bits of a distance."""
    rest = distance - 1
    width = max(0, rest.bit_length() - 2)
    number = rest if rest < 2 else 2 * width + (rest >> width)
    yield _reversed(number, 5), 5
    yield rest & ((1 << width) - 1), width
