# SPDX-License-Identifier: Apache-2.0
"""Facts as JSON: written to files, read back, and plain JSON as dataclasses."""

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
    """Not a facts file of a format that this suite reads. The message says what and where."""


def dump(facts: Facts) -> str:
    """The facts as JSON, sorted, so that two recordings can be compared line by line."""
    return json.dumps(dataclasses.asdict(facts), indent=1, sort_keys=True) + "\n"


def write(path: Path, text: str) -> None:
    """Keep dumped facts; packed, always to the same bytes, if the file's name ends in .gz."""
    data = text.encode()
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)


def read(path: Path) -> Any:
    """The JSON of a file, which may be packed.

    Raises:
        FactsError: if it cannot be read, or is no JSON.
    """
    try:
        data = path.read_bytes()
        return json.loads(gzip.decompress(data) if path.suffix == ".gz" else data)
    except (OSError, EOFError, ValueError, zlib.error) as problem:
        raise FactsError(f"{path}: {problem}") from None


def load(path: Path) -> Facts:
    """Read a facts file.

    Raises:
        FactsError: if it cannot be read, is no JSON, or has another shape.
    """
    plain = read(path)
    if not isinstance(plain, dict) or plain.get("format") != FORMAT:
        raise FactsError(f"{path}: not a facts file of format {FORMAT}; make one with --save-facts")
    try:
        return typing.cast("Facts", from_plain(Facts, plain))
    except (TypeError, KeyError, AttributeError, ValueError) as problem:
        raise FactsError(f"{path}: {problem}") from None


def from_plain(kind: Any, plain: Any) -> Any:
    """Rebuild a value of type `kind` from parsed JSON.

    Raises:
        TypeError: if the JSON does not have that shape.
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
