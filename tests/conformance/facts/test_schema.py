# SPDX-License-Identifier: Apache-2.0
"""The JSON schema of facts files matches the dataclasses and the recordings."""

from pathlib import Path

import jsonschema
import pytest

from conformance.facts import schema as facts_schema
from conformance.facts import serialization
from conformance.facts.network import Ping
from lab.faultinjection import recordings
from tests.conformance import healthy

RECORDINGS = sorted(recordings.FOLDER.rglob("*.json.gz"))
VALIDATOR = jsonschema.Draft202012Validator(facts_schema.schema())


def test_schema_is_valid() -> None:
    """It is a JSON schema, and rejects unknown keys."""
    VALIDATOR.check_schema(VALIDATOR.schema)
    assert not VALIDATOR.is_valid(healthy.facts() | {"unknown": 1})


def test_attribute_docs_are_part_of_the_schema() -> None:
    """The string literal after an attribute is the description of the property."""
    assert facts_schema.attribute_docs(Ping)["ms"] == "Mean round-trip time."
    ping = facts_schema.schema()["$defs"]["Ping"]["properties"]
    assert ping["ms"]["description"] == "Mean round-trip time."
    assert "description" not in ping["sent"]


def test_dataclasses_have_unique_names() -> None:
    """Page and schema identify them by name."""
    names = [kind.__name__ for kind in facts_schema.kinds()]
    assert len(names) == len(set(names))
    assert {"Facts", "NodeView", "Unavailable"} <= set(names)


def test_healthy_facts_match_the_schema() -> None:
    """The facts that other tests use are valid."""
    VALIDATOR.validate(healthy.facts())


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.name)
def test_recordings_match_the_schema(path: Path) -> None:
    """All recordings are valid."""
    VALIDATOR.validate(serialization.read(path))
