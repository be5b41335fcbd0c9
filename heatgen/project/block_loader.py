# SPDX-License-Identifier: Apache-2.0
"""Edge: reads the building blocks and schemas that are installed with heatgen, and others' blocks.

Others' lie in the folders that ``HEATGEN_PATH`` names, colon separated, each laid out like
``hot/blocks``: ``LAYER/NAME/block.yaml``.
"""

import json
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from heatgen.blocks.catalog import BLOCK_FILE, BUILTIN, Block, Catalog, Tree, build
from heatgen.yamlio.problems import Problem, ProblemsFound

HOT = Path(__file__).resolve().parents[2] / "hot"
"""The blocks lie beside this package, in a checkout as in an installed wheel."""

PATH_VARIABLE = "HEATGEN_PATH"

_SCHEMAS = Path(__file__).resolve().parents[1] / "schemas"


def catalog(more: Iterable[Path] = ()) -> Catalog:
    """The catalog of the installed blocks, of those under ``HEATGEN_PATH``, and of more folders.

    Args:
        more: folders of blocks (``LAYER/NAME/block.yaml``), or folders of single blocks.

    Raises:
        ProblemsFound: a folder cannot be read or holds no block, or a block is broken.
    """
    problems: list[Problem] = []
    others: dict[str, dict[str, bytes]] = {}
    seen: set[Path] = set()
    for folder in [*named_folders(), *more]:
        try:
            place, blocks = _blocks_in(folder)
            for block in blocks:
                where = block.resolve()
                if where not in seen and not where.is_relative_to(HOT):
                    files = _files(block, f"{block.relative_to(place).as_posix()}/")
                    others.setdefault(str(place), {}).update(files)
                seen.add(where)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            problems.append(Problem(str(error.filename or folder), None, reason))
        except ProblemsFound as found:
            problems += found.problems
    if problems:
        raise ProblemsFound(problems)
    return build(tree(), schema("block"), others)


def installed() -> Catalog:
    """The catalog of the blocks that are installed with heatgen.

    Raises:
        ProblemsFound: a block is broken.
    """
    return build(tree(), schema("block"))


def named_folders() -> list[Path]:
    """The folders that ``HEATGEN_PATH`` names."""
    return [Path(name) for name in os.environ.get(PATH_VARIABLE, "").split(os.pathsep) if name]


def schema(name: str) -> dict[str, Any]:
    """A JSON Schema that is shipped: ``block`` or ``cluster``."""
    result: dict[str, Any] = json.loads((_SCHEMAS / f"{name}.json").read_text("utf-8"))
    return result


def tree(root: Path = HOT) -> Tree:
    """All files of the installed ``hot/``, or under another root, by path."""
    return dict(_files(root, ""))


def folder_of(block: Block) -> Path:
    """Where a block lies."""
    folder = block.document.name.removesuffix(f"/{BLOCK_FILE}")
    return HOT / folder.removeprefix("hot/") if block.origin == BUILTIN else Path(folder)


def executables(blocks: Iterable[Block]) -> frozenset[str]:
    """Files of blocks that may be executed, as problems name them."""
    return frozenset(
        f"{block.document.name.removesuffix(BLOCK_FILE)}{name}"
        for block in blocks
        for name in block.files
        if (folder_of(block) / name).stat().st_mode & stat.S_IXUSR
    )


def _blocks_in(folder: Path) -> tuple[Path, list[Path]]:
    """A folder of blocks and all blocks in it; or of a block's own folder, that block alone.

    Raises:
        ProblemsFound: there is none.
    """
    if not folder.is_dir():
        raise ProblemsFound([Problem(str(folder), None, "is not a folder", _LAYOUT)])
    if (folder / BLOCK_FILE).is_file():
        # Its layer is the folder around it, which a short path does not tell.
        short = len(folder.parts) < len(("LAYER", "NAME")) or ".." in folder.parts
        block = folder.resolve() if short else folder
        return block.parent.parent, [block]
    found = sorted(file.parent for file in folder.glob(f"*/*/{BLOCK_FILE}"))
    if not found:
        raise ProblemsFound([Problem(str(folder), None, "holds no block", _LAYOUT)])
    return folder, found


_LAYOUT = f"a folder of blocks, as {PATH_VARIABLE} names them, has LAYER/NAME/{BLOCK_FILE}"


def _files(folder: Path, prefix: str) -> Iterator[tuple[str, bytes]]:
    """Files below a folder, sorted, without what Python leaves behind."""
    for item in sorted(folder.iterdir(), key=lambda item: item.name):
        if item.name.startswith((".", "__")):
            continue
        if item.is_dir():
            yield from _files(item, f"{prefix}{item.name}/")
        else:
            yield f"{prefix}{item.name}", item.read_bytes()
