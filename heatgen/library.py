# SPDX-License-Identifier: Apache-2.0
"""Edge: reads the building blocks and schemas that are installed with heatgen."""

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from heatgen.catalog import Catalog, Tree, build

HOT = Path(__file__).resolve().parent.parent / "hot"
"""The blocks lie beside this package, in a checkout as in an installed wheel."""

_SCHEMAS = Path(__file__).resolve().parent / "schemas"


def catalog() -> Catalog:
    """The catalog of the installed blocks.

    Raises:
        ProblemsFound: a block is broken.
    """
    return build(tree(), schema("block"))


def schema(name: str) -> dict[str, Any]:
    """A JSON Schema that is shipped: ``block`` or ``cluster``."""
    result: dict[str, Any] = json.loads((_SCHEMAS / f"{name}.json").read_text("utf-8"))
    return result


def tree(root: Path = HOT) -> Tree:
    """All files of the installed ``hot/``, or under another root, by path."""
    return dict(_files(root, ""))


def executables(root: Path) -> frozenset[str]:
    """Paths under a folder of the files that may be executed."""
    return frozenset(
        path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if path.is_file() and path.stat().st_mode & stat.S_IXUSR
    )


def _files(folder: Path, prefix: str) -> Iterator[tuple[str, bytes]]:
    """Files below a folder, sorted, without what Python leaves behind."""
    for item in sorted(folder.iterdir(), key=lambda item: item.name):
        if item.name.startswith((".", "__")):
            continue
        if item.is_dir():
            yield from _files(item, f"{prefix}{item.name}/")
        else:
            yield f"{prefix}{item.name}", item.read_bytes()
