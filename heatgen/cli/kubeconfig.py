# SPDX-License-Identifier: Apache-2.0
"""``heatgen kubeconfig``."""

import argparse
import sys
from pathlib import Path

from heatgen.cli import progress_display
from heatgen.cli.base import CloudCommand, add_stack, add_timeout, print_message
from heatgen.cloud import stack
from heatgen.cloud.connection import Cloud
from heatgen.yamlio.problems import Problem, ProblemsFound


class Kubeconfig(CloudCommand):
    """Write the administrator's kubeconfig, from outputs of the stack and the local key."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of the command's arguments."""
        parser = super().get_parser(prog_name)
        add_stack(parser)
        parser.add_argument(
            "-o", "--output", type=Path, metavar="FILE", help="output file (default: stdout)"
        )
        parser.add_argument(
            "--key",
            type=Path,
            metavar="FILE",
            default=Path("cluster.admin.key"),
            help="the administrator's key (default: %(default)s)",
        )
        parser.add_argument(
            "--renew",
            action="store_true",
            help="create a key with a new certificate; the old key is kept until it is issued",
        )
        add_timeout(parser, 30, "the renewal")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Write the kubeconfig."""
        # Imported here to keep the start of commands fast.
        from heatgen.project import project

        text = self._renew(parsed_args) if parsed_args.renew else self._build(parsed_args)
        if parsed_args.output is None:
            sys.stdout.write(text)
            return
        # The file contains the private key.
        project.write_file(parsed_args.output, text, mode=0o600)
        print_message(f"{parsed_args.output}: kubeconfig of stack {parsed_args.stack}")

    def _build(
        self,
        parsed_args: argparse.Namespace,
        key_file: Path | None = None,
        cloud: Cloud | None = None,
    ) -> str:
        """Return the kubeconfig with the key in a file."""
        from heatgen.project import project
        from heatgen.stack import kubeconfig

        path = key_file or parsed_args.key
        key = project.read_file(path)
        outputs = stack.outputs(parsed_args.stack, cloud or self.cloud(parsed_args))
        try:
            return kubeconfig.build(parsed_args.stack, outputs, key)
        except kubeconfig.Mismatch as error:
            problem = Problem(str(path), None, str(error), error.hint, code=error.code)
            raise ProblemsFound([problem]) from None

    def _renew(self, parsed_args: argparse.Namespace) -> str:
        """Return the kubeconfig with a new key, and replace the old key."""
        from heatgen.plan.inputs import ADMIN_REQUEST
        from heatgen.project import admin_key

        name, cloud = parsed_args.stack, self.cloud(parsed_args)
        cluster = (stack.outputs(name, cloud).get("conformance") or {}).get("cluster", name)
        renewal = admin_key.Renewal(parsed_args.key)
        changes = {ADMIN_REQUEST.name: renewal.request(cluster)}
        progress_display.update(name, changes, parsed_args.timeout, cloud)
        text = self._build(parsed_args, renewal.key_file, cloud)
        renewal.finish()
        print_message(f"{parsed_args.key}: replaced with the new key")
        return text
