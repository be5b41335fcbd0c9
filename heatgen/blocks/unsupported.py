# SPDX-License-Identifier: Apache-2.0
"""Known systems that have no block, each with the reason and the block to use instead.

The data is ``hot/unsupported.yaml``; :mod:`heatgen.authoring.lint` checks it against the blocks.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from heatgen.layers import LAYERS
from heatgen.yamlio import document, schema
from heatgen.yamlio.document import Document
from heatgen.yamlio.problems import ProblemsFound

PLANNED, SUCCESSOR, REFUSED = "planned", "successor", "refused"
STATES = (PLANNED, SUCCESSOR, REFUSED)

_NAME = {"type": "string", "pattern": "^[a-z][a-z0-9-]*$", "rule": "must be a lower-case word"}
_SCHEMA: schema.Schema = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        layer: {
            "type": "object",
            "default": {},
            "propertyNames": _NAME,
            "additionalProperties": {
                "type": "object",
                "additionalProperties": False,
                "required": ["title", "state", "why", "use"],
                "properties": {
                    "title": {"type": "string", "minLength": 3, "maxLength": 40},
                    "also": {"type": "array", "default": [], "items": _NAME},
                    "state": {"enum": list(STATES)},
                    "successor": _NAME,
                    "why": {"type": "string", "minLength": 10, "maxLength": 80},
                    "use": _NAME,
                },
            },
        }
        for layer in LAYERS
    },
}


@dataclass(frozen=True, kw_only=True)
class System:
    """A known system that has no block."""

    layer: str
    name: str
    title: str
    also: tuple[str, ...]
    """Other names."""
    state: str
    successor: str
    """The system that replaced it; '' if none."""
    why: str
    use: str
    """The block to use instead."""

    def explanation(self, blocks: Iterable[str]) -> str:
        """Return the message for a ``cluster.yaml`` that uses it, in one line.

        Args:
            blocks: names of the blocks of its layer.
        """
        state = {
            PLANNED: "has no block yet",
            SUCCESSOR: f"was replaced by {self.successor}",
            REFUSED: "is not supported",
        }[self.state]
        return f"{self.title} {state}: {self.reason(blocks)}"

    def reason(self, blocks: Iterable[str]) -> str:
        """Return why there is no block, and which block to use instead."""
        if self.state != SUCCESSOR:
            return f"{self.why}; use {self.use}"
        if self.successor in blocks:
            return f"{self.why}; use {self.successor}"
        return f"{self.why}; {self.successor} is not yet available, use {self.use}"


@dataclass(frozen=True)
class Systems:
    """All known systems without a block, and their document."""

    known: tuple[System, ...]
    document: Document | None = None

    def find(self, layer: str, name: str) -> System | None:
        """Return the system of a layer with a name, if any; ignore case, spaces and underscores."""
        normalized = name.lower().replace("_", "-").replace(" ", "-")
        for system in self.known:
            if system.layer == layer and normalized in (system.name, *system.also):
                return system
        return None


NONE = Systems(())


def read(name: str, raw: bytes) -> Systems:
    """Parse ``unsupported.yaml``.

    Raises:
        ProblemsFound: the file is invalid.
    """
    text = document.parse(name, raw)
    problems = schema.check(text, _SCHEMA)
    if problems:
        raise ProblemsFound(problems, {name: text.text})
    data = schema.filled(text.data, _SCHEMA)
    return Systems(
        tuple(
            System(
                layer=layer,
                name=key,
                title=item["title"],
                also=tuple(item.get("also") or ()),
                state=item["state"],
                successor=item.get("successor") or "",
                why=item["why"],
                use=item["use"],
            )
            for layer in LAYERS
            for key, item in sorted(data[layer].items())
        ),
        text,
    )
