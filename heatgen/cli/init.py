# SPDX-License-Identifier: Apache-2.0
"""``heatgen init``."""

import argparse
import sys
from pathlib import Path

from heatgen.cli.base import Command, print_message
from heatgen.yamlio.problems import Problem, ProblemsFound

QUESTIONS = {
    "name": ("Name of the cluster", "demo"),
    "external_network": ("External network, from which floating IPs come", "public"),
    "image": ("Image of the servers", "debian-12"),
    "flavor": ("Flavor of the servers", "m1.medium"),
    "control": ("How many control-plane servers (1, 3 or 5)", "1"),
    "workers": ("How many workers", "2"),
    "api": ("Networks from which the API may be used, with commas between them", ""),
}
"""What is asked, and what an empty answer means."""


class Init(Command):
    """Write a cluster.yaml to begin with; what no option says is asked for on a terminal."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """The command's arguments."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "cluster",
            type=Path,
            nargs="?",
            default=Path("cluster.yaml"),
            metavar="CLUSTER.YAML",
            help="where to write (default: %(default)s)",
        )
        for name, (question, usual) in QUESTIONS.items():
            help_text = f"{question[0].lower()}{question[1:]} (default: {usual or 'none'})"
            parser.add_argument(f"--{name.replace('_', '-')}", metavar="VALUE", help=help_text)
        parser.add_argument("--yes", action="store_true", help="ask nothing, take the defaults")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Ask, write, check."""
        # Imported here: the start of every command stays quick.
        from heatgen.project import block_loader, project
        from heatgen.spec import starter
        from heatgen.spec.reader import read_spec
        from heatgen.yamlio import document

        path = parsed_args.cluster
        if path.exists():
            hint = "give another name, or move it away"
            raise ProblemsFound([Problem(str(path), None, "is there already", hint)])
        asking = sys.stdin.isatty() and not parsed_args.yes
        words = {name: _answer(name, getattr(parsed_args, name), asking) for name in QUESTIONS}
        _check_numbers(words)
        text = starter.text(words)
        # What was answered may be wrong: better told now than written.
        parsed = document.parse(str(path), text.encode())
        read_spec(parsed, block_loader.catalog(), block_loader.schema("cluster"))
        project.write_file(path, text)
        print_message(f"{path}: written\n  heatgen create {path}")


def _answer(name: str, given: str | None, asking: bool) -> str:
    """An option's value, else what is answered, else the default."""
    question, usual = QUESTIONS[name]
    if given is not None:
        return given
    if not asking:
        return usual
    # Not by input(), which asks on stdout.
    print(f"{question} [{usual}]: ", end="", file=sys.stderr, flush=True)
    line = sys.stdin.readline()
    if not line:
        raise KeyboardInterrupt
    return line.strip() or usual


def _check_numbers(words: dict[str, str]) -> None:
    problems = [
        Problem(f"--{name}", None, f"must be a number, not {words[name]!r}")
        for name in ("control", "workers")
        if not words[name].isdecimal()
    ]
    if problems:
        raise ProblemsFound(problems)
