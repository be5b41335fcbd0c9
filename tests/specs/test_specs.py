# SPDX-License-Identifier: Apache-2.0
"""Tables of ``cluster.yaml``: each bad one with its whole report, each good one with all defaults.

The expectations lie beside the cases: ``bad/NAME.txt`` and ``good/NAME.json``.
"""

import json
import os
from dataclasses import asdict
from pathlib import Path

import pytest

from heatgen.blocks.catalog import Catalog
from heatgen.project import block_loader
from heatgen.spec import validation
from heatgen.spec.model import Spec
from heatgen.spec.reader import read_spec
from heatgen.yamlio import document
from heatgen.yamlio.problems import ProblemsFound, report

HERE = Path(__file__).parent
BAD = sorted(path.stem for path in HERE.glob("bad/*.yaml"))
GOOD = sorted(path.stem for path in HERE.glob("good/*.yaml"))
REGENERATE = "HEATGEN_REGENERATE=1 tox run -e unit -- tests/specs"


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    """The real blocks."""
    return block_loader.catalog()


def read(path: Path, catalog: Catalog) -> Spec:
    """The spec of a case, under a name that does not depend on where it lies."""
    text = document.parse("cluster.yaml", path.read_bytes())
    return read_spec(text, catalog, block_loader.schema("cluster"))


def compare(path: Path, text: str) -> None:
    """Compare with what is expected; the command in the message accepts what is there now."""
    if os.environ.get("HEATGEN_REGENERATE"):
        path.write_text(text, "utf-8")
    assert text == path.read_text("utf-8"), f"{path} differs. Is it meant? Then: {REGENERATE}"


@pytest.mark.parametrize("name", BAD)
def test_bad(name: str, catalog: Catalog) -> None:
    """The report is the expected one, all problems at once."""
    with pytest.raises(ProblemsFound) as found:
        read(HERE / "bad" / f"{name}.yaml", catalog)
    compare(HERE / "bad" / f"{name}.txt", report(found.value.problems, found.value.sources) + "\n")


@pytest.mark.parametrize("name", GOOD)
def test_good(name: str, catalog: Catalog) -> None:
    """The spec holds what was written and the default of all that was not."""
    data = asdict(read(HERE / "good" / f"{name}.yaml", catalog))
    compare(HERE / "good" / f"{name}.json", json.dumps(data, indent=1, default=str) + "\n")


def test_api_at_one_node_is_noticed(catalog: Catalog) -> None:
    """Several control-plane nodes of which one alone is the endpoint are allowed, and told."""
    text = (HERE / "good" / "three.yaml").read_text().replace("3}", "3, load_balancer: none}")
    spec = read_spec(document.parse("c", text.encode()), catalog, block_loader.schema("cluster"))
    assert any("without the first control-plane node" in note for note in validation.notices(spec))
    assert not any(
        "first" in note for note in validation.notices(read(HERE / "good" / "three.yaml", catalog))
    )


def test_no_case_is_forgotten() -> None:
    """Every expectation has its case."""
    assert {path.stem for path in HERE.glob("bad/*.txt")} == set(BAD)
    assert {path.stem for path in HERE.glob("good/*.json")} == set(GOOD)
