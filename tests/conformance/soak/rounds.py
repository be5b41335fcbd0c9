# SPDX-License-Identifier: Apache-2.0
"""Rounds for tests of the soak."""

from dataclasses import replace

from conformance.soak.history import CheckRound, Red, Round
from tests.conformance import healthy

CONTROL, ONE, TWO = healthy.NODES

HOUR = 3600.0


def a_round(number: int, red: tuple[str, ...] = (), **known: object) -> Round:
    """Return a round; the ``red`` checks failed, the others passed. Rounds are an hour apart."""
    names = {"test_a", "test_b", *red}
    checks = {name: CheckRound("failed" if name in red else "passed", 3, 1.0) for name in names}
    reds = [Red(f"test_x.py::{name}[n]", "failed", f"{name} is broken") for name in red]
    plain = Round(
        round=number,
        run=f"run{number}",
        cluster="uid",
        began=number * HOUR,
        seconds=40.0,
        exit=len(red),
        checks=checks,
        red=reds,
    )
    return replace(plain, **known)  # type: ignore[arg-type]
