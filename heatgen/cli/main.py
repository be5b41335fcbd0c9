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
from heatgen.cli import help_text, standard_streams
from heatgen.cli.base import (
    DONE,
    INTERRUPTED,
    INVALID,
    flush_output,
    print_error,
    print_message,
    run_command,
    write_output,
)
from heatgen.yamlio.codes import Code


class Help(HelpCommand):
    """Show the help of a command, or list all commands."""

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        """Print the help; an unknown command is wrong usage."""
        if not parsed_args.cmd:
            write_output(help_text.text(self.app.parser, self.app.command_manager))
            return DONE
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
        # cliff's completion is only for bash, and needs its package bash-completion.
        self.command_manager.commands.pop("complete", None)

    def print_help_if_requested(self) -> None:
        """Print the help text; report errors, which cliff prints without a code."""

        def show() -> int:
            write_output(help_text.text(self.parser, self.command_manager))
            return DONE

        if self.options.deferred_help:
            raise SystemExit(run_command(show, debug=self.options.debug))

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
    standard_streams.prepare()
    code = _run(arguments)
    # Commands have flushed standard output already; help texts have not.
    return flush_output() or code


def _run(arguments: list[str]) -> int:
    try:
        # Without arguments cliff would start an interactive shell.
        return Heatgen().run(arguments or ["--help"])
    except KeyboardInterrupt:
        return INTERRUPTED
    except SystemExit as end:
        # Of argparse, after a help text or wrong usage.
        return end.code if isinstance(end.code, int) else int(end.code is not None)


if __name__ == "__main__":
    sys.exit(main())
