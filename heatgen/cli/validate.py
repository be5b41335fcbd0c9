# SPDX-License-Identifier: Apache-2.0
"""``heatgen validate``."""

import argparse

from heatgen.cli.base import Command, add_cluster, print_message, print_notices


class Validate(Command):
    """Validate a cluster's file, and report all problems at once."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of the command's arguments."""
        parser = super().get_parser(prog_name)
        add_cluster(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Validate the file."""
        # Imported here to keep the start of commands fast.
        from heatgen.project import project

        cluster = project.load(parsed_args.cluster)
        project.check(cluster)
        print_notices(cluster)
        print_message(f"{parsed_args.cluster}: cluster {cluster.spec.name} is valid")
