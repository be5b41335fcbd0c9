# SPDX-License-Identifier: Apache-2.0
"""``heatgen import``."""

import argparse
import sys
from pathlib import Path

from heatgen.cli.base import Command, print_message
from heatgen.yamlio.problems import Problem, ProblemsFound


class Import(Command):
    """Make a cluster.yaml of a TOSCA topology, and say what could not be carried over."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """The command's arguments."""
        # Imported here, as below: the start of every command stays quick.
        from heatgen.tosca.convert import USUAL

        parser = super().get_parser(prog_name)
        parser.add_argument(
            "topology", type=Path, metavar="TOPOLOGY.YAML", help="TOSCA Simple Profile in YAML"
        )
        parser.add_argument(
            "-o", "--output", type=Path, metavar="FILE",
            help="where to write, a file that is not there yet (default: stdout)",
        )  # fmt: skip
        parser.add_argument(
            "--parameter", action="append", default=[], type=_pair, metavar="NAME=VALUE",
            help="value of an input of the topology; may be repeated",
        )  # fmt: skip
        parser.add_argument(
            "--control", action="append", default=[], metavar="NAME",
            help="node template of the control plane; may be repeated "
            "(default: those with 'control' or 'master' in their name)",
        )  # fmt: skip
        parser.add_argument(
            "--flavors", type=Path, metavar="FILE",
            help="flavors to choose from, as 'openstack flavor list -f json' writes them "
            "(default: those that OpenStack once came with, m1.tiny to m1.xlarge)",
        )  # fmt: skip
        parser.add_argument("--name", default="", help="of the cluster (default: the topology's)")
        parser.add_argument(
            "--image", default="", help=f"of servers that name none (default: {USUAL.image})"
        )
        parser.add_argument(
            "--flavor", default="", metavar="FLAVOR",
            help=f"of servers that ask for no size (default: another's, or {USUAL.flavor})",
        )  # fmt: skip
        parser.add_argument(
            "--external-network", default="", metavar="NETWORK",
            help=f"the network with floating IPs (default: the topology's, "
            f"or {USUAL.external_network})",
        )  # fmt: skip
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Read, convert, write."""
        # heat-translator alone takes half a second to load.
        from heatgen.project import block_loader, project
        from heatgen.tosca.convert import ImportOptions, convert
        from heatgen.tosca.reader import flavors, read_topology

        target = parsed_args.output
        if target is not None and target.exists():
            hint = "remove it, or choose another name"
            raise ProblemsFound([Problem(str(target), None, "is there already", hint)])
        table = None
        if parsed_args.flavors is not None:
            table = flavors(str(parsed_args.flavors), project.read_file(parsed_args.flavors))
        raw = project.read_file(parsed_args.topology)
        topology = read_topology(parsed_args.topology, raw, dict(parsed_args.parameter), table)
        options = ImportOptions(
            name=parsed_args.name,
            external_network=parsed_args.external_network,
            image=parsed_args.image,
            flavor=parsed_args.flavor,
            control=tuple(dict.fromkeys(parsed_args.control)),
        )
        made = convert(topology, options, block_loader.catalog(), block_loader.schema("cluster"))
        for note in made.notes:
            print_message(f"note: {note}")
        if target is None:
            sys.stdout.write(made.text)
            return
        project.write_file(target, made.text)
        print_message(f"{target}: next, read it and run 'heatgen lock {target}'")


def _pair(text: str) -> tuple[str, str]:
    """NAME=VALUE as two."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value
