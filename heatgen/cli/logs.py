# SPDX-License-Identifier: Apache-2.0
"""``heatgen logs``."""

import argparse
import shlex
from pathlib import Path

from heatgen.cli.base import CloudLister, add_stack, print_message
from heatgen.cloud import logs, stack
from heatgen.cloud.errors import CloudFailed
from heatgen.stack import logins
from heatgen.yamlio.codes import Code

Row = tuple[str, str, str]


class Logs(CloudLister):
    """Collect logs of all nodes of a cluster in a folder, by node and layer.

    Output and result of each step are read from Heat, console logs from Nova, and journals over
    SSH, if the cluster has access.ssh_key or --ssh is given.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of the command's arguments."""
        parser = super().get_parser(prog_name)
        add_stack(parser)
        parser.add_argument(
            "-o",
            "--output",
            type=Path,
            metavar="FOLDER",
            help="output folder (default: STACK-logs)",
        )
        parser.add_argument(
            "--ssh",
            metavar="COMMAND",
            help="command to connect to a node, with %%h for its address and %%u for the user of "
            "its image, such as 'ssh -J gate.example.org -i key %%u@%%h' (default: ssh %%u@%%h)",
        )
        parser.add_argument(
            "--no-ssh", action="store_true", help="do not connect to nodes; use Heat and Nova only"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], list[Row]]:
        """Collect the logs."""
        # Imported here to keep the start of commands fast.
        from heatgen.project.files import make_folder

        cloud = self.cloud(parsed_args)
        of = stack.get(parsed_args.stack, cloud, with_outputs=False)
        folder = parsed_args.output or Path(f"{of.name}-logs")
        make_folder(folder)
        entries = list(logs.from_heat(of, stack.progress(of, cloud), cloud, folder))
        servers = stack.servers(of, cloud)
        entries += logs.from_nova(servers, cloud, folder)
        if parsed_args.no_ssh:
            pass
        elif parsed_args.ssh or of.parameters.get("key_name"):
            by_group = logins.users(stack.state(of, cloud).template)
            users = {item: logins.user(of.name, item.name, by_group) for item in servers}
            entries += logs.from_nodes(users, _ssh(parsed_args.ssh), folder)
        else:
            print_message("note: skipping journals: set access.ssh_key or pass --ssh")
        files = [entry for entry in entries if entry.file]
        _print_problems(entries)
        if not files:
            hint = f"run 'heatgen status {of.name}' for the state of the stack"
            raise CloudFailed("no logs could be collected", hint, code=Code.NO_LOGS)
        nodes = {entry.node for entry in files}
        print_message(f"{folder}: {len(files)} files from {len(nodes)} nodes")
        return ("Node", "Layer", "File"), sorted((e.node, e.layer, e.file) for e in files)


def _ssh(option: str | None) -> list[str]:
    """Return the command that connects to a node."""
    if option:
        arguments = shlex.split(option)
        has_address = any("%h" in argument for argument in arguments)
        return arguments if has_address else [*arguments, "%u@%h"]
    return ["ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "%u@%h"]


def _print_problems(entries: list[logs.Entry]) -> None:
    """Print missing logs, once for each node and reason."""
    for node, problem in dict.fromkeys((e.node, e.problem) for e in entries if e.problem):
        print_message(f"cannot collect logs of {node}: {problem}")
