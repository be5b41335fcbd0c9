# SPDX-License-Identifier: Apache-2.0
"""Pairwise testing: a small set of cases that covers every pair of values."""

import itertools
from collections.abc import Mapping, Sequence

Choice = tuple[str, str]
"""A factor and the name of one of its values."""


def cases(factors: Mapping[str, Sequence[str]]) -> list[dict[str, str]]:
    """Return cases, with one value for each factor, that cover every pair; deterministic.

    Greedy: each case starts with an uncovered pair; for each other factor it gets the value that
    covers the most uncovered pairs with the values chosen before.
    """
    missing = pairs(factors)
    found: list[dict[str, str]] = []
    while missing:
        chosen = dict(sorted(min(missing, key=sorted)))
        for factor, values in factors.items():
            if factor not in chosen:
                chosen[factor] = max(values, key=lambda value: gain(factor, value, chosen, missing))
        found.append({factor: chosen[factor] for factor in factors})
        missing -= covered(chosen)
    return found


def pairs(factors: Mapping[str, Sequence[str]]) -> set[frozenset[Choice]]:
    """Return all pairs of values of different factors."""
    return {
        frozenset({(one, value), (other, second)})
        for one, other in itertools.combinations(factors, 2)
        for value in factors[one]
        for second in factors[other]
    }


def covered(case: Mapping[str, str]) -> set[frozenset[Choice]]:
    """Return the pairs in a case."""
    return {frozenset(pair) for pair in itertools.combinations(case.items(), 2)}


def gain(
    factor: str, value: str, chosen: Mapping[str, str], missing: set[frozenset[Choice]]
) -> int:
    """Return the number of missing pairs that a value would cover."""
    return sum(frozenset({(factor, value), choice}) in missing for choice in chosen.items())
