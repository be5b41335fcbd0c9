# SPDX-License-Identifier: Apache-2.0
"""The program ``heatgen`` and its exit codes.

====  =======================================
0     done
1     the operation failed
2     usage or invalid input
3     timed out
130   interrupted
====  =======================================
"""

import argparse
import sys
from collections.abc import Sequence

from cliff.app import App
from cliff.command import Command
from cliff.commandmanager import CommandManager

from heatgen import VERSION
from heatgen.problems import Failed, ProblemsFound, report
from heatgen.stack import CloudFailed

DONE, FAILED, INVALID, TIMED_OUT, INTERRUPTED = 0, 1, 2, 3, 130


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
        """Run one command; every failure becomes a report and an exit code, never a traceback."""
        try:
            return self._run(argv)
        except ProblemsFound as found:
            self.tell(report(found.problems, found.sources))
            return FAILED if isinstance(found, Failed) else INVALID
        except CloudFailed as error:
            self.tell(f"error: {error}\n  hint: {error.hint}")
            return FAILED
        except TimeoutError as error:
            self.tell(f"error: timed out: {error}")
            return TIMED_OUT
        except BrokenPipeError:
            return FAILED
        except Exception as error:
            if self.options.debug:
                raise
            self.tell(f"error: {type(error).__name__}: {error}")
            self.tell("  hint: this is a fault of heatgen; run it with --debug and report it")
            return FAILED

    def tell(self, text: str) -> None:
        """Say something to the user that is not the result."""
        print(text, file=sys.stderr)

    def _run(self, argv: list[str]) -> int:
        try:
            factory, name, rest = self.command_manager.find_command(argv)
        except ValueError as error:
            self.tell(f"error: {error}; see 'heatgen help'")
            return INVALID
        command: Command = factory(self, argparse.Namespace(), cmd_name=name)
        return int(command.run(command.get_parser(f"heatgen {name}").parse_args(rest)) or 0)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; the exit code."""
    try:
        return Heatgen().run(list(sys.argv[1:] if argv is None else argv))
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
