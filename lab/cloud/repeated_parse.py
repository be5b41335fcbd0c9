# SPDX-License-Identifier: Apache-2.0
"""Runs at the start of the programs of Heat 27: repeats `ast.parse` after an error of CPython.

heat-engine reads its sync points with `ast.literal_eval`. CPython 3.11.2, that of Debian 12,
sometimes raises "SystemError: AST constructor recursion depth mismatch" if another greenlet runs
meanwhile (python/cpython issue 106905, fixed in later releases). Heat then drops the message, and
the stack stays in progress until its timeout.
"""

import ast
from typing import Any

ATTEMPTS = 5
_parse: Any = ast.parse


def parse(*arguments: Any, **options: Any) -> Any:
    """Return what `ast.parse` returns."""
    for _ in range(ATTEMPTS - 1):
        try:
            return _parse(*arguments, **options)
        except SystemError:
            pass
    return _parse(*arguments, **options)


ast.parse = parse
