# SPDX-License-Identifier: Apache-2.0
"""``heatgen graph``."""

import argparse

from heatgen.cli.base import Command, add_cluster, print_message, write_output

FORMATS = ("svg", "dot")


class Graph(Command):
    """Draw the steps of each layer and their dependencies as a graph."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of the command's arguments."""
        parser = super().get_parser(prog_name)
        add_cluster(parser)
        parser.add_argument(
            "-f",
            "--format",
            choices=FORMATS,
            default="svg",
            help="output format (default: %(default)s)",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Print the graph."""
        # Imported here to keep the start of commands fast.
        from heatgen.hot import deployments, resolve
        from heatgen.project import project
        from heatgen.stack import graph

        cluster = project.load(parsed_args.cluster)
        # A placeholder request, because the graph does not depend on the administrator's key.
        template = project.make_template(
            cluster, print_message, request="-", backup_certificate="-"
        ).template
        values = resolve.parameters(template, {"OS::stack_name": cluster.spec.name})
        drawn = graph.build_graph(deployments.tasks(resolve.resources(template, values)))
        write_output(graph.svg(drawn) if parsed_args.format == "svg" else graph.dot(drawn))
