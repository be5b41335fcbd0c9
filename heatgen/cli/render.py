# SPDX-License-Identifier: Apache-2.0
"""``heatgen render``."""

import argparse
import sys
from pathlib import Path

from heatgen.cli.base import Command, add_cluster, print_message, print_notices


class Render(Command):
    """Write the Heat template of a cluster; create lock and administrator's key if missing."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of the command's arguments."""
        parser = super().get_parser(prog_name)
        add_cluster(parser)
        parser.add_argument(
            "-o", "--output", type=Path, metavar="FILE", help="output file (default: stdout)"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Write the template."""
        # Imported here to keep the start of commands fast.
        from heatgen.project import project

        cluster = project.load(parsed_args.cluster)
        rendered = project.make_template(cluster, print_message)
        print_notices(cluster)
        if parsed_args.output is None:
            sys.stdout.write(rendered.text)
            return
        project.write_file(parsed_args.output, rendered.text)
        size = rendered.usage[0]
        print_message(
            f"{parsed_args.output}: {len(rendered.text.encode())} bytes, "
            f"{size.used * 100 // size.limit} % of Heat's limit"
        )
