# SPDX-License-Identifier: Apache-2.0
"""What people ask for by name and no block is there for: why, and what to take instead.

The data is ``hot/unsupported.yaml``; :mod:`heatgen.authoring.lint` holds it against the blocks.
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
    """Something of the field that is no block."""

    layer: str
    name: str
    title: str
    also: tuple[str, ...]
    """Other words for it."""
    state: str
    successor: str
    """What it went on as; '' if it did not."""
    why: str
    use: str
    """The block to take today."""

    def explained(self, blocks: Iterable[str]) -> str:
        """One line for who names it in ``cluster.yaml``.

        Args:
            blocks: names of the blocks of its layer.
        """
        verdict = {
            PLANNED: "has no block yet",
            SUCCESSOR: f"went on as {self.successor}",
            REFUSED: "is refused",
        }[self.state]
        return f"{self.title} {verdict}: {self.reason(blocks)}"

    def reason(self, blocks: Iterable[str]) -> str:
        """Why there is no block, and what to take instead."""
        if self.state != SUCCESSOR:
            return f"{self.why}; use {self.use}"
        if self.successor in blocks:
            return f"{self.why}; use {self.successor}"
        return f"{self.why}; {self.successor} has no block yet, use {self.use}"


@dataclass(frozen=True)
class Systems:
    """All of them, and the text they stand in."""

    known: tuple[System, ...]
    document: Document | None = None

    def find(self, layer: str, word: str) -> System | None:
        """What a word means in a layer, if anything."""
        wanted = word.lower().replace("_", "-").replace(" ", "-")
        for system in self.known:
            if system.layer == layer and wanted in (system.name, *system.also):
                return system
        return None


NONE = Systems(())


def read(name: str, raw: bytes) -> Systems:
    """The systems of a file.

    Raises:
        ProblemsFound: it is not as it should be.
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
