# SPDX-License-Identifier: Apache-2.0
"""Whatever stands in ``cluster.yaml``: a report or a template, never anything else.

``bench/fuzz.py`` does the same for as long as you like.
"""

from hypothesis import HealthCheck, given, settings

from bench import random_clusters

# The same examples each time: a fast test must not fail by chance.
QUICK = settings(
    max_examples=60, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


def test_the_good_one_is_rendered() -> None:
    """What the others are made from gives a template: else they would all stop early."""
    assert random_clusters.check(random_clusters.VALID.encode()) == "template"


@QUICK
@given(random_clusters.changed_data())
def test_any_value_anywhere(raw: bytes) -> None:
    """Wrong values of known keys."""
    random_clusters.check(raw)


@QUICK
@given(random_clusters.changed_text())
def test_any_text(raw: bytes) -> None:
    """Texts that are cut up."""
    random_clusters.check(raw)
