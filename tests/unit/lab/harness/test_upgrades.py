# SPDX-License-Identifier: Apache-2.0
"""The measurements of an update."""

from typing import Any

import pytest

from lab.harness.polling import PollResults
from lab.harness.upgrades import Measurement, Samples, table, version, version_of_workers


def measured(samples: Samples, outage: float = 1.0, failures: int = 0) -> Measurement:
    """Return a measurement with these results."""
    found = {"requests": 500, "failures": failures, "errors": {}, "outage": outage}
    results = PollResults({"read from outside": found, "shop": found})
    return Measurement(title="to 1.2.3", seconds=99.6, output="", samples=samples, results=results)


def samples(*cordoned: tuple[str, ...], fewest: int = 6) -> Samples:
    """Return samples, taken once per second."""
    found = Samples(fewest=fewest)
    for second, names in enumerate(cordoned):
        found.add(names, second)
    return found


def test_seconds_per_node() -> None:
    """A node's time is that between the first and the last time that it was cordoned."""
    found = samples((), ("b",), ("b",), ("b",), (), ("a",), ("a",))
    assert found.seconds == {"b": 2, "a": 1}
    assert found.cordoned == {(), ("a",), ("b",)}


def test_table() -> None:
    """The table has a row per update."""
    lines = table([measured(samples(("b",), ("b",)))]).splitlines()
    assert lines[1].split() == ["to", "1.2.3", "100", "1", "1.0", "1.0", "0/500", "6"]


@pytest.mark.parametrize(
    "bad",
    [
        measured(samples(("a", "b"))),
        measured(samples((), fewest=4)),
        measured(samples(()), outage=10.1),
        measured(samples(()), failures=6),
    ],
    ids=["two-nodes", "budget", "silence", "errors"],
)
def test_limits(bad: Measurement) -> None:
    """Two nodes at a time, a violated budget, silence and errors are failures."""
    measured(samples(("a",), fewest=5), outage=10, failures=5).check()
    with pytest.raises(AssertionError):
        bad.check()


def test_changes() -> None:
    """The versions of control plane and workers are changed separately."""
    spec: dict[str, Any] = {"workers": [{"name": "worker"}]}
    version("1.37.2", emulate="1.36.3")(spec)
    assert spec["orchestration"] == {"version": "1.37.2", "emulate": "1.36.3"}
    version_of_workers("1.36.3")(spec)
    assert spec["workers"][0]["version"] == "1.36.3"
