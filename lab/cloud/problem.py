# SPDX-License-Identifier: Apache-2.0
"""What the lab says when something is wrong: one text, and the exit status that goes with it."""

FAILED = 1
USAGE = 2
TIMED_OUT = 3
INTERRUPTED = 130


class Problem(Exception):
    """Something the user should read, instead of a traceback."""

    def __init__(self, text: str, status: int = FAILED) -> None:
        """Keep the text (what is wrong, what to do) and the exit status."""
        super().__init__(text)
        self.status = status
