# SPDX-License-Identifier: Apache-2.0
"""The option ``--parameter``, which sets parameters of a stack."""

import argparse
from collections.abc import Iterable, Mapping
from typing import Any

from heatgen.yamlio.codes import Code
from heatgen.yamlio.problems import Problem, ProblemsFound, did_you_mean


def add_parameters(parser: argparse.ArgumentParser) -> None:
    """Add the option to a parser."""
    parser.add_argument(
        "--parameter",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="set a parameter of the stack, which overrides the file; may be repeated",
    )


def parse_parameters(options: Iterable[str]) -> dict[str, str]:
    """Return the values of the option by name.

    Raises:
        ProblemsFound: a value has no name or no separator.
    """
    parameters = {}
    for option in options:
        name, separator, value = option.partition("=")
        if not name or not separator:
            raise ProblemsFound([_invalid(f"{option!r} is not NAME=VALUE", "use NAME=VALUE")])
        parameters[name] = value
    return parameters


def check_parameters(parameters: Iterable[str], template: Mapping[str, Any]) -> None:
    """Check that a template declares parameters.

    Raises:
        ProblemsFound: it does not declare all of them.
    """
    declared = template["parameters"]
    problems = [
        _invalid(f"the template has no parameter {name!r}", did_you_mean(name, declared))
        for name in parameters
        if name not in declared
    ]
    if problems:
        raise ProblemsFound(problems)


def _invalid(message: str, hint: str) -> Problem:
    return Problem("--parameter", None, message, hint, code=Code.INVALID_ARGUMENT)
