# SPDX-License-Identifier: Apache-2.0
"""Every command that a document shows is run by a test, or stands in a short list with a reason."""

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
    """A document with commands that are to be run names a test, which reads that document."""
    wanted = shown.runnable(name)
    if wanted:
        test = shown.RUN_BY.get(name)
        assert test, f"nobody runs {wanted}: tests/shown.py"
        assert (shown.ROOT / test).exists()


def test_no_reason_is_left_over() -> None:
    """What is not run is shown somewhere, and the tests that do the same are there."""
    commands = [command for name in shown.DOCUMENTS for command in shown.commands(name)]
    for pattern, why in shown.NOT_RUN.items():
        assert any(re.match(pattern, command) for command in commands), pattern
        for path in re.findall(r"\w+/[\w/]+\.py", why):
            assert (shown.ROOT / path).exists()


def test_commands_are_found(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Commands of both kinds of blocks, over two lines, without their comments and output."""
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


def test_the_tutorials_cluster_is_good() -> None:
    """The tutorial's files are ones that heatgen takes, and stay within what its text says."""
    tutorial = "doc/tutorial/first-cluster.rst"
    small, large = (shown.block(tutorial, "yaml", number) for number in (0, 1))
    first = read_spec(document.parse("c", small.encode()), CATALOG, SCHEMA)
    second = read_spec(document.parse("c", large.encode()), CATALOG, SCHEMA)
    assert len(small.splitlines()) == 5
    assert (first.control_plane.count, second.control_plane.count) == (1, 3)


def test_keys_named_for_magnums_users_exist() -> None:
    """Every key and block named in doc/how-to/migrate-from-magnum.rst exists."""
    text = (shown.ROOT / "doc" / "how-to" / "migrate-from-magnum.rst").read_text("utf-8")
    cells = [row.partition("\n     - ")[2].partition("\n\n")[0] for row in text.split("   * - ")]
    named = [word for cell in cells for word in re.findall(r"``([a-z][^`]*)``", cell)]
    assert len(named) > 30
    for word in named:
        if not word.startswith(("openstack ", "heatgen ")):
            path, _, value = word.partition(": ")
            _follow(path, yaml.safe_load(value) if value else None)


def _follow(path: str, value: object) -> None:
    """Walk the schema along a path, to the blocks' options and overrides if need be."""
    data: dict[str, object] = {}
    for block in CATALOG.all_blocks():
        whole = full_schema({block.layer: {"use": block.name}, **data}, CATALOG, SCHEMA)
        if _found(whole, path.split("."), value):
            return
    raise AssertionError(f"there is no key {path!r} that takes {value!r}")


def _found(part: schema.Schema, path: list[str], value: object) -> bool:
    for name in path:
        if name not in part.get("properties", {}):
            return bool(part.get("type") == "object" and "additionalProperties" not in part)
        part = part["properties"][name]
    return value is None or not schema.check_value(value, part)
