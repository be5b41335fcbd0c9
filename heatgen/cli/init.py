# SPDX-License-Identifier: Apache-2.0
"""``heatgen init``."""

import argparse
import sys
from pathlib import Path

from heatgen.cli.base import Command, print_message
from heatgen.yamlio.codes import Code
from heatgen.yamlio.problems import Problem, ProblemsFound

PROMPTS = {
    "name": ("Name of the cluster", "demo"),
    "external_network": ("External network with floating IPs", "public"),
    "image": ("Image of the servers", "debian-12"),
    "flavor": ("Flavor of the servers", "m1.medium"),
    "control": ("Number of control-plane servers (1, 3 or 5)", "1"),
    "workers": ("Number of workers", "2"),
    "api": ("Networks that can access the API, separated by commas", ""),
}
"""Prompt and default of each value."""


class Init(Command):
    """Write a starter cluster.yaml and a .gitignore; prompt for values not given as options."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of the command's arguments."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "cluster",
            type=Path,
            nargs="?",
            default=Path("cluster.yaml"),
            metavar="CLUSTER.YAML",
            help="output file (default: %(default)s)",
        )
        for name, (prompt, default) in PROMPTS.items():
            help_text = f"{prompt[0].lower()}{prompt[1:]} (default: {default or 'none'})"
            parser.add_argument(f"--{name.replace('_', '-')}", metavar="VALUE", help=help_text)
        parser.add_argument("--yes", action="store_true", help="do not prompt, use the defaults")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Prompt for values, validate the result, write the file."""
        # Imported here to keep the start of commands fast.
        from heatgen.project import block_loader, files
        from heatgen.spec import gitignore, starter
        from heatgen.spec.reader import read_spec
        from heatgen.yamlio import document

        path = parsed_args.cluster
        files.check_new(path)
        ignore = path.with_name(".gitignore")
        ignored = files.read_file(ignore).decode(errors="replace") if ignore.exists() else None
        interactive = sys.stdin.isatty() and not parsed_args.yes
        values = {name: _value(name, getattr(parsed_args, name), interactive) for name in PROMPTS}
        _check_numbers(values)
        text = starter.text(values)
        # Invalid values are reported before the file is written.
        parsed = document.parse(str(path), text.encode())
        read_spec(parsed, block_loader.catalog(), block_loader.schema("cluster"))
        files.write_new(path, text)
        if ignored is None:
            files.create_file(ignore, gitignore.TEXT)
        elif missing := gitignore.missing(ignored):
            lines = "\n".join(f"  {line}" for line in missing)
            print_message(f"note: {ignore} lacks lines for files with private keys:\n{lines}")
        print_message(f"{path}: written\n  heatgen create {path}")


def _value(name: str, option: str | None, interactive: bool) -> str:
    """Return the value of an option, else the user's answer, else the default."""
    prompt, default = PROMPTS[name]
    if option is not None:
        return option
    if not interactive:
        return default
    # Not input(), which prints the prompt to stdout.
    print(f"{prompt} [{default}]: ", end="", file=sys.stderr, flush=True)
    line = sys.stdin.readline()
    if not line:
        raise KeyboardInterrupt
    return line.strip() or default


def _check_numbers(values: dict[str, str]) -> None:
    problems = [
        Problem(
            f"--{name}",
            None,
            f"must be a number, not {values[name]!r}",
            code=Code.INVALID_ARGUMENT,
        )
        for name in ("control", "workers")
        if not values[name].isdecimal()
    ]
    if problems:
        raise ProblemsFound(problems)
