# SPDX-License-Identifier: Apache-2.0
"""``heatgen logs``."""

import argparse
import shlex
from pathlib import Path

from heatgen.cli.base import CloudLister, add_stack, print_message
from heatgen.cloud import logs, stack
from heatgen.cloud.connection import CloudFailed

Row = tuple[str, str, str]


class Logs(CloudLister):
    """Collect what all nodes of a cluster said into a folder, by node and layer.

    From Heat comes what each step said and how it ended, from Nova the console, and over SSH, if
    the cluster has a key for it (access.ssh_key) or --ssh says how, the journals.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """The command's arguments."""
        parser = super().get_parser(prog_name)
        add_stack(parser)
        parser.add_argument(
            "-o", "--output", type=Path, metavar="FOLDER", help="where to (default: STACK-logs)"
        )
        parser.add_argument(
            "--ssh",
            metavar="COMMAND",
            help="how to reach a node, its address as %%h, such as "
            "'ssh -J gate.example.org -i key debian@%%h' (default: ssh debian@%%h)",
        )
        parser.add_argument("--no-ssh", action="store_true", help="ask no node, only the cloud")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], list[Row]]:
        """Collect."""
        # Imported here: the start of every command stays quick.
        from heatgen.project import project

        cloud = self.cloud(parsed_args)
        of = stack.get(parsed_args.stack, cloud, with_outputs=False)
        folder = parsed_args.output or Path(f"{of.name}-logs")
        project.make_folder(folder)
        entries = list(logs.from_heat(of, stack.progress(of, cloud), cloud, folder))
        servers = stack.servers(of, cloud)
        entries += logs.from_nova(servers, cloud, folder)
        if parsed_args.no_ssh:
            pass
        elif parsed_args.ssh or of.parameters.get("key_name"):
            entries += logs.from_nodes(servers, _ssh(parsed_args.ssh), folder)
        else:
            print_message(
                "note: no journals: the cluster has no access.ssh_key, and --ssh says no way"
            )
        files = [entry for entry in entries if entry.file]
        _print_problems(entries)
        if not files:
            raise CloudFailed("nothing was collected", f"see 'heatgen status {of.name}'")
        print_message(
            f"{folder}: {len(files)} files of {len({entry.node for entry in files})} nodes"
        )
        return ("Node", "Layer", "File"), sorted((e.node, e.layer, e.file) for e in files)


def _ssh(given: str | None) -> list[str]:
    """The command that reaches a node."""
    if given:
        words = shlex.split(given)
        return words if any("%h" in word for word in words) else [*words, "debian@%h"]
    return ["ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "debian@%h"]


def _print_problems(entries: list[logs.Entry]) -> None:
    """What could not be had: once for each node and reason."""
    for node, problem in dict.fromkeys((e.node, e.problem) for e in entries if e.problem):
        print_message(f"could not reach {node}: {problem}")
