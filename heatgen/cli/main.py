# SPDX-License-Identifier: Apache-2.0
"""Entry point of ``heatgen``, and its exit codes.

====  =======================================
0     success
1     the operation failed
2     wrong usage or invalid input
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
from cliff.help import HelpCommand

from heatgen import VERSION
from heatgen.cli import standard_output
from heatgen.cli.base import INTERRUPTED, INVALID, print_error, print_message, run_command
from heatgen.yamlio.codes import Code


class Help(HelpCommand):
    """print detailed help for another command"""  # noqa: D415  shown in a list

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        """Print the help; an unknown command is wrong usage."""
        try:
            return int(super().take_action(parsed_args) or 0)
        except ValueError as error:
            print_error(Code.UNKNOWN_COMMAND, error, _UNKNOWN_HINT)
            print_message("usage: heatgen help [COMMAND]")
            return INVALID


_UNKNOWN_HINT = "run 'heatgen help' to list the commands"


class Heatgen(App):
    """The cliff application."""

    def __init__(self) -> None:
        super().__init__(
            description="Kubernetes clusters on OpenStack from one Heat template, layer by layer.",
            version=VERSION,
            command_manager=CommandManager("heatgen.commands"),
            deferred_help=True,
        )
        self.command_manager.add_command("help", Help)

    def run_subcommand(self, argv: list[str]) -> int:
        """Run one command, and report errors that the command does not catch."""
        return run_command(lambda: self._run(argv), debug=self.options.debug)

    def _run(self, argv: list[str]) -> int:
        try:
            factory, name, rest = self.command_manager.find_command(argv)
        except ValueError as error:
            print_error(Code.UNKNOWN_COMMAND, error, _UNKNOWN_HINT)
            return INVALID
        command: Command = factory(self, argparse.Namespace(), cmd_name=name)
        return int(command.run(command.get_parser(f"heatgen {name}").parse_args(rest)) or 0)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program and return the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    with standard_output.guarded() as output:
        code = run_command(lambda: _run(arguments), debug=False)
        return max(code, run_command(lambda: _flush(output), debug=False))


def _run(arguments: list[str]) -> int:
    try:
        # Without arguments cliff would start an interactive shell.
        return Heatgen().run(arguments or ["--help"])
    except KeyboardInterrupt:
        return INTERRUPTED


def _flush(output: standard_output.StandardOutput) -> int:
    """Write buffered output while a failure can still be reported."""
    output.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
