# SPDX-License-Identifier: Apache-2.0
"""``heatgen completion``: completion scripts for shells, which do not run heatgen."""

import argparse
from pathlib import Path

from cliff.commandmanager import CommandManager

from heatgen.cli.base import Command, write_output

SHELLS = ("bash", "zsh", "fish")
PROGRAM = "heatgen"


class Completion(Command):
    """Print a script that completes commands, options and file names in a shell.

    For the current shell: 'source <(heatgen completion bash)', 'eval "$(heatgen completion zsh)"'
    after compinit, or 'heatgen completion fish | source'.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of the command's arguments."""
        parser = super().get_parser(prog_name)
        parser.add_argument("shell", choices=SHELLS, metavar="SHELL", help="bash, zsh or fish")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Print the script."""
        # Imported here to keep the start of commands fast.
        import shtab

        write_output(shtab.complete(parser(), shell=parsed_args.shell))


def parser() -> argparse.ArgumentParser:
    """Return one parser with all commands, as :mod:`argparse` and shtab know subcommands."""
    from heatgen.cli.main import Heatgen

    application = Heatgen()
    root = type(application.parser)(
        prog=PROGRAM, parents=[application.parser], add_help=False, conflict_handler="ignore"
    )
    groups = {"": root.add_subparsers(metavar="COMMAND")}
    manager: CommandManager = application.command_manager
    for name, _ in sorted(manager):
        factory, _, _ = manager.find_command(name.split())
        command = factory(application, argparse.Namespace(), cmd_name=name)
        own = command.get_parser(f"{PROGRAM} {name}")
        group, _, last = name.rpartition(" ")
        if group not in groups:
            nested = groups[""].add_parser(group, help=f"commands of '{PROGRAM} {group}'")
            groups[group] = nested.add_subparsers(metavar="COMMAND")
        summary = " ".join(command.get_description().partition("\n\n")[0].split())
        _complete_files(own)
        groups[group].add_parser(
            last,
            parents=[own],
            add_help=False,
            conflict_handler="ignore",
            description=summary,
            help=summary,
        )
    return root


def _complete_files(command: argparse.ArgumentParser) -> None:
    """Complete arguments that are paths with file names."""
    import shtab

    for action in command._actions:  # noqa: SLF001  argparse has no public attribute
        if action.type is Path:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
