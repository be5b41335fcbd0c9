# SPDX-License-Identifier: Apache-2.0
"""Which values of the stack's parameters rotate certificates and authorities.

Certificates are made anew when their generation is raised. It is raised to the clock's seconds, not
by one: who updates a stack without ``--existing`` sets the parameter back to 1, and the number
after that must still be larger than every earlier one.

An authority is replaced in three states, told by the generations that are trusted, the first of
which signs: ``1,2`` (the new one is trusted), ``2,1`` (it signs), ``2`` (the old one is gone).
"""

from collections.abc import Mapping

from heatgen.inputs import AUTHORITY_GENERATIONS, CERTIFICATES_GENERATION

Parameters = Mapping[str, str]


def certificates(current: Parameters, now: float) -> dict[str, str]:
    """The parameters that have every certificate made anew.

    Args:
        current: the stack's parameters.
        now: seconds since the epoch.
    """
    generation = int(float(current[CERTIFICATES_GENERATION.name]))
    return {CERTIFICATES_GENERATION.name: str(max(generation + 1, int(now)))}


def authorities(current: Parameters) -> list[dict[str, str]]:
    """The updates of the next step, one after the other.

    The first step ends when the new authority signs and both are trusted, the second when the old
    one is not trusted any more. A step that was interrupted goes on where it was.
    """
    live = [int(text) for text in current[AUTHORITY_GENERATIONS.name].split(",")]
    old, new = live[0], live[-1]
    if len(live) == 1:
        new = old + 1
        steps = [[old, new], [new, old]]
    elif old < new:
        steps = [[new, old]]
    else:
        steps = [[old]]
    return [{AUTHORITY_GENERATIONS.name: ",".join(map(str, step))} for step in steps]


def both_trusted(after: Parameters) -> bool:
    """Whether a second step is to come."""
    return "," in after[AUTHORITY_GENERATIONS.name]
