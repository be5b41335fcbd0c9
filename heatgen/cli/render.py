# SPDX-License-Identifier: Apache-2.0
"""``heatgen render``."""

import argparse
from pathlib import Path

from heatgen.cli.base import (
    Command,
    add_cluster,
    add_locked,
    print_message,
    print_notices,
    write_output,
)


class Render(Command):
    """Write the Heat template of a cluster; create lock and administrator's key if missing."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of the command's arguments."""
        parser = super().get_parser(prog_name)
        add_cluster(parser)
        parser.add_argument(
            "-o", "--output", type=Path, metavar="FILE", help="output file (default: stdout)"
        )
        add_locked(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Write the template."""
        # Imported here to keep the start of commands fast.
        from heatgen.project import files, project

        cluster, output = project.load(parsed_args.cluster), parsed_args.output
        if output is not None:
            files.check_output(output, cluster.files, project.SIGNS)
        rendered = project.make_template(cluster, print_message, locked=parsed_args.locked)
        print_notices(cluster)
        if output is None:
            write_output(rendered.text)
            return
        # Again: a file that did not exist before may have another spelling of the same name.
        files.check_output(output, cluster.files)
        files.write_file(output, rendered.text)
        size = rendered.usage[0]
        print_message(
            f"{parsed_args.output}: {len(rendered.text.encode())} bytes, "
            f"{size.used * 100 // size.limit} % of Heat's limit"
        )
