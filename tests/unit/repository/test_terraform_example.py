# SPDX-License-Identifier: Apache-2.0
"""The example for Terraform fits the templates and its document; a lab test applies it."""

import re
from typing import Any

import pytest
import yaml

from lab.artifacts import command
from lab.artifacts.recipes import load_component
from tests import shown
from tests.golden.cases import CASES, NAMES

EXAMPLE = shown.ROOT / "examples" / "terraform"
DOCUMENT = "doc/how-to/use-terraform.rst"
CONFIGURATION = "".join(file.read_text("utf-8") for file in sorted(EXAMPLE.glob("*.tf")))


def parameters(name: str) -> dict[str, Any]:
    """Return the parameters of the template of a golden case."""
    path = CASES / name / "generated.yaml"
    found: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))["parameters"]
    return found


def test_the_document_shows_all_files() -> None:
    """The document includes every file of the example."""
    included = re.findall(r"literalinclude:: (\S+)", (shown.ROOT / DOCUMENT).read_text("utf-8"))
    files = {(shown.ROOT / "doc" / "how-to" / path).resolve() for path in included}
    assert files == {path for path in EXAMPLE.iterdir() if path.is_file()}


def test_the_document_names_the_tested_versions() -> None:
    """The versions in the document are those that the lab builds for its test."""
    folder = command.FOLDER / "components"
    text = (shown.ROOT / DOCUMENT).read_text("utf-8")
    provider = load_component(folder / "terraform-provider-openstack").version
    assert re.findall(r"OpenTofu ([\d.]+\d)", text) == [load_component(folder / "opentofu").version]
    assert set(re.findall(r"version ([\d.]+\d)|openstack/([\d.]+)/", text)) == {
        (provider, ""),
        ("", provider),
    }


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_has_a_default(name: str) -> None:
    """The example passes all parameters as texts, which Heat returns unchanged."""
    for parameter in parameters(name).values():
        assert parameter["type"] in ("string", "number", "comma_delimited_list")
        assert isinstance(parameter["default"], str | int)


@pytest.mark.parametrize("name", NAMES)
def test_named_parameters_exist(name: str) -> None:
    """Every template has the parameters that the example and its document name."""
    named = set(re.findall(r'local\.parameters\["(\w+)"\]', CONFIGURATION))
    text = (shown.ROOT / DOCUMENT).read_text("utf-8")
    named |= set(re.findall(r"(?:parameters=\{|^    )(\w+) *= *\"", text, re.MULTILINE))
    assert named == {"authority_generations", "certificates_generation", "worker_count"}
    assert named <= parameters(name).keys()


def test_the_stack_has_a_tag() -> None:
    """Without a tag the provider never stores a value, so every plan would have a change."""
    assert re.search(r'^  tags += \["\w+"\]', CONFIGURATION, re.MULTILINE)


def test_no_key_is_read() -> None:
    """The configuration reads only the template, so the state contains no private key."""
    assert re.findall(r"\bfile\w*\(([^)]*)\)", CONFIGURATION) == ['"${path.root}/generated.yaml"']
    assert "admin.key" not in CONFIGURATION
    assert not re.search(r"^data ", CONFIGURATION, re.MULTILINE)
