# SPDX-License-Identifier: Apache-2.0
"""``heatgen block``: the building blocks, and what the field has beside them."""

import argparse
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from cliff.columns import FormattableColumn
from cliff.command import Command
from cliff.lister import Lister
from cliff.show import ShowOne

from heatgen import blockcheck, library, project, scaffold
from heatgen.catalog import MAX_NAME, OWN, Block, Catalog, Condition, valid_name
from heatgen.names import LAYERS, TRUST
from heatgen.problems import Problem, ProblemsFound, did_you_mean
from heatgen.systems import STATES, System

WORKS, ADDED = "works", "added"
"""A block that is tested with heatgen; one that others have added."""
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
        catalog = library.catalog()
        layers = [parsed_args.layer] if parsed_args.layer else LAYERS
        rows = [row for layer in layers for row in _rows(catalog, layer)]
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
        catalog = library.catalog()
        layer, name = _layer_and_name(parsed_args.block)
        every = {(block.layer, block.name): block for block in catalog.all_blocks()}
        if (layer, name) in every:
            shown = _block(every[layer, name])
        else:
            system = catalog.systems.find(layer, name)
            if system is None:
                message, hint = catalog.missing(layer, name)
                raise ProblemsFound([Problem(parsed_args.block, None, message, hint)])
            shown = _system(system, catalog)
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
            f"(default: all installed ones and those under {library.PATH_VARIABLE})",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Lint."""
        catalog = library.catalog(parsed_args.paths)
        chosen = _under(parsed_args.paths, catalog) if parsed_args.paths else None
        blocks = catalog.all_blocks() if chosen is None else chosen
        problems, sources = blockcheck.check(
            catalog, library.executables(blocks), library.schema("cluster"), chosen
        )
        if problems:
            raise ProblemsFound(problems, sources)
        count = "1 block is" if len(blocks) == 1 else f"{len(blocks)} blocks are"
        print(f"{count} good", file=sys.stderr)


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
        layer, name = _layer_and_name(parsed_args.block)
        folder = parsed_args.path / layer / name
        # Without HEATGEN_PATH: it may name a folder that is made only now.
        catalog = library.installed()
        problem = ""
        if layer not in LAYERS:
            problem = "blocks are made for layers, there is one mortar"
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
        words = {"path": parsed_args.path.resolve(), "variable": library.PATH_VARIABLE}
        print(_NEXT.format(folder=folder, layer=layer, name=name, **words), file=sys.stderr)


def _rows(catalog: Catalog, layer: str) -> list[tuple[str, ...]]:
    """Rows of a layer: its blocks, then what is none, by state."""
    names = catalog.names(layer)
    blocks = [catalog.blocks[layer, name] for name in names]
    systems = [item for item in catalog.other_systems() if item.layer == layer]
    systems.sort(key=lambda item: (STATES.index(item.state), item.name))
    return [
        *((layer, block.name, _state(block), block.summary, block.origin) for block in blocks),
        *(
            (layer, item.name, item.state, f"{item.title}: {item.reason(names)}", "")
            for item in systems
        ),
    ]


def _state(block: Block) -> str:
    return WORKS if block.origin == OWN else ADDED


def _under(paths: Iterable[Path], catalog: Catalog) -> list[Block]:
    """The blocks that lie under paths."""
    roots = [path.resolve() for path in paths]
    return [
        block
        for block in catalog.all_blocks()
        if any(library.folder_of(block).resolve().is_relative_to(root) for root in roots)
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


class _Many(FormattableColumn[Any]):
    """Several things: a line each for people, as they are for programs."""

    def __init__(self, value: Any, lines: Iterable[str]) -> None:
        super().__init__(value)
        self._lines = tuple(lines)

    def human_readable(self) -> str:
        """One line each."""
        return "\n".join(self._lines)


def _block(block: Block) -> dict[str, Any]:
    """A block's properties, as they are shown."""
    requires = sorted({item for step in block.steps for item in step.requires})
    provides = sorted({item for step in block.steps for item in step.provides})
    return {
        "layer": block.layer,
        "name": block.name,
        "state": _state(block),
        "origin": block.origin,
        "summary": block.summary,
        "description": block.description,
        "roles": _words(block.roles),
        "requires": _words(requires),
        "provides": _words(provides),
        "options": _Many(
            {name: dict(option) for name, option in block.options.items()},
            (
                f"{name} = {option['default']}: {option['description']}"
                for name, option in block.options.items()
            ),
        ),
        "inputs": _Many(
            {
                item.name: {"from": item.source, "description": item.description}
                for item in block.inputs.values()
            },
            (
                f"{item.name} from {item.source}: {item.description}"
                for item in block.inputs.values()
            ),
        ),
        "steps": _steps(block),
        "ports": _ports(block),
        "artefacts": _Many(
            {
                name: {"url": item.url, "checksums": item.checksums}
                for name, item in block.artefacts.items()
            },
            (f"{name}: {item.url}" for name, item in block.artefacts.items()),
        ),
        "images": _Many(
            dict(block.images), (f"{name}: {text}" for name, text in block.images.items())
        ),
        "conformance": _words(block.conformance),
    }


def _steps(block: Block) -> _Many:
    return _Many(
        [
            {
                "name": step.name,
                "script": step.script,
                "roles": list(step.roles),
                "first_only": step.first_only,
                "requires": list(step.requires),
                "provides": list(step.provides),
                "outputs": dict(step.outputs),
                "timeout": step.timeout,
                "when": _plain(step.when),
            }
            for step in block.steps
        ],
        (
            f"{step.name} on "
            f"{'the first control' if step.first_only else ', '.join(step.roles)}: "
            f"{', '.join(step.requires) or 'nothing'} -> {', '.join(step.provides) or 'nothing'}, "
            f"{step.timeout} s{_if(step.when)}"
            for step in block.steps
        ),
    )


def _ports(block: Block) -> _Many:
    return _Many(
        [
            {
                "protocol": port.protocol,
                "port": port.port,
                "to": list(port.to),
                "from": list(port.origins),
                "why": port.why,
                "when": _plain(port.when),
            }
            for port in block.ports
        ],
        (
            f"{' '.join(filter(None, (port.protocol, port.port)))} to {', '.join(port.to)} "
            f"from {', '.join(port.origins)}: {port.why}{_if(port.when)}"
            for port in block.ports
        ),
    )


def _system(system: System, catalog: Catalog) -> dict[str, Any]:
    """The properties of what is no block."""
    return {
        "layer": system.layer,
        "name": system.name,
        "state": system.state,
        "summary": system.explained(catalog.names(system.layer)),
        "also": _words(system.also),
        "successor": system.successor,
        "use": system.use,
    }


def _words(items: Iterable[str]) -> _Many:
    words = list(items)
    return _Many(words, [", ".join(words)])


def _if(condition: Condition) -> str:
    """A condition for people."""
    tests = (f"{key} is {' or '.join(map(str, values))}" for key, values in condition.items())
    return f", if {' and '.join(tests)}" if condition else ""


def _plain(condition: Condition) -> Mapping[str, list[str | int | bool]]:
    return {source: list(values) for source, values in condition.items()}
