# SPDX-License-Identifier: Apache-2.0
"""Examples of ``cluster.yaml``: invalid ones with their report, valid ones with all defaults.

The expected results are next to the examples: ``bad/NAME.txt`` and ``good/NAME.json``. Only these
tests assert complete messages; others assert codes and positions.
"""

import json
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
from tests.expected_file import compare

HERE = Path(__file__).parent
BAD = sorted(path.stem for path in HERE.glob("bad/*.yaml"))
GOOD = sorted(path.stem for path in HERE.glob("good/*.yaml"))
REGENERATE = ".venv/bin/pytest tests/specs"


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    """Return the installed blocks."""
    return block_loader.catalog()


def read(path: Path, catalog: Catalog) -> Spec:
    """Return the specification of an example, under a name that does not depend on its folder."""
    text = document.parse("cluster.yaml", path.read_bytes())
    return read_spec(text, catalog, block_loader.schema("cluster"))


@pytest.mark.parametrize("name", BAD)
def test_bad(name: str, catalog: Catalog) -> None:
    """The report has every problem with its code."""
    with pytest.raises(ProblemsFound) as found:
        read(HERE / "bad" / f"{name}.yaml", catalog)
    compare(
        HERE / "bad" / f"{name}.txt",
        report(found.value.problems, found.value.sources) + "\n",
        REGENERATE,
    )


@pytest.mark.parametrize("name", GOOD)
def test_good(name: str, catalog: Catalog) -> None:
    """The specification has the values of the file and the defaults of all other keys."""
    data = asdict(read(HERE / "good" / f"{name}.yaml", catalog))
    compare(
        HERE / "good" / f"{name}.json", json.dumps(data, indent=1, default=str) + "\n", REGENERATE
    )


def test_notice_of_a_single_endpoint(catalog: Catalog) -> None:
    """Several control-plane nodes without a load balancer are valid, but cause a notice."""
    text = (HERE / "good" / "three.yaml").read_text().replace("3}", "3, load_balancer: none}")
    spec = read_spec(document.parse("c", text.encode()), catalog, block_loader.schema("cluster"))
    key = "control_plane.load_balancer"
    assert any(note.startswith(key) for note in validation.notices(spec))
    default = read(HERE / "good" / "three.yaml", catalog)
    assert not any(note.startswith(key) for note in validation.notices(default))


def test_every_result_has_an_example() -> None:
    """Every expected result has an example."""
    assert {path.stem for path in HERE.glob("bad/*.txt")} == set(BAD)
    assert {path.stem for path in HERE.glob("good/*.json")} == set(GOOD)
