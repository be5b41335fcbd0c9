# SPDX-License-Identifier: Apache-2.0
"""Values of the stack's parameters that rotate certificates and authorities.

They are derived from the stack's outputs, which have the cluster's state: a stack update without
``--existing`` resets the parameters, but not the cluster.

A higher generation of certificates renews all certificates. The generations of authorities list the
trusted authorities, of which the first signs. A rotation has three states: ``1,2`` (the new
authority is trusted), ``2,1`` (it signs), ``2`` (the old one is removed).
"""

from collections.abc import Mapping

from heatgen.plan.inputs import AUTHORITY_GENERATIONS, CERTIFICATES_GENERATION

OUTPUTS = (CERTIFICATES_GENERATION.name, AUTHORITY_GENERATIONS.name)
"""Outputs of the stack with the cluster's state; its parameters have the same names."""


def certificates(agreed: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters that renew every certificate.

    Args:
        agreed: the stack's outputs.
    """
    return {CERTIFICATES_GENERATION.name: str(int(agreed[CERTIFICATES_GENERATION.name]) + 1)}


def authorities(agreed: Mapping[str, str]) -> list[dict[str, str]]:
    """Return the parameters of each update of the next step.

    After the first step the new authority signs and both are trusted; after the second step the old
    one is no longer trusted. An interrupted step resumes.

    Args:
        agreed: the stack's outputs.
    """
    trusted = [int(text) for text in agreed[AUTHORITY_GENERATIONS.name].split(",")]
    old, new = trusted[0], trusted[-1]
    if len(trusted) == 1:
        new = old + 1
        steps = [[old, new], [new, old]]
    elif old < new:
        steps = [[new, old]]
    else:
        steps = [[old]]
    return [{AUTHORITY_GENERATIONS.name: ",".join(map(str, step))} for step in steps]


def both_trusted(parameters: Mapping[str, str]) -> bool:
    """Return whether both authorities are trusted, so that a second step is required."""
    return "," in parameters[AUTHORITY_GENERATIONS.name]
