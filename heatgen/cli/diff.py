# SPDX-License-Identifier: Apache-2.0
"""``heatgen diff``: preview of an update of a stack; see :mod:`heatgen.cli.preview`."""

import argparse

from heatgen.cli import preview
from heatgen.cli.base import CloudLister, add_cluster, add_stack
from heatgen.cli.parameters import add_parameters, check_parameters, parse_parameters
from heatgen.cloud import stack


class Diff(CloudLister):
    """Preview an update of a stack to a cluster's file, by Heat's own rules.

    'heatgen update' performs the update, which keeps explicitly set parameters. Exit code 0: no
    changes; 4: changes in place, or steps that run again; 5: loss of data or addresses (a server,
    disk, network or address); 6: the cluster would not survive the update, and its first step
    refuses it (another network of pods or services, or a skipped or older minor version of
    Kubernetes).
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of the command's arguments."""
        parser = super().get_parser(prog_name)
        add_stack(parser)
        add_cluster(parser)
        add_parameters(parser)
        parser.add_argument(
            "--no-existing",
            action="store_true",
            help="assume that the update keeps no parameters of the stack, as OpenTofu and "
            "'openstack stack update' without --existing",
        )
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[tuple[str, ...], list[preview.Row]]:
        """Render the template, read the stack, compare."""
        # Imported here to keep the start of commands fast.
        from heatgen.project import project

        cluster = project.load(parsed_args.cluster)
        parameters = parse_parameters(parsed_args.parameter)
        cloud = self.cloud(parsed_args)
        running = stack.get(parsed_args.stack, cloud, with_outputs=False)
        found = preview.preview(
            cluster, running, cloud, parameters, existing=not parsed_args.no_existing
        )
        check_parameters(parameters, found.after.template)
        preview.show(found)
        self.code = found.code
        return preview.COLUMNS, preview.rows(found)
