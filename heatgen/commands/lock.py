# SPDX-License-Identifier: Apache-2.0
"""``heatgen lock``."""

import argparse
import sys
from pathlib import Path

from heatgen.commands.base import Command


class Lock(Command):
    """Pin every artefact and image to its checksum, in a lock beside the cluster's file."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """The command's arguments."""
        parser = super().get_parser(prog_name)
        parser.add_argument("cluster", type=Path, metavar="CLUSTER.YAML", help="the cluster's file")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Lock."""
        # Imported here: the start of every command stays quick.
        from heatgen import project

        cluster = project.load(parsed_args.cluster)
        pins = project.make_lock(cluster, lambda text: print(text, file=sys.stderr))
        print(
            f"{cluster.lock_file}: {len(pins.artefacts)} artefacts, {len(pins.images)} images",
            file=sys.stderr,
        )
