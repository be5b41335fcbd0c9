# SPDX-License-Identifier: Apache-2.0
"""``heatgen lock``."""

import argparse
from typing import TYPE_CHECKING

from heatgen.cli.base import Command, add_cluster, print_message

if TYPE_CHECKING:
    from heatgen.blocks.pins import Pins


class Lock(Command):
    """Pin every artifact and image to its checksum, in a lock beside the cluster's file."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """The command's arguments."""
        parser = super().get_parser(prog_name)
        add_cluster(parser)
        what = parser.add_mutually_exclusive_group()
        what.add_argument(
            "--check",
            action="store_true",
            help="change nothing; fail if the lock does not fit the cluster or its sources",
        )
        what.add_argument(
            "--update",
            action="store_true",
            help="take files that have changed at their source (without it they are errors)",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Lock, or check the lock."""
        # Imported here: the start of every command stays quick.
        from heatgen.project import project

        cluster = project.load(parsed_args.cluster)
        if parsed_args.check:
            found, verdict = project.check_lock(cluster, print_message), "good, "
        else:
            found, verdict = (
                project.make_lock(cluster, print_message, update=parsed_args.update),
                "",
            )
        print_message(f"{cluster.lock_file}: {verdict}{_counts(found)}")


def _counts(pins: "Pins") -> str:
    return f"{len(pins.artifacts)} artifacts, {len(pins.images)} images"
