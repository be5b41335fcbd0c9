#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Any cluster.yaml, for as long as you like: a report or a template, never anything else.

The fast tests do the same with the same few examples each time (tests/unit/heatgen/test_fuzz.py).
Reports how many were read, and how many of them gave a template; ends with the smallest example
that broke something, if there is one. From the root of a checkout, where package and hypothesis
are:

    python -m bench.fuzz --examples 5000
"""

import argparse
import collections
import sys

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench import random_clusters


def main() -> int:
    """Run."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--examples", type=int, default=5000, help="default: %(default)s")
    count = parser.parse_args().examples
    came: collections.Counter[str] = collections.Counter()

    @settings(max_examples=count, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        st.one_of(
            random_clusters.changed_data(), random_clusters.changed_text(), st.binary(max_size=300)
        )
    )
    def fuzz(raw: bytes) -> None:
        came[random_clusters.judge(raw)] += 1

    fuzz()
    print(", ".join(f"{number} {what}" for what, number in sorted(came.items())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
