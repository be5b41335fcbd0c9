# SPDX-License-Identifier: Apache-2.0
"""``heatgen validate``."""

import argparse

from heatgen.cli.base import Command, add_cluster, print_message, print_notices


class Validate(Command):
    """Check a cluster's file: everything that is wrong with it at once, and nothing else."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """The command's arguments."""
        parser = super().get_parser(prog_name)
        add_cluster(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Check."""
        # Imported here: the start of every command stays quick.
        from heatgen.project import project

        cluster = project.load(parsed_args.cluster)
        print_notices(cluster)
        print_message(f"{parsed_args.cluster}: cluster {cluster.spec.name} is good")
