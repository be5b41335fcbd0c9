# SPDX-License-Identifier: Apache-2.0
"""Records of completed steps: digests of their inputs, and timings."""

import hashlib
import json
from pathlib import Path
from typing import Any

from lab.cloud import paths

STAMPS = "stamps.json"


def digest(*parts: str | bytes | Path) -> str:
    """Return one digest of texts, bytes and the content of files."""
    combined = hashlib.sha256()
    for part in parts:
        content = part.read_bytes() if isinstance(part, Path) else part
        data = content.encode() if isinstance(content, str) else content
        combined.update(hashlib.sha256(data).digest())
    return combined.hexdigest()


def stamped(directory: Path, name: str, value: str) -> bool:
    """Return whether the last run of a step recorded this stamp in a directory."""
    return bool(read(directory / STAMPS).get(name) == value)


def stamp(directory: Path, name: str, value: str) -> None:
    """Record a stamp in a directory."""
    write(directory / STAMPS, {**read(directory / STAMPS), name: value})


def add_timings(part: str, values: dict[str, float]) -> None:
    """Replace the values of one part of the timings."""
    write(paths.TIMINGS, {**read(paths.TIMINGS), part: values})


def read(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file, {} if the file does not exist."""
    return dict(json.loads(path.read_text())) if path.exists() else {}


def write(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(path.name + ".new")
    new.write_text(json.dumps(content, indent=1) + "\n")
    new.rename(path)
