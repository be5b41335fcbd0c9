# SPDX-License-Identifier: Apache-2.0
"""Check that a test runs every command in documents, or that a list has the reason why not."""

import re

import pytest
import yaml

from heatgen.project import block_loader
from heatgen.spec.reader import full_schema, read_spec
from heatgen.yamlio import document, schema
from tests import shown

CATALOG, SCHEMA = block_loader.catalog(), block_loader.schema("cluster")


@pytest.mark.parametrize("name", shown.DOCUMENTS)
def test_every_command_is_run(name: str) -> None:
    """A document with commands to run has a test in ``shown.RUN_BY``."""
    expected = shown.runnable(name)
    if expected:
        test = shown.RUN_BY.get(name)
        assert test, f"no test runs {expected}: see tests/shown.py"
        assert (shown.ROOT / test).exists()


def test_exceptions_are_used() -> None:
    """Every exception matches a command in a document, and the tests that it names exist."""
    commands = [command for name in shown.DOCUMENTS for command in shown.commands(name)]
    for pattern, why in shown.NOT_RUN.items():
        assert any(re.match(pattern, command) for command in commands), pattern
        for path in re.findall(r"\w+/[\w/]+\.py", why):
            assert (shown.ROOT / path).exists()


def test_commands_are_found(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Commands are found in both kinds of blocks, without comments and output."""
    folder = tmp_path_factory.mktemp("document")
    text = (
        "Text with make demo.\n\n.. code-block:: console\n\n  $ one two  # why\n  output\n"
        "  $ three \\\n      four\n\n.. code-block:: yaml\n\n  $ not: this\n\nLiteral::\n\n"
        "  heatgen lock x\n  heatgenesis\n\nEnd. Indented::\n\n    make demo\n"
    )
    (folder / "d.rst").write_text(text)
    assert shown.commands(str(folder / "d.rst")) == [
        "one two", "three four", "heatgen lock x", "make demo",
    ]  # fmt: skip


def test_clusters_of_the_tutorial() -> None:
    """The files in the tutorial are valid, and have the documented sizes."""
    tutorial = "doc/tutorial/first-cluster.rst"
    small, large = (shown.block(tutorial, "yaml", number) for number in (0, 1))
    first = read_spec(document.parse("c", small.encode()), CATALOG, SCHEMA)
    second = read_spec(document.parse("c", large.encode()), CATALOG, SCHEMA)
    assert len(small.splitlines()) == 5
    assert (first.control_plane.count, second.control_plane.count) == (1, 3)


def test_keys_in_the_migration_guide() -> None:
    """Every key and block in doc/how-to/migrate-from-magnum.rst exists."""
    text = (shown.ROOT / "doc" / "how-to" / "migrate-from-magnum.rst").read_text("utf-8")
    cells = [row.partition("\n     - ")[2].partition("\n\n")[0] for row in text.split("   * - ")]
    literals = [literal for cell in cells for literal in re.findall(r"``([a-z][^`]*)``", cell)]
    assert len(literals) > 30
    for literal in literals:
        if not literal.startswith(("openstack ", "heatgen ")):
            path, _, value = literal.partition(": ")
            _check_key(path, yaml.safe_load(value) if value else None)


def _check_key(path: str, value: object) -> None:
    """Check that a schema with the options of some block has a key, which allows a value."""
    for block in CATALOG.all_blocks():
        full = full_schema({block.layer: {"use": block.name}}, CATALOG, SCHEMA)
        if _found(full, path.split("."), value):
            return
    raise AssertionError(f"no key {path!r} allows {value!r}")


def _found(part: schema.Schema, path: list[str], value: object) -> bool:
    for name in path:
        if name not in part.get("properties", {}):
            return bool(part.get("type") == "object" and "additionalProperties" not in part)
        part = part["properties"][name]
    return value is None or not schema.check_value(value, part)
