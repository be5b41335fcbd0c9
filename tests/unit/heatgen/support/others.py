# SPDX-License-Identifier: Apache-2.0
"""Third-party blocks for tests."""

from pathlib import Path

from heatgen.authoring import scaffold
from heatgen.project import block_loader

REAL = block_loader.installed()


def write_block(root: Path, layer: str, name: str) -> Path:
    """Write a new block to a folder of blocks; return the block's folder."""
    folder = root / layer / name
    folder.mkdir(parents=True)
    for file, text in scaffold.files(REAL, layer, name).items():
        (folder / file).write_text(text)
        (folder / file).chmod(0o755)
    return folder
