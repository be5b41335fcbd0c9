# SPDX-License-Identifier: Apache-2.0
"""Facts as JSON files, and conversion of plain JSON to dataclasses."""

import dataclasses
import functools
import gzip
import json
import types
import typing
import zlib
from pathlib import Path
from typing import Any

from conformance.facts.model import FORMAT, Facts
from conformance.outcome import Unavailable


class FactsError(ValueError):
    """A file does not contain facts in a supported format."""


def dump(facts: Facts) -> str:
    """Return the facts as sorted JSON, so that recordings can be compared line by line."""
    return json.dumps(dataclasses.asdict(facts), indent=1, sort_keys=True) + "\n"


def write(path: Path, text: str) -> None:
    """Write dumped facts; compressed, reproducibly, if the file name ends in ``.gz``."""
    data = text.encode()
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)


def read(path: Path) -> Any:
    """Return the JSON in a file, which may be compressed.

    Raises:
        FactsError: the file cannot be read or is not JSON.
    """
    try:
        data = path.read_bytes()
        return json.loads(gzip.decompress(data) if path.suffix == ".gz" else data)
    except (OSError, EOFError, ValueError, zlib.error) as problem:
        raise FactsError(f"{path}: {problem}") from None


def load(path: Path) -> Facts:
    """Read a facts file.

    Raises:
        FactsError: the file cannot be read, is not JSON, or does not match the schema.
    """
    plain = read(path)
    if not isinstance(plain, dict) or plain.get("format") != FORMAT:
        raise FactsError(
            f"{path}: not a facts file of format {FORMAT}; create one with --save-facts"
        )
    try:
        return typing.cast("Facts", from_plain(Facts, plain))
    except (TypeError, KeyError, AttributeError, ValueError) as problem:
        raise FactsError(f"{path}: {problem}") from None


def from_plain(kind: Any, plain: Any) -> Any:
    """Convert parsed JSON to a value of type ``kind``.

    Raises:
        TypeError: the JSON does not match the type.
    """
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return plain
    if origin in (types.UnionType, typing.Union):
        return _from_union(arguments, plain)
    if origin is list and isinstance(plain, list):
        return [from_plain(arguments[0], item) for item in plain]
    if origin is dict and isinstance(plain, dict):
        return {key: from_plain(arguments[1], item) for key, item in plain.items()}
    if dataclasses.is_dataclass(kind) and isinstance(kind, type) and isinstance(plain, dict):
        hints = _hints(kind)
        unknown = set(plain) - set(hints)
        if unknown:
            raise TypeError(f"unknown keys in {kind.__name__}: {', '.join(sorted(unknown))}")
        return kind(**{key: from_plain(hints[key], item) for key, item in plain.items()})
    if kind is float and isinstance(plain, int) and not isinstance(plain, bool):
        return float(plain)
    if isinstance(kind, type) and type(plain) is kind:
        return plain
    raise TypeError(f"expected {getattr(kind, '__name__', kind)}, found {plain!r}"[:300])


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _from_union(kinds: tuple[Any, ...], plain: Any) -> Any:
    if plain is None and type(None) in kinds:
        return None
    if Unavailable in kinds and isinstance(plain, dict) and "unasked" in plain:
        return from_plain(Unavailable, plain)
    rest = [kind for kind in kinds if kind not in (type(None), Unavailable)]
    return from_plain(rest[0], plain)
