# SPDX-License-Identifier: Apache-2.0
"""Any ``cluster.yaml`` results in a report or in a template.

``bench/fuzz.py`` does the same without a time limit.
"""

from hypothesis import HealthCheck, given, settings

from bench import random_clusters

# Use the same examples in every run, so that this test is not flaky.
QUICK = settings(
    max_examples=60, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


def test_valid_cluster_is_rendered() -> None:
    """The cluster that the examples are derived from results in a template."""
    assert random_clusters.check(random_clusters.VALID.encode()) == "template"


@QUICK
@given(random_clusters.changed_data())
def test_any_value_anywhere(raw: bytes) -> None:
    """Arbitrary values of known keys result in a report or in a template."""
    random_clusters.check(raw)


@QUICK
@given(random_clusters.changed_text())
def test_any_text(raw: bytes) -> None:
    """Truncated and rearranged texts result in a report or in a template."""
    random_clusters.check(raw)
