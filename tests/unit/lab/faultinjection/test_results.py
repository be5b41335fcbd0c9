# SPDX-License-Identifier: Apache-2.0
"""Results of the suite, read from a file."""

from pathlib import Path

from lab.faultinjection import results
from tests.unit.lab.faultinjection.samples import result


def test_node_id_and_missing_file(tmp_path: Path) -> None:
    """A check is addressed by its pytest node id; a missing results file has no tests."""
    assert results.node_id(result("test_a")) == "conformance/tests/test_flannel.py::test_a"
    assert results.read(tmp_path / "none.jsonl") == []
