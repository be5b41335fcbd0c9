# SPDX-License-Identifier: Apache-2.0
"""Measurements of the lab tests, stored in `figures.json` in the directory of the cluster."""

import json
from collections.abc import Callable
from pathlib import Path

Figure = Callable[[str, object], None]
NAME = "figures.json"


def store(directory: Path, name: str, value: object) -> None:
    """Store a figure, one per line; it replaces an older one with the same name."""
    path = directory / NAME
    known = json.loads(path.read_text()) if path.exists() else {}
    lines = [
        f"{json.dumps(key)}: {json.dumps(each)}" for key, each in {**known, name: value}.items()
    ]
    new = path.with_name(path.name + ".new")
    new.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    new.rename(path)
