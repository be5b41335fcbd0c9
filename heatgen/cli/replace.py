# SPDX-License-Identifier: Apache-2.0
"""``heatgen replace``: replaces the server of one node."""

import argparse

from heatgen.cli import member_update
from heatgen.cli.base import (
    DONE,
    CloudCommand,
    add_stack,
    add_timeout,
    confirmed,
    print_message,
)
from heatgen.cli.cluster_access import add_access, add_drain
from heatgen.cli.preview import LOSSES


class Replace(CloudCommand):
    """Replace the server of one node: drain it, mark only this server as unhealthy, update.

    The new server has the same name. A whole group must never be marked as unhealthy: Heat would
    replace all its servers at once. A control-plane node is replaced only if etcd has a majority
    without it. Exit code 0: the new node is Ready; 3: timed out; 5: not confirmed; 7: a disruption
    budget, a pod without a controller or the majority of etcd prevents the replacement. With 5 and
    7 nothing was replaced.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of the command's arguments."""
        parser = super().get_parser(prog_name)
        add_stack(parser)
        parser.add_argument("node", metavar="NODE", help="name of the node or its server")
        parser.add_argument(
            "--reason",
            default="replaced by its administrator",
            metavar="TEXT",
            help="reason that Heat records (default: %(default)s)",
        )
        add_drain(parser)
        add_access(parser)
        parser.add_argument("--yes", action="store_true", help="do not prompt for confirmation")
        add_timeout(parser, 60, "the update")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        """Drain the node, and replace its server."""
        cloud = self.cloud(parsed_args)
        with member_update.changing(parsed_args, cloud, "heatgen replace") as cluster:
            [member] = member_update.named([parsed_args.node], cluster.members, "NODE")
            question = (
                f"Replace server {member.server} with all data on its disk? "
                "Type the stack name to confirm:"
            )
            if not parsed_args.yes and not confirmed(
                question, cluster.stack.name, "heatgen replace", "replace the server"
            ):
                print_message("not confirmed; nothing was changed")
                return LOSSES
            member_update.replace(cluster, member, parsed_args.reason)
        return DONE
