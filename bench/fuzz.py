#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Check that any cluster.yaml results in a report of problems or in a template.

The unit tests run a few fixed examples of the same property (tests/unit/heatgen/test_fuzz.py).
Prints the number of examples with problems and with a template; a failure shows the smallest
example that causes it. Run it in the root of a checkout, with heatgen and hypothesis installed:

    python -m bench.fuzz --examples 5000
"""

import argparse
import collections
import sys

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench import random_clusters


def main() -> int:
    """Run the examples."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--examples", type=int, default=5000, help="default: %(default)s")
    count = parser.parse_args().examples
    results: collections.Counter[str] = collections.Counter()

    @settings(max_examples=count, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        st.one_of(
            random_clusters.changed_data(), random_clusters.changed_text(), st.binary(max_size=300)
        )
    )
    def fuzz(raw: bytes) -> None:
        results[random_clusters.check(raw)] += 1

    fuzz()
    print(", ".join(f"{number} {result}" for result, number in sorted(results.items())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
