# SPDX-License-Identifier: Apache-2.0
"""The schema for editors and the reference page are those of today's schema and blocks."""

import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from heatgen.authoring import cluster_reference, errors_reference
from heatgen.project import block_loader
from heatgen.yamlio import codes, document

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "doc" / "reference"
SPECS = ROOT / "tests" / "specs"
REGENERATE = "HEATGEN_REGENERATE=1 tox run -e unit -- tests/golden"


@pytest.fixture(scope="module")
def whole() -> dict[str, Any]:
    """The schema for editors."""
    return cluster_reference.whole_schema(block_loader.catalog(), block_loader.schema("cluster"))


def compare(path: Path, text: str) -> None:
    """Compare with the file; the command in the message writes what is there now."""
    if os.environ.get("HEATGEN_REGENERATE"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
    assert text == path.read_text("utf-8"), f"{path} differs. Is it meant? Then: {REGENERATE}"


def test_schema_file(whole: dict[str, Any]) -> None:
    """What is shipped is what 'heatgen schema' prints."""
    text = json.dumps(whole, indent=1, ensure_ascii=False) + "\n"
    compare(REFERENCE / "cluster.schema.json", text)


def test_reference_page() -> None:
    """The page has every key."""
    page = cluster_reference.page(block_loader.catalog(), block_loader.schema("cluster"))
    compare(REFERENCE / "cluster.rst", page)
    for option in ("boot_volume.size", "volume_size", "cri_dockerd", "kube_proxy", "ntp_servers"):
        assert f"\n   * - ``{option}``\n" in page


def test_errors_page() -> None:
    """The page of error codes matches the enumeration."""
    source = Path(codes.__file__).read_text("utf-8")
    compare(REFERENCE / "errors.rst", errors_reference.page(source))


@pytest.mark.parametrize("path", sorted(SPECS.glob("good/*.yaml")), ids=lambda path: path.stem)
def test_editors_accept_what_heatgen_accepts(path: Path, whole: dict[str, Any]) -> None:
    """A good cluster.yaml has no red line in an editor."""
    jsonschema.Draft202012Validator.check_schema(whole)
    data = document.parse(path.name, path.read_bytes()).data
    jsonschema.validate(data, whole)


@pytest.mark.parametrize(
    "name", ["unknown-keys", "types", "missing-cloud-keys", "option-values", "other-blocks",
             "workers-list", "control-plane-words", "cloud-places"]
)  # fmt: skip
def test_editors_refuse_what_the_schema_refuses(name: str, whole: dict[str, Any]) -> None:
    """A wrong one has."""
    path = SPECS / "bad" / f"{name}.yaml"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document.parse(path.name, path.read_bytes()).data, whole)
