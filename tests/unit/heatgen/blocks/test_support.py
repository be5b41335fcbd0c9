# SPDX-License-Identifier: Apache-2.0
"""Records of what was proven, and their agreement with the blocks."""

import json

import pytest

from heatgen.blocks import support
from heatgen.blocks.catalog import BUILTIN
from heatgen.project import block_loader
from heatgen.yamlio.problems import ProblemsFound
from tests.unit.heatgen.support.others import REAL

SYSTEMS = b"""\
rings: {lab: the lab, cloud: a real cloud}
systems:
  one: {title: System one, layer: os, block: debian}
  two: {title: System two, layer: os, block: debian}
"""
RECORD = {
    "system": "one", "ring": "lab", "date": "2026-11-30", "heatgen": "0.1.0",
    "verdict": "passed", "proven": ["create", "suite"], "note": "",
}  # fmt: skip


def read(name: str = "one-lab.json", **changes: object) -> support.Support:
    """Read a tree with one record."""
    record = json.dumps(RECORD | changes).encode()
    return support.read({support.SYSTEMS_FILE: SYSTEMS, f"support/{name}": record})


def test_cells_and_sentence() -> None:
    """A record has its verdict; what has no record is not run."""
    found = read()
    assert found.cell("one", "lab") == "passed: create, suite (2026-11-30)"
    assert found.cell("one", "cloud") == found.cell("two", "lab") == "not run"
    assert found.sentence("os", "debian") == (
        "System one: lab passed, otherwise not run; System two: not run"
    )
    assert found.sentence("os", "ubuntu") == ""


def test_note_of_a_failure() -> None:
    """The reason of a failure is part of the sentence."""
    found = read(verdict="failed", note="it does not boot")
    assert "System one: lab failed, it does not boot, otherwise not run" in found.sentence(
        "os", "debian"
    )


def test_written_record_is_read() -> None:
    """The written form of a record is the one that is read."""
    (record,) = read().records.values()
    assert read(**json.loads(record.as_json())) == read()
    assert record.name == "one-lab.json"


@pytest.mark.parametrize(
    "changes",
    [
        {"system": "three"},
        {"ring": "moon"},
        {"name": "other.json"},
        {"verdict": "splendid"},
        {"date": "yesterday"},
        {"proven": "all"},
    ],
)
def test_invalid_records(changes: dict[str, str]) -> None:
    """Unknown systems, rings and verdicts, and misnamed files are errors in the file."""
    with pytest.raises(ProblemsFound) as found:
        read(**changes)
    assert found.value.problems[0].file == f"hot/support/{changes.get('name', 'one-lab.json')}"


def test_without_records() -> None:
    """Blocks without the folder have no records."""
    assert support.read({}) == support.NONE


def test_blocks_state_what_the_records_state() -> None:
    """The text `tested` of a built-in block with systems is that of the records."""
    for block in REAL.all_blocks():
        systems = REAL.support.of_block(block.layer, block.name)
        if systems and block.origin == BUILTIN:
            assert block.tested == REAL.support.sentence(block.layer, block.name)


def test_every_system_has_a_block_and_every_os_a_system() -> None:
    """Rows of the matrix name blocks; each block of an operating system has a row."""
    named = {(item.layer, item.block) for item in REAL.support.systems}
    assert named <= set(REAL.blocks)
    own = {key for key in block_loader.installed().blocks if key[0] == "os"}
    assert own <= named
