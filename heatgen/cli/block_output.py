# SPDX-License-Identifier: Apache-2.0
"""Output of ``heatgen block list`` and ``show`` for blocks and unsupported systems."""

from collections.abc import Iterable, Mapping
from typing import Any

from cliff.columns import FormattableColumn

from heatgen.blocks.catalog import BUILTIN, WORKS, Block, Catalog, Condition
from heatgen.blocks.support import Support, proven_lines
from heatgen.blocks.unsupported import STATES, System

ADDED = "added"
"""State of a block from another folder."""


def rows(catalog: Catalog, layer: str) -> list[tuple[str, ...]]:
    """Return the rows of a layer: its blocks, then unsupported systems, by state."""
    blocks = [catalog.blocks[layer, name] for name in catalog.names(layer)]
    systems = [item for item in catalog.unsupported_systems() if item.layer == layer]
    systems.sort(key=lambda item: (STATES.index(item.state), item.name))
    return [
        *((layer, block.name, _state(block), _summary(block), block.origin) for block in blocks),
        *(
            (
                layer,
                item.name,
                item.state,
                f"{item.title}: {item.reason(catalog.available(layer))}",
                "",
            )
            for item in systems
        ),
    ]


def _state(block: Block) -> str:
    if block.status != WORKS:
        return block.status
    return WORKS if block.origin == BUILTIN else ADDED


def _summary(block: Block) -> str:
    return f"{block.summary}; {block.tested}" if block.tested else block.summary


class _Lines(FormattableColumn[Any]):
    """A value that is shown as lines in tables, and unchanged in machine-readable formats."""

    def __init__(self, value: Any, lines: Iterable[str]) -> None:
        super().__init__(value)
        self._lines = tuple(lines)

    def human_readable(self) -> str:
        """Return the lines."""
        return "\n".join(self._lines)


def of_block(block: Block, proven: Support) -> dict[str, Any]:
    """Return a block's properties for output, with the records of its systems."""
    systems = proven.of_block(block.layer, block.name) if block.origin == BUILTIN else []
    requires = sorted({item for step in block.steps for item in step.requires})
    provides = sorted({item for step in block.steps for item in step.provides})
    return {
        "layer": block.layer,
        "name": block.name,
        "state": _state(block),
        "origin": block.origin,
        "summary": block.summary,
        "description": block.description,
        "tested": block.tested,
        "proven": _Lines(
            {
                item.name: {ring: proven.cell(item.name, ring) for ring in proven.rings}
                for item in systems
            },
            proven_lines(proven, systems),
        ),
        "roles": _joined(block.roles),
        "requires": _joined(requires),
        "provides": _joined(provides),
        "options": _Lines(
            {name: dict(option) for name, option in block.options.items()},
            (
                f"{name} = {option['default']}: {option['description']}"
                for name, option in block.options.items()
            ),
        ),
        "inputs": _Lines(
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
        "artifacts": _Lines(
            {
                name: {"url": item.url, "checksums": item.checksums}
                for name, item in block.artifacts.items()
            },
            (f"{name}: {item.url}" for name, item in block.artifacts.items()),
        ),
        "images": _Lines(
            dict(block.images), (f"{name}: {text}" for name, text in block.images.items())
        ),
        "conformance": _joined(block.conformance),
    }


def _steps(block: Block) -> _Lines:
    return _Lines(
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
            f"{'the first control-plane server' if step.first_only else ', '.join(step.roles)}: "
            f"{', '.join(step.requires) or 'nothing'} -> {', '.join(step.provides) or 'nothing'}, "
            f"{step.timeout} s{_if(step.when)}"
            for step in block.steps
        ),
    )


def _ports(block: Block) -> _Lines:
    return _Lines(
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


def of_system(system: System, catalog: Catalog) -> dict[str, Any]:
    """Return the properties of an unsupported system."""
    return {
        "layer": system.layer,
        "name": system.name,
        "state": system.state,
        "summary": system.explanation(catalog.available(system.layer)),
        "also": _joined(system.also),
        "successor": system.successor,
        "use": system.use,
    }


def _joined(items: Iterable[str]) -> _Lines:
    values = list(items)
    return _Lines(values, [", ".join(values)])


def _if(condition: Condition) -> str:
    """Return a condition as text."""
    tests = (f"{key} is {' or '.join(map(str, values))}" for key, values in condition.items())
    return f", if {' and '.join(tests)}" if condition else ""


def _plain(condition: Condition) -> Mapping[str, list[str | int | bool]]:
    return {source: list(values) for source, values in condition.items()}
