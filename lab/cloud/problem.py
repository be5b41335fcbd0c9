# SPDX-License-Identifier: Apache-2.0
"""Errors that the lab reports, and exit statuses."""

FAILED = 1
USAGE = 2
TIMED_OUT = 3
INTERRUPTED = 130


class Problem(Exception):
    """An error that is reported to the user without a traceback."""

    def __init__(self, text: str, status: int = FAILED) -> None:
        """Store the text (what is wrong, what to do) and the exit status."""
        super().__init__(text)
        self.status = status
