# SPDX-License-Identifier: Apache-2.0
"""Few cases in which every two choices meet: faults of combinations are mostly faults of pairs."""

import itertools
from collections.abc import Mapping, Sequence

Choice = tuple[str, str]
"""A factor and the name of one of its values."""


def cases(factors: Mapping[str, Sequence[str]]) -> list[dict[str, str]]:
    """Cases, one value for each factor, that hold every pair of values; always the same ones.

    Greedy: each case begins with a pair that is still open and takes, factor by factor, the value
    that closes most open pairs with those chosen before.
    """
    missing = pairs(factors)
    found: list[dict[str, str]] = []
    while missing:
        chosen = dict(sorted(min(missing, key=sorted)))
        for factor, values in factors.items():
            if factor not in chosen:
                chosen[factor] = max(
                    values, key=lambda value: closed(factor, value, chosen, missing)
                )
        found.append({factor: chosen[factor] for factor in factors})
        missing -= held(chosen)
    return found


def pairs(factors: Mapping[str, Sequence[str]]) -> set[frozenset[Choice]]:
    """Every pair of values of different factors."""
    return {
        frozenset({(one, value), (other, second)})
        for one, other in itertools.combinations(factors, 2)
        for value in factors[one]
        for second in factors[other]
    }


def held(case: Mapping[str, str]) -> set[frozenset[Choice]]:
    """The pairs that a case holds."""
    return {frozenset(pair) for pair in itertools.combinations(case.items(), 2)}


def closed(
    factor: str, value: str, chosen: Mapping[str, str], missing: set[frozenset[Choice]]
) -> int:
    """How many open pairs a value would close."""
    return sum(frozenset({(factor, value), choice}) in missing for choice in chosen.items())
