# SPDX-License-Identifier: Apache-2.0
"""The documented format of facts files is that of the code, and that of the recordings."""

from pathlib import Path

import jsonschema
import pytest

from conformance.facts import schema as facts_schema
from conformance.facts import serialization
from lab.faultinjection import recordings
from tests.conformance import healthy

RECORDINGS = sorted(recordings.FOLDER.rglob("*.json.gz"))


def test_it_is_a_schema() -> None:
    """The schema is one, and tells that keys nobody knows are errors."""
    schema = facts_schema.schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert not jsonschema.Draft202012Validator(schema).is_valid(healthy.facts() | {"news": 1})


def test_kinds_have_names_of_their_own() -> None:
    """The page and the schema tell them apart by their names."""
    names = [kind.__name__ for kind in facts_schema.kinds()]
    assert len(names) == len(set(names))
    assert {"Facts", "NodeView", "Unavailable"} <= set(names)


def test_made_facts_obey_the_schema() -> None:
    """The facts that the judges are tested with are such a file."""
    jsonschema.validate(healthy.facts(), facts_schema.schema())


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.name)
def test_recordings_obey_the_schema(path: Path) -> None:
    """So is everything in the recordings."""
    jsonschema.validate(serialization.read(path), facts_schema.schema())
