# SPDX-License-Identifier: Apache-2.0
"""What a step leaves behind so that the next run knows: stamps of content, and seconds."""

import hashlib
import json
from pathlib import Path
from typing import Any

from cloud import places


def digest(*parts: str | bytes | Path) -> str:
    """Return one digest of texts, bytes and files' contents."""
    whole = hashlib.sha256()
    for part in parts:
        content = part.read_bytes() if isinstance(part, Path) else part
        data = content.encode() if isinstance(content, str) else content
        whole.update(hashlib.sha256(data).digest())
    return whole.hexdigest()


def stamped(name: str, value: str) -> bool:
    """Tell whether a step left this stamp last time."""
    return stamps().get(name) == value


def stamp(name: str, value: str) -> None:
    """Leave a stamp."""
    write(places.DEMO / "stamps.json", {**stamps(), name: value})


def stamps() -> dict[str, str]:
    """Return all stamps."""
    return dict(read(places.DEMO / "stamps.json"))


def add_timings(part: str, values: dict[str, float]) -> None:
    """Put one part's figures into the timings, in place of those it had."""
    write(places.TIMINGS, {**read(places.TIMINGS), part: values})


def read(path: Path) -> dict[str, Any]:
    """Return a JSON file's object, {} if there is none."""
    return dict(json.loads(path.read_text())) if path.exists() else {}


def write(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(path.name + ".new")
    new.write_text(json.dumps(content, indent=1) + "\n")
    new.rename(path)
