# SPDX-License-Identifier: Apache-2.0
"""``heatgen lock``."""

import argparse
from typing import TYPE_CHECKING

from heatgen.cli.base import Command, add_cluster, print_message

if TYPE_CHECKING:
    from heatgen.blocks.pins import Pins


class Lock(Command):
    """Pin every artifact and image to its checksum, in a lock next to the cluster's file."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of the command's arguments."""
        parser = super().get_parser(prog_name)
        add_cluster(parser)
        mode = parser.add_mutually_exclusive_group()
        mode.add_argument(
            "--check",
            action="store_true",
            help="change nothing; fail if the lock does not match the cluster or its sources",
        )
        mode.add_argument(
            "--update",
            action="store_true",
            help="accept files that have changed at their source (by default they are errors)",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Create, update or check the lock."""
        # Imported here to keep the start of commands fast.
        from heatgen.project import project

        cluster = project.load(parsed_args.cluster)
        if parsed_args.check:
            found, result = project.check_lock(cluster, print_message), "up to date, "
        else:
            found, result = (
                project.make_lock(cluster, print_message, update=parsed_args.update),
                "",
            )
        print_message(f"{cluster.lock_file}: {result}{_counts(found)}")


def _counts(pins: "Pins") -> str:
    return f"{len(pins.artifacts)} artifacts, {len(pins.images)} images"
