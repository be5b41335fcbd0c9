# SPDX-License-Identifier: Apache-2.0
"""What the ring measured, kept beside the cluster's files: `figures.json` in its directory."""

import json
from collections.abc import Callable
from pathlib import Path

Figure = Callable[[str, object], None]
NAME = "figures.json"


def keep(directory: Path, name: str, value: object) -> None:
    """Put one figure into the file, a line each, in place of an older one of its name."""
    path = directory / NAME
    known = json.loads(path.read_text()) if path.exists() else {}
    lines = [
        f"{json.dumps(key)}: {json.dumps(each)}" for key, each in {**known, name: value}.items()
    ]
    new = path.with_name(path.name + ".new")
    new.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    new.rename(path)
