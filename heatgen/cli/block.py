# SPDX-License-Identifier: Apache-2.0
"""``heatgen block``: building blocks, and known systems that are not supported."""

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heatgen.cli.base import Command, Lister, ShowOne, print_deprecations, print_message
from heatgen.layers import LAYERS, TRUST
from heatgen.yamlio.codes import Code
from heatgen.yamlio.problems import Problem, ProblemsFound, did_you_mean

if TYPE_CHECKING:
    from heatgen.blocks.catalog import Block, Catalog

# Slow modules are imported where they are used, to keep the start of commands fast.
_NEXT = """\
Next steps:
  export {variable}={path}
  heatgen block lint {folder}
  heatgen block show {layer}/{name}
and in cluster.yaml: {layer}: {{use: {name}}}"""


class BlockList(Lister):
    """List building blocks, and known systems that are not supported, with the reason."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of the command's arguments."""
        parser = super().get_parser(prog_name)
        parser.add_argument("--layer", choices=LAYERS, help="list only this layer")
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """List the layers in order, each with its blocks first."""
        from heatgen.cli import block_output
        from heatgen.project import block_loader

        catalog = block_loader.catalog()
        layers = [parsed_args.layer] if parsed_args.layer else LAYERS
        rows = [row for layer in layers for row in block_output.rows(catalog, layer)]
        return ("Layer", "Name", "State", "Summary", "Origin"), rows


class BlockShow(ShowOne):
    """Show the properties of a building block."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of the command's arguments."""
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
            shown = block_output.of_block(every[layer, name], catalog.support)
        else:
            system = catalog.unsupported.find(layer, name)
            if system is None:
                message, hint = catalog.missing(layer, name)
                problem = Problem(parsed_args.block, None, message, hint, code=Code.UNKNOWN_BLOCK)
                raise ProblemsFound([problem])
            shown = block_output.of_system(system, catalog)
        return tuple(shown), tuple(shown.values())


class BlockLint(Command):
    """Check building blocks: compare block.yaml with scripts, and plan a cluster with each."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of the command's arguments."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "paths",
            type=Path,
            nargs="*",
            metavar="PATH",
            help="folder of a block, or folder of blocks LAYER/NAME "
            "(default: all installed blocks and those under HEATGEN_PATH)",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Check the blocks."""
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
        count = "1 block" if len(blocks) == 1 else f"{len(blocks)} blocks"
        print_message(f"{count} checked, no problems")


class BlockNew(Command):
    """Create a minimal building block that passes the linter."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of the command's arguments."""
        parser = super().get_parser(prog_name)
        parser.add_argument("block", metavar="LAYER/NAME", help="layer and name of the new block")
        parser.add_argument(
            "--path",
            type=Path,
            required=True,
            metavar="DIR",
            help="folder of blocks; created if it does not exist",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Write the files."""
        from heatgen.authoring import scaffold
        from heatgen.blocks.catalog import MAX_NAME, valid_name
        from heatgen.project import block_loader, files

        layer, name = _layer_and_name(parsed_args.block)
        folder = parsed_args.path / layer / name
        # Without HEATGEN_PATH, because it may contain a folder that does not exist yet.
        catalog = block_loader.installed()
        found: tuple[str, str, Code] | None = None
        if layer not in LAYERS:
            message = "new blocks can only be added to layers, not to trust"
            found = message, f"use one of the layers {', '.join(LAYERS)}", Code.UNKNOWN_LAYER
        elif not valid_name(name):
            message = f"invalid block name {name!r}"
            hint = f"use at most {MAX_NAME} lower-case letters, digits and hyphens"
            found = message, hint, Code.INVALID_BLOCK_NAME
        elif (layer, name) in catalog.blocks:
            message = f"block {layer}/{name} is installed with heatgen"
            found = message, "choose another name", Code.DUPLICATE_BLOCK
        elif folder.exists():
            message = f"{folder} already exists"
            found = message, "remove it, or choose another name", Code.FILE_EXISTS
        if found:
            message, hint, code = found
            raise ProblemsFound([Problem(parsed_args.block, None, message, hint, code=code)])
        for file, text in scaffold.files(catalog, layer, name).items():
            files.make_folder(folder)
            files.write_file(folder / file, text, 0o755 if file.endswith(".sh") else 0o644)
            print(folder / file)
        fields = {"path": parsed_args.path.resolve(), "variable": block_loader.PATH_VARIABLE}
        print_message(_NEXT.format(folder=folder, layer=layer, name=name, **fields))


def _under(paths: Iterable[Path], catalog: "Catalog") -> "list[Block]":
    """Return the blocks under paths."""
    from heatgen.project import block_loader

    roots = [path.resolve() for path in paths]
    return [
        block
        for block in catalog.all_blocks()
        if any(block_loader.folder_of(block).resolve().is_relative_to(root) for root in roots)
    ]


def _layer_and_name(text: str) -> tuple[str, str]:
    """Split ``LAYER/NAME``.

    Raises:
        ProblemsFound: the layer is not known, or the name is missing.
    """
    layer, _, name = text.partition("/")
    if layer not in (*LAYERS, TRUST):
        message, hint = f"{layer!r} is not a layer", did_you_mean(layer, LAYERS)
        raise ProblemsFound([Problem(text, None, message, hint, code=Code.UNKNOWN_LAYER)])
    if not name:
        message = "the name of the block is missing"
        hint = f"use LAYER/NAME; run 'heatgen block list --layer {layer}' to list the names"
        raise ProblemsFound([Problem(text, None, message, hint, code=Code.INVALID_ARGUMENT)])
    return layer, name
