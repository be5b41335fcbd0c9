# SPDX-License-Identifier: Apache-2.0
"""Results of the suite, read from its file."""

from pathlib import Path

from lab.faultinjection import results
from tests.unit.lab.faultinjection.samples import result


def test_where_a_check_is_found_again(tmp_path: Path) -> None:
    """After healing, pytest is told the checks that were red, whatever it was run on."""
    assert results.address(result("test_a")) == "conformance/tests/test_flannel.py::test_a"
    assert results.read(tmp_path / "none.jsonl") == []
