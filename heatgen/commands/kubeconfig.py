# SPDX-License-Identifier: Apache-2.0
"""``heatgen kubeconfig``."""

import argparse
import sys
from pathlib import Path

from cliff.command import Command

from heatgen import kubeconfig, project, stack
from heatgen.problems import Problem, ProblemsFound


class Kubeconfig(Command):
    """Write the administrator's kubeconfig of a stack, joined with the key that lies here."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """The command's arguments."""
        parser = super().get_parser(prog_name)
        parser.add_argument("stack", metavar="STACK", help="name or id of the stack")
        parser.add_argument(
            "-o", "--output", type=Path, metavar="FILE", help="where to write (default: stdout)"
        )
        parser.add_argument(
            "--key",
            type=Path,
            metavar="FILE",
            default=Path("cluster.admin.key"),
            help="the administrator's key (default: %(default)s)",
        )
        parser.add_argument("--os-cloud", metavar="NAME", help="entry of clouds.yaml")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Fetch the outputs, join them with the key."""
        key = project.read_file(parsed_args.key)
        outputs = stack.outputs(parsed_args.stack, parsed_args.os_cloud)
        try:
            text = kubeconfig.build(parsed_args.stack, outputs, key)
        except kubeconfig.Mismatch as error:
            raise ProblemsFound([Problem(str(parsed_args.key), None, str(error))]) from None
        if parsed_args.output is None:
            sys.stdout.write(text)
            return
        # It holds the key.
        project.write_file(parsed_args.output, text, mode=0o600)
        print(f"{parsed_args.output}: kubeconfig of {parsed_args.stack}", file=sys.stderr)
