# SPDX-License-Identifier: Apache-2.0
"""``heatgen block``: the building blocks."""

import argparse
import sys
from pathlib import Path

from heatgen.commands.base import Command
from heatgen.problems import ProblemsFound


class BlockLint(Command):
    """Check building blocks: descriptions against scripts, and each in a cluster of defaults."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """The command's arguments."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "folder",
            type=Path,
            nargs="?",
            metavar="FOLDER",
            help="folder with blocks/, trust/, lib/ and agent/ (default: the installed one)",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Lint."""
        # Imported here: the start of every command stays quick.
        from heatgen import blockcheck, library
        from heatgen.catalog import build

        folder = parsed_args.folder or library.HOT
        catalog = build(library.tree(folder), library.schema("block"))
        executables = library.executables(folder)
        problems, sources = blockcheck.check(catalog, executables, library.schema("cluster"))
        if problems:
            raise ProblemsFound(problems, sources)
        print(f"{len(catalog.all_blocks())} blocks are good", file=sys.stderr)
