# SPDX-License-Identifier: Apache-2.0
"""``heatgen block``: the building blocks, and what the field has beside them."""

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heatgen.cli.base import Command, Lister, ShowOne, print_deprecations, print_message
from heatgen.layers import LAYERS, TRUST
from heatgen.yamlio.problems import Problem, ProblemsFound, did_you_mean

if TYPE_CHECKING:
    from heatgen.blocks.catalog import Block, Catalog

# What is slow to import is imported where it is used: the start of every command stays quick.
_NEXT = """\
Next:
  export {variable}={path}
  heatgen block lint {folder}
  heatgen block show {layer}/{name}
and in cluster.yaml: {layer}: {{use: {name}}}"""


class BlockList(Lister):
    """List the building blocks, and every system of the field that is none, with the reason."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """The command's arguments."""
        parser = super().get_parser(prog_name)
        parser.add_argument("--layer", choices=LAYERS, help="of one layer alone")
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """List, layer by layer from the ground up; what works first."""
        from heatgen.cli import block_output
        from heatgen.project import block_loader

        catalog = block_loader.catalog()
        layers = [parsed_args.layer] if parsed_args.layer else LAYERS
        rows = [row for layer in layers for row in block_output.rows(catalog, layer)]
        return ("Layer", "Name", "State", "Summary", "Origin"), rows


class BlockShow(ShowOne):
    """Show all there is to know of a building block."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """The command's arguments."""
        parser = super().get_parser(prog_name)
        parser.add_argument("block", metavar="LAYER/NAME", help="see 'heatgen block list'")
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[tuple[str, ...], tuple[Any, ...]]:
        """Show."""
        from heatgen.cli import block_output
        from heatgen.project import block_loader

        catalog = block_loader.catalog()
        layer, name = _layer_and_name(parsed_args.block)
        every = {(block.layer, block.name): block for block in catalog.all_blocks()}
        if (layer, name) in every:
            shown = block_output.of_block(every[layer, name])
        else:
            system = catalog.unsupported.find(layer, name)
            if system is None:
                message, hint = catalog.missing(layer, name)
                raise ProblemsFound([Problem(parsed_args.block, None, message, hint)])
            shown = block_output.of_system(system, catalog)
        return tuple(shown), tuple(shown.values())


class BlockLint(Command):
    """Check building blocks: descriptions against scripts, and each in a cluster of defaults."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """The command's arguments."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "paths",
            type=Path,
            nargs="*",
            metavar="PATH",
            help="a block's folder, or a folder of blocks LAYER/NAME "
            "(default: all installed ones and those under HEATGEN_PATH)",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Lint."""
        from heatgen.authoring import lint
        from heatgen.project import block_loader

        catalog = block_loader.catalog(parsed_args.paths)
        chosen = _under(parsed_args.paths, catalog) if parsed_args.paths else None
        blocks = catalog.all_blocks() if chosen is None else chosen
        print_deprecations(catalog)
        problems, sources = lint.check(
            catalog, block_loader.executables(blocks), block_loader.schema("cluster"), chosen
        )
        if problems:
            raise ProblemsFound(problems, sources)
        count = "1 block is" if len(blocks) == 1 else f"{len(blocks)} blocks are"
        print_message(f"{count} good")


class BlockNew(Command):
    """Begin a building block: a folder that the linter likes, to go on from."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """The command's arguments."""
        parser = super().get_parser(prog_name)
        parser.add_argument("block", metavar="LAYER/NAME", help="what it will be called")
        parser.add_argument(
            "--path",
            type=Path,
            required=True,
            metavar="DIR",
            help="your folder of blocks; made if it is not there",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Write the files."""
        from heatgen.authoring import scaffold
        from heatgen.blocks.catalog import MAX_NAME, valid_name
        from heatgen.project import block_loader, project

        layer, name = _layer_and_name(parsed_args.block)
        folder = parsed_args.path / layer / name
        # Without HEATGEN_PATH: it may name a folder that is made only now.
        catalog = block_loader.installed()
        problem = ""
        if layer not in LAYERS:
            problem = "new blocks can only be added to layers, not to trust"
        elif not valid_name(name):
            problem = f"a name has at most {MAX_NAME} lower-case letters, digits and hyphens"
        elif (layer, name) in catalog.blocks:
            problem = "heatgen has a block of that name: choose another"
        elif folder.exists():
            problem = f"{folder} is there already"
        if problem:
            raise ProblemsFound([Problem(parsed_args.block, None, problem)])
        for file, text in scaffold.files(catalog, layer, name).items():
            project.make_folder(folder)
            project.write_file(folder / file, text, 0o755 if file.endswith(".sh") else 0o644)
            print(folder / file)
        words = {"path": parsed_args.path.resolve(), "variable": block_loader.PATH_VARIABLE}
        print_message(_NEXT.format(folder=folder, layer=layer, name=name, **words))


def _under(paths: Iterable[Path], catalog: "Catalog") -> "list[Block]":
    """The blocks that lie under paths."""
    from heatgen.project import block_loader

    roots = [path.resolve() for path in paths]
    return [
        block
        for block in catalog.all_blocks()
        if any(block_loader.folder_of(block).resolve().is_relative_to(root) for root in roots)
    ]


def _layer_and_name(text: str) -> tuple[str, str]:
    """The two words of ``LAYER/NAME``.

    Raises:
        ProblemsFound: there are not two, or the first is no layer.
    """
    layer, _, name = text.partition("/")
    message, hint = "", ""
    if layer not in (*LAYERS, TRUST):
        message, hint = f"{layer!r} is not a layer", did_you_mean(layer, LAYERS)
    elif not name:
        message, hint = (
            "is a layer alone",
            f"write LAYER/NAME; see 'heatgen block list --layer {layer}'",
        )
    if message:
        raise ProblemsFound([Problem(text, None, message, hint)])
    return layer, name
