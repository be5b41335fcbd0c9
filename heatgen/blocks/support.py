# SPDX-License-Identifier: Apache-2.0
"""What was proven where: records of runs, by system and ring, from ``hot/support``. Pure.

A ring is a kind of test environment. The support matrix, ``heatgen block list`` and ``heatgen block
show`` contain what the records state; everything else is "not run".
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from heatgen.layers import LAYERS
from heatgen.yamlio import document, schema
from heatgen.yamlio.codes import Code
from heatgen.yamlio.problems import Problem, ProblemsFound

PASSED, FAILED, INCOMPLETE = "passed", "failed", "incomplete"
NOT_RUN = "not run"
FOLDER = "support/"
SYSTEMS_FILE = f"{FOLDER}systems.yaml"

_TEXT = {"type": "string", "minLength": 3, "maxLength": 120}
_SYSTEMS: schema.Schema = {
    "type": "object",
    "additionalProperties": False,
    "required": ["rings", "systems"],
    "properties": {
        "rings": {"type": "object", "additionalProperties": _TEXT},
        "systems": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "additionalProperties": False,
                "required": ["title", "layer", "block"],
                "properties": {"title": _TEXT, "layer": {"enum": list(LAYERS)}, "block": _TEXT},
            },
        },
    },
}
_RECORD: schema.Schema = {
    "type": "object",
    "additionalProperties": False,
    "required": ["system", "ring", "date", "heatgen", "verdict", "proven", "note"],
    "properties": {
        "system": _TEXT,
        "ring": {"type": "string"},
        "date": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\d$", "rule": "must be YYYY-MM-DD"},
        "heatgen": {"type": "string"},
        "verdict": {"enum": [PASSED, FAILED, INCOMPLETE]},
        "proven": {"type": "array", "items": {"type": "string"}},
        "note": {"type": "string", "maxLength": 200},
    },
}


@dataclass(frozen=True, kw_only=True)
class Record:
    """Result of the newest run of a system on a ring."""

    system: str
    ring: str
    date: str
    heatgen: str
    """Version of heatgen."""
    verdict: str
    proven: tuple[str, ...]
    """Actions that succeeded, such as ``create`` and ``suite``."""
    note: str

    @property
    def name(self) -> str:
        """Name of the file in ``hot/support``."""
        return f"{self.system}-{self.ring}.json"

    @property
    def summary(self) -> str:
        """The verdict with what was proven and the date."""
        proven = f": {', '.join(self.proven)}" if self.proven else ""
        return f"{self.verdict}{proven} ({self.date})"

    def as_json(self) -> str:
        """Return the content of the file."""
        return json.dumps({**vars(self), "proven": list(self.proven)}, indent=1) + "\n"


@dataclass(frozen=True)
class TestedSystem:
    """A row of the matrix: a system, and the block that supports it."""

    name: str
    title: str
    layer: str
    block: str


@dataclass(frozen=True)
class Support:
    """The matrix: rings, systems, and a record of each pair that was run."""

    rings: Mapping[str, str]
    """Meanings of the rings, by name."""
    systems: tuple[TestedSystem, ...]
    records: Mapping[tuple[str, str], Record]
    """By name of the system and ring."""

    def of_block(self, layer: str, name: str) -> list[TestedSystem]:
        """Return the systems that a block supports."""
        return [item for item in self.systems if (item.layer, item.block) == (layer, name)]

    def cell(self, system: str, ring: str) -> str:
        """Return what was proven of a system on a ring."""
        record = self.records.get((system, ring))
        return record.summary if record else NOT_RUN

    def sentence(self, layer: str, name: str) -> str:
        """Return what was proven of a block's systems, in one line; '' if it has none."""
        return "; ".join(
            f"{item.title}: {', '.join(self._proven(item.name))}"
            for item in self.of_block(layer, name)
        )

    def _proven(self, system: str) -> Iterator[str]:
        for ring in self.rings:
            if (system, ring) in self.records:
                record = self.records[system, ring]
                note = f", {record.note}" if record.verdict != PASSED and record.note else ""
                yield f"{ring} {record.verdict}{note}"
        found = [ring for ring in self.rings if (system, ring) in self.records]
        if len(found) < len(self.rings):
            yield f"otherwise {NOT_RUN}" if found else NOT_RUN


NONE = Support({}, (), {})


def read(tree: Mapping[str, bytes]) -> Support:
    """Parse the files of ``hot/support``; without them, nothing was proven.

    Raises:
        ProblemsFound: a file is invalid, or a record has an unknown system or ring.
    """
    if SYSTEMS_FILE not in tree:
        return NONE
    data = _parsed(SYSTEMS_FILE, tree[SYSTEMS_FILE], _SYSTEMS)
    systems = tuple(TestedSystem(name, **item) for name, item in data["systems"].items())
    rings = dict(data["rings"])
    names = {item.name for item in systems}
    records = list(_records(tree))
    for path, record in records:
        if record.system not in names or record.ring not in rings or path != record.name:
            message = f"the record is of system {record.system!r} and ring {record.ring!r}"
            hint = f"use names of {SYSTEMS_FILE}, and the file name SYSTEM-RING.json"
            raise ProblemsFound([_problem(f"{FOLDER}{path}", message, hint)])
    found = {(record.system, record.ring): record for _, record in records}
    return Support(rings, systems, found)


def _records(tree: Mapping[str, bytes]) -> Iterator[tuple[str, Record]]:
    for path in sorted(tree):
        if path.startswith(FOLDER) and path.endswith(".json"):
            data = _parsed(path, tree[path], _RECORD)
            record = Record(**{**data, "proven": tuple(data["proven"])})
            yield path.removeprefix(FOLDER), record


def _parsed(path: str, raw: bytes, wanted: schema.Schema) -> dict[str, Any]:
    name = f"hot/{path}"
    text = document.parse(name, raw)
    problems = schema.check(text, wanted)
    if problems:
        raise ProblemsFound(problems, {name: text.text})
    data: dict[str, Any] = text.data
    return data


def _problem(path: str, message: str, hint: str) -> Problem:
    return Problem(f"hot/{path}", None, message, hint, code=Code.INVALID_SUPPORT_RECORD)


def proven_lines(support: Support, systems: Iterable[TestedSystem]) -> list[str]:
    """Return a line for each system and ring."""
    return [
        f"{item.title}, {ring}: {support.cell(item.name, ring)}"
        for item in systems
        for ring in support.rings
    ]
