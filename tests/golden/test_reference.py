# SPDX-License-Identifier: Apache-2.0
"""The schema for editors and the reference page match the current schema and blocks."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from heatgen.authoring import cluster_reference, errors_reference
from heatgen.project import block_loader
from heatgen.yamlio import codes, document
from tests.expected_file import compare

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "doc" / "reference"
SPECS = ROOT / "tests" / "specs"
REGENERATE = ".venv/bin/pytest tests/golden"


@pytest.fixture(scope="module")
def editor_schema() -> dict[str, Any]:
    """Return the schema for editors."""
    return cluster_reference.whole_schema(block_loader.catalog(), block_loader.schema("cluster"))


def test_schema_file(editor_schema: dict[str, Any]) -> None:
    """The schema file equals the output of ``heatgen schema``."""
    text = json.dumps(editor_schema, indent=1, ensure_ascii=False) + "\n"
    compare(REFERENCE / "cluster.schema.json", text, REGENERATE)


def test_reference_page() -> None:
    """The reference page is up to date and contains all keys."""
    page = cluster_reference.page(block_loader.catalog(), block_loader.schema("cluster"))
    compare(REFERENCE / "cluster.rst", page, REGENERATE)
    for option in ("boot_volume.size", "volume_size", "cri_dockerd", "kube_proxy", "ntp_servers"):
        assert f"\n   * - ``{option}``\n" in page


def test_errors_page() -> None:
    """The page of error codes matches the enumeration."""
    source = Path(codes.__file__).read_text("utf-8")
    compare(REFERENCE / "errors.rst", errors_reference.page(source), REGENERATE)


@pytest.mark.parametrize("path", sorted(SPECS.glob("good/*.yaml")), ids=lambda path: path.stem)
def test_schema_accepts_valid_specifications(path: Path, editor_schema: dict[str, Any]) -> None:
    """The schema for editors accepts a valid cluster.yaml."""
    jsonschema.Draft202012Validator.check_schema(editor_schema)
    data = document.parse(path.name, path.read_bytes()).data
    jsonschema.validate(data, editor_schema)


@pytest.mark.parametrize(
    "name", ["unknown-keys", "types", "missing-cloud-keys", "option-values", "other-blocks",
             "workers-list", "control-plane-values", "cloud-placement"]
)  # fmt: skip
def test_schema_rejects_invalid_specifications(name: str, editor_schema: dict[str, Any]) -> None:
    """The schema for editors rejects an invalid cluster.yaml."""
    path = SPECS / "bad" / f"{name}.yaml"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document.parse(path.name, path.read_bytes()).data, editor_schema)
