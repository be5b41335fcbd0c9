# SPDX-License-Identifier: Apache-2.0
"""What a step leaves behind so that the next run knows: stamps of content, and seconds."""

import hashlib
import json
from pathlib import Path
from typing import Any

from lab.cloud import paths

STAMPS = "stamps.json"


def digest(*parts: str | bytes | Path) -> str:
    """Return one digest of texts, bytes and files' contents."""
    whole = hashlib.sha256()
    for part in parts:
        content = part.read_bytes() if isinstance(part, Path) else part
        data = content.encode() if isinstance(content, str) else content
        whole.update(hashlib.sha256(data).digest())
    return whole.hexdigest()


def stamped(directory: Path, name: str, value: str) -> bool:
    """Tell whether a step left this stamp in a directory last time."""
    return bool(read(directory / STAMPS).get(name) == value)


def stamp(directory: Path, name: str, value: str) -> None:
    """Leave a stamp in a directory."""
    write(directory / STAMPS, {**read(directory / STAMPS), name: value})


def add_timings(part: str, values: dict[str, float]) -> None:
    """Put one part's figures into the timings, in place of those it had."""
    write(paths.TIMINGS, {**read(paths.TIMINGS), part: values})


def read(path: Path) -> dict[str, Any]:
    """Return a JSON file's object, {} if there is none."""
    return dict(json.loads(path.read_text())) if path.exists() else {}


def write(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(path.name + ".new")
    new.write_text(json.dumps(content, indent=1) + "\n")
    new.rename(path)
