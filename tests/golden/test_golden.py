# SPDX-License-Identifier: Apache-2.0
"""Rendered templates equal the golden files; changed scripts do not change servers."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from heatgen.blocks import catalog, pins
from heatgen.plan.build import build_plan
from heatgen.project import block_loader
from heatgen.render.template import render
from heatgen.spec.reader import read_spec
from heatgen.yamlio import document

from .cases import CASES, NAMES
from .cases import render as render_case

REGENERATE = "HEATGEN_REGENERATE=1 .venv/bin/pytest tests/golden"
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", NAMES)
def test_template_equals_golden_file(name: str, tmp_path: Path) -> None:
    """The rendered template equals the golden file byte for byte."""
    golden = CASES / name / "generated.yaml"
    text = render_case(name, tmp_path)
    if os.environ.get("HEATGEN_REGENERATE"):
        golden.write_text(text, "utf-8")
    if text != golden.read_text("utf-8"):
        pytest.fail(f"{golden} differs; if this is intended, run {REGENERATE}", pytrace=False)


@pytest.mark.parametrize("name", NAMES)
def test_golden_template_is_yaml(name: str) -> None:
    """A YAML parser reads the golden file as the rendered mapping."""
    data = yaml.safe_load((CASES / name / "generated.yaml").read_text("utf-8"))
    assert data == template(name, dict(block_loader.tree()))


def test_rendering_is_deterministic(tmp_path: Path) -> None:
    """Rendering with different hash seeds returns the same bytes."""
    texts = set()
    for seed in ("1", "2", "77"):
        folder = tmp_path / seed
        folder.mkdir()
        program = (
            f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
            "from pathlib import Path\n"
            "from tests.golden.cases import render\n"
            f"sys.stdout.write(render('full', Path({str(folder)!r})))"
        )
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        process = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, check=True
        )
        texts.add(process.stdout)
    assert len(texts) == 1


def template(name: str, tree: dict[str, bytes]) -> dict[str, Any]:
    """Render the template of a case with these blocks."""
    folder = CASES / name
    blocks = catalog.build(tree, block_loader.schema("block"))
    text = document.parse("cluster.yaml", (folder / "cluster.yaml").read_bytes())
    spec = read_spec(text, blocks, block_loader.schema("cluster"))
    pinned = pins.read("lock", (folder / "cluster.lock.yaml").read_bytes())
    request = (folder / "cluster.admin.csr").read_text()
    certificate = (folder / "cluster.backup.crt").read_text()
    return render(build_plan(spec, blocks, pinned, request, certificate)).as_dict()


@pytest.mark.parametrize("name", NAMES)
def test_changed_texts_replace_nothing(name: str) -> None:
    """Changed scripts, library and agent change only texts of software configurations.

    Properties of servers do not change, and changed user data does not affect existing servers.
    """
    tree = dict(block_loader.tree())
    changed = {
        path: text + b"\n# changed\n" if path.endswith((".sh", "heatgen-agent")) else text
        for path, text in tree.items()
    }
    before, after = resources(template(name, tree)), resources(template(name, changed))
    assert before.keys() == after.keys()
    different = {key for key in before if before[key] != after[key]}
    assert "agent" in different
    for key in different:
        allowed = {
            "OS::Heat::SoftwareConfig": {"config"}, "OS::Heat::Value": {"value"},
        }.get(before[key]["type"], {"input_values"})  # fmt: skip
        old, new = before[key]["properties"], after[key]["properties"]
        assert {item for item in old if old[item] != new[item]} <= allowed, key
    for key, server in servers(after).items():
        assert server["user_data_update_policy"] == "IGNORE", key


def resources(data: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the resources of a template."""
    found = data["resources"]
    assert isinstance(found, dict)
    return found


def servers(found: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the properties of every server, including those in groups."""
    result = {}
    for key, item in found.items():
        properties = item.get("properties", {})
        assert isinstance(properties, dict)
        if item["type"] == "OS::Nova::Server":
            result[key] = properties
        elif item["type"] == "OS::Heat::ResourceGroup":
            result[key] = properties["resource_def"]["properties"]
    return result
