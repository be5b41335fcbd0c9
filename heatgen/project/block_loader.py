# SPDX-License-Identifier: Apache-2.0
"""Edge: loads building blocks and schemas installed with heatgen, and blocks from other folders.

``HEATGEN_PATH`` contains the other folders, separated by colons. Their layout is that of
``hot/blocks``: ``LAYER/NAME/block.yaml``.
"""

import json
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from heatgen.blocks.catalog import BLOCK_FILE, BUILTIN, Block, Catalog, Tree, build
from heatgen.yamlio.codes import Code
from heatgen.yamlio.problems import Problem, ProblemsFound

HOT = Path(__file__).resolve().parents[2] / "hot"
"""Folder of the blocks, next to this package both in a checkout and in an installed wheel."""

PATH_VARIABLE = "HEATGEN_PATH"

_SCHEMAS = Path(__file__).resolve().parents[1] / "schemas"


def catalog(more: Iterable[Path] = ()) -> Catalog:
    """Return the catalog of the installed blocks, those under ``HEATGEN_PATH``, and other folders.

    Args:
        more: folders of blocks (``LAYER/NAME/block.yaml``), or folders of single blocks.

    Raises:
        ProblemsFound: a folder cannot be read or contains no block, or a block is not valid.
    """
    problems: list[Problem] = []
    others: dict[str, dict[str, bytes]] = {}
    seen: set[Path] = set()
    for folder in [*configured_folders(), *more]:
        try:
            root, blocks = _blocks_in(folder)
            for block in blocks:
                resolved = block.resolve()
                if resolved not in seen and not resolved.is_relative_to(HOT):
                    files = _files(block, f"{block.relative_to(root).as_posix()}/")
                    others.setdefault(str(root), {}).update(files)
                seen.add(resolved)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            path = str(error.filename or folder)
            problems.append(Problem(path, None, reason, code=Code.INVALID_BLOCK_FOLDER))
        except ProblemsFound as found:
            problems += found.problems
    if problems:
        raise ProblemsFound(problems)
    return build(tree(), schema("block"), others)


def installed() -> Catalog:
    """Return the catalog of the blocks installed with heatgen.

    Raises:
        ProblemsFound: a block is not valid.
    """
    return build(tree(), schema("block"))


def configured_folders() -> list[Path]:
    """Return the folders in ``HEATGEN_PATH``."""
    return [Path(name) for name in os.environ.get(PATH_VARIABLE, "").split(os.pathsep) if name]


def schema(name: str) -> dict[str, Any]:
    """Return an installed JSON Schema: ``block``, ``cluster`` or ``heat``."""
    result: dict[str, Any] = json.loads((_SCHEMAS / f"{name}.json").read_text("utf-8"))
    return result


def tree(root: Path = HOT) -> Tree:
    """Return all files of the installed ``hot/``, or under another root, by path."""
    return dict(_files(root, ""))


def folder_of(block: Block) -> Path:
    """Return the folder of a block."""
    folder = block.document.name.removesuffix(f"/{BLOCK_FILE}")
    return HOT / folder.removeprefix("hot/") if block.origin == BUILTIN else Path(folder)


def executables(blocks: Iterable[Block]) -> frozenset[str]:
    """Return the executable files of blocks, named as in problems."""
    return frozenset(
        path
        for block in blocks
        for name, path in block.paths.items()
        if _file(block, name).stat().st_mode & stat.S_IXUSR
    )


def _file(block: Block, name: str) -> Path:
    """Return the path of a block's file, which may be in the base."""
    file = folder_of(block) / name
    return file if file.exists() else HOT / block.paths[name].removeprefix("hot/")


def _blocks_in(folder: Path) -> tuple[Path, list[Path]]:
    """Return a folder of blocks and the blocks in it; a block's own folder has only that block.

    Raises:
        ProblemsFound: the folder contains no block.
    """
    code = Code.INVALID_BLOCK_FOLDER
    if not folder.is_dir():
        raise ProblemsFound([Problem(str(folder), None, "not a folder", _LAYOUT, code=code)])
    if (folder / BLOCK_FILE).is_file():
        # The layer is the name of the parent folder, which a short path does not contain.
        short = len(folder.parts) < len(("LAYER", "NAME")) or ".." in folder.parts
        block = folder.resolve() if short else folder
        return block.parent.parent, [block]
    found = sorted(file.parent for file in folder.glob(f"*/*/{BLOCK_FILE}"))
    if not found:
        message = "the folder contains no block"
        raise ProblemsFound([Problem(str(folder), None, message, _LAYOUT, code=code)])
    return folder, found


_LAYOUT = f"use a folder that contains LAYER/NAME/{BLOCK_FILE} ({PATH_VARIABLE} or PATH)"


def _files(folder: Path, prefix: str) -> Iterator[tuple[str, bytes]]:
    """Yield the files below a folder, sorted, without hidden files and caches of Python."""
    for item in sorted(folder.iterdir(), key=lambda item: item.name):
        if item.name.startswith((".", "__")):
            continue
        if item.is_dir():
            yield from _files(item, f"{prefix}{item.name}/")
        else:
            yield f"{prefix}{item.name}", item.read_bytes()
