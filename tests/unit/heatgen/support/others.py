# SPDX-License-Identifier: Apache-2.0
"""Blocks that are not heatgen's own."""

from pathlib import Path

from heatgen.authoring import scaffold
from heatgen.project import block_loader

REAL = block_loader.installed()


def write_block(root: Path, layer: str, name: str) -> Path:
    """A new block in a folder of blocks."""
    folder = root / layer / name
    folder.mkdir(parents=True)
    for file, text in scaffold.files(REAL, layer, name).items():
        (folder / file).write_text(text)
        (folder / file).chmod(0o755)
    return folder
