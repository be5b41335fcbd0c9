# SPDX-License-Identifier: Apache-2.0
"""``heatgen delete``."""

import argparse
import sys

from heatgen.cli.base import FAILED, CloudCommand, add_stack, add_timeout, print_message
from heatgen.cli.progress_display import wait_and_show
from heatgen.cloud import orphans, stack
from heatgen.cloud.connection import Cloud
from heatgen.yamlio.problems import Problem, ProblemsFound


class Delete(CloudCommand):
    """Delete a cluster's stack; first tell what Kubernetes made outside it.

    Load balancers, volumes and floating IPs that Kubernetes made are not in the stack and stay,
    and some of them keep the stack from being deleted: delete the services and claims first.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """The command's arguments."""
        parser = super().get_parser(prog_name)
        add_stack(parser)
        parser.add_argument("--yes", action="store_true", help="do not ask")
        parser.add_argument(
            "--cluster-name",
            metavar="NAME",
            help="what Kubernetes's cloud provider calls the cluster (default: the stack's name)",
        )
        add_timeout(parser, 30, "it")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Look, ask, delete, watch."""
        cloud = self.cloud(parsed_args)
        of = stack.get(parsed_args.stack, cloud, with_outputs=False)
        _print_orphans(of, parsed_args.cluster_name or of.name, cloud)
        if not parsed_args.yes and not _agreed(of.name):
            print_message("nothing is deleted")
            self.code = FAILED
            return
        progress = stack.progress(of, cloud)
        before = stack.delete(of, cloud)
        wait_and_show(of, progress, parsed_args.timeout * 60, cloud, before)
        print_message(f"stack {of.name}: deleted")


def _print_orphans(of: stack.Stack, cluster: str, cloud: Cloud) -> None:
    found = orphans.find(of, cluster, cloud)
    for item in found.orphans:
        blocks = "; the stack cannot be deleted before it" if item.blocks else ""
        print_message(f"outside the stack: {item.kind} {item.name} ({item.why}){blocks}")
    for text in found.unasked:
        print_message(f"could not ask for what is outside the stack: {text}")
    if found.orphans:
        print_message(
            "  hint: delete Services of type LoadBalancer and PersistentVolumeClaims first"
        )
    elif not found.unasked:
        print_message("outside the stack: nothing that Kubernetes made")


def _agreed(name: str) -> bool:
    """Whether the user wants it; who cannot be asked must have said so."""
    if not sys.stdin.isatty():
        hint = "say --yes to delete it without being asked"
        raise ProblemsFound([Problem("heatgen delete", None, "there is nobody to ask", hint)])
    print(f"Delete stack {name} and all its servers? Type its name: ", end="",
          file=sys.stderr, flush=True)  # fmt: skip
    return sys.stdin.readline().strip() == name
