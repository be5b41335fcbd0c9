# SPDX-License-Identifier: Apache-2.0
"""Which values of the stack's parameters rotate certificates and authorities.

What counts is what the cluster has agreed on, which the stack tells as outputs: a stack update
without ``--existing`` sets the parameters back, but never the cluster.

Certificates are made anew when their generation is raised. An authority is replaced in three
states, told by the generations that are trusted, the first of which signs: ``1,2`` (the new one is
trusted), ``2,1`` (it signs), ``2`` (the old one is gone).
"""

from collections.abc import Mapping

from heatgen.plan.inputs import AUTHORITY_GENERATIONS, CERTIFICATES_GENERATION

OUTPUTS = (CERTIFICATES_GENERATION.name, AUTHORITY_GENERATIONS.name)
"""Outputs of the stack that tell where the cluster is; its parameters have the same names."""


def certificates(agreed: Mapping[str, str]) -> dict[str, str]:
    """The parameters that have every certificate made anew.

    Args:
        agreed: the stack's outputs.
    """
    return {CERTIFICATES_GENERATION.name: str(int(agreed[CERTIFICATES_GENERATION.name]) + 1)}


def authorities(agreed: Mapping[str, str]) -> list[dict[str, str]]:
    """The updates of the next step, one after the other.

    The first step ends when the new authority signs and both are trusted, the second when the old
    one is not trusted any more. A step that was interrupted goes on where it was.

    Args:
        agreed: the stack's outputs.
    """
    live = [int(text) for text in agreed[AUTHORITY_GENERATIONS.name].split(",")]
    old, new = live[0], live[-1]
    if len(live) == 1:
        new = old + 1
        steps = [[old, new], [new, old]]
    elif old < new:
        steps = [[new, old]]
    else:
        steps = [[old]]
    return [{AUTHORITY_GENERATIONS.name: ",".join(map(str, step))} for step in steps]


def both_trusted(asked: Mapping[str, str]) -> bool:
    """Whether a second step is to come."""
    return "," in asked[AUTHORITY_GENERATIONS.name]
