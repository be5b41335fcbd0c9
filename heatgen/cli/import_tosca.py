# SPDX-License-Identifier: Apache-2.0
"""``heatgen import``."""

import argparse
from pathlib import Path

from heatgen.cli.base import Command, print_message, write_output


class Import(Command):
    """Convert a TOSCA topology to a cluster.yaml, and report what is not converted."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of the command's arguments."""
        # Imported here, as below, to keep the start of commands fast.
        from heatgen.tosca.convert import DEFAULTS

        parser = super().get_parser(prog_name)
        parser.add_argument(
            "topology", type=Path, metavar="TOPOLOGY.YAML", help="TOSCA Simple Profile in YAML"
        )
        parser.add_argument(
            "-o", "--output", type=Path, metavar="FILE",
            help="output file, which must not exist (default: stdout)",
        )  # fmt: skip
        parser.add_argument(
            "--parameter", action="append", default=[], type=_pair, metavar="NAME=VALUE",
            help="value of an input of the topology; can be repeated",
        )  # fmt: skip
        parser.add_argument(
            "--control", action="append", default=[], metavar="NAME",
            help="node template of the control plane; can be repeated "
            "(default: those with 'control' or 'master' in their name)",
        )  # fmt: skip
        parser.add_argument(
            "--flavors", type=Path, metavar="FILE",
            help="flavors to choose from, the output of 'openstack flavor list -f json' "
            "(default: the former default flavors of OpenStack, m1.tiny to m1.xlarge)",
        )  # fmt: skip
        parser.add_argument(
            "--name", default="", help="name of the cluster (default: the topology's)"
        )
        parser.add_argument(
            "--image", default="", help=f"image of servers without one (default: {DEFAULTS.image})"
        )
        parser.add_argument(
            "--flavor", default="", metavar="FLAVOR",
            help=f"flavor of servers without required sizes (default: that of another server, "
            f"or {DEFAULTS.flavor})",
        )  # fmt: skip
        parser.add_argument(
            "--external-network", default="", metavar="NETWORK",
            help=f"network with floating IPs (default: the topology's, "
            f"or {DEFAULTS.external_network})",
        )  # fmt: skip
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Read the topology, convert it, write the result."""
        # Importing heat-translator takes half a second.
        from heatgen.project import block_loader, files
        from heatgen.tosca.convert import ImportOptions, convert
        from heatgen.tosca.reader import flavors, read_topology

        target = parsed_args.output
        if target is not None:
            files.check_new(target)
        table = None
        if parsed_args.flavors is not None:
            table = flavors(str(parsed_args.flavors), files.read_file(parsed_args.flavors))
        raw = files.read_file(parsed_args.topology)
        topology = read_topology(parsed_args.topology, raw, dict(parsed_args.parameter), table)
        options = ImportOptions(
            name=parsed_args.name,
            external_network=parsed_args.external_network,
            image=parsed_args.image,
            flavor=parsed_args.flavor,
            control=tuple(dict.fromkeys(parsed_args.control)),
        )
        imported = convert(
            topology, options, block_loader.catalog(), block_loader.schema("cluster")
        )
        for note in imported.notes:
            print_message(f"note: {note}")
        if target is None:
            write_output(imported.text)
            return
        files.write_new(target, imported.text)
        print_message(f"{target}: written; review it, then run 'heatgen lock {target}'")


def _pair(text: str) -> tuple[str, str]:
    """Split NAME=VALUE."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value
