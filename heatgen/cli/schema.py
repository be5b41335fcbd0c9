# SPDX-License-Identifier: Apache-2.0
"""``heatgen schema``."""

import argparse
import json

from heatgen.cli.base import Command, write_output


class Schema(Command):
    """Print the JSON Schema of cluster.yaml, with the options of all blocks, for editors."""

    def take_action(self, parsed_args: argparse.Namespace) -> None:  # noqa: ARG002
        """Print the schema."""
        # Imported here to keep the start of commands fast.
        from heatgen.authoring import cluster_reference
        from heatgen.project import block_loader

        whole = cluster_reference.whole_schema(
            block_loader.catalog(), block_loader.schema("cluster")
        )
        write_output(json.dumps(whole, indent=1, ensure_ascii=False) + "\n")
