# SPDX-License-Identifier: Apache-2.0
"""The program ``heatgen`` and its exit codes.

====  =======================================
0     done
1     the operation failed
2     usage or invalid input
3     timed out
130   interrupted
====  =======================================

``heatgen diff`` has two more, see :mod:`heatgen.cli.diff`.
"""

import argparse
import sys
from collections.abc import Sequence

from cliff.app import App
from cliff.command import Command
from cliff.commandmanager import CommandManager

from heatgen import VERSION
from heatgen.cli.base import INTERRUPTED, INVALID, print_message, run_command


class Heatgen(App):
    """The application."""

    def __init__(self) -> None:
        super().__init__(
            description="Kubernetes clusters on OpenStack from one Heat template, layer by layer.",
            version=VERSION,
            command_manager=CommandManager("heatgen.commands"),
            deferred_help=True,
        )

    def run_subcommand(self, argv: list[str]) -> int:
        """Run one command; what it does not catch itself is caught here."""
        return run_command(lambda: self._run(argv), debug=self.options.debug)

    def _run(self, argv: list[str]) -> int:
        try:
            factory, name, rest = self.command_manager.find_command(argv)
        except ValueError as error:
            print_message(f"error: {error}; see 'heatgen help'")
            return INVALID
        command: Command = factory(self, argparse.Namespace(), cmd_name=name)
        return int(command.run(command.get_parser(f"heatgen {name}").parse_args(rest)) or 0)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        # Without a word cliff would open a shell of its own.
        return Heatgen().run(words or ["--help"])
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
