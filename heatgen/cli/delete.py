# SPDX-License-Identifier: Apache-2.0
"""``heatgen delete``."""

import argparse

from heatgen.cli.base import (
    FAILED,
    CloudCommand,
    add_stack,
    add_timeout,
    confirmed,
    print_message,
)
from heatgen.cli.progress_display import wait_and_show
from heatgen.cloud import orphans, stack
from heatgen.cloud.connection import Cloud


class Delete(CloudCommand):
    """Delete a cluster's stack, after listing resources that Kubernetes created outside it.

    Load balancers, volumes and floating IPs that Kubernetes created are not part of the stack. They
    are not deleted, and some of them prevent the deletion of the stack: delete the services and
    claims first.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of the command's arguments."""
        parser = super().get_parser(prog_name)
        add_stack(parser)
        parser.add_argument("--yes", action="store_true", help="do not prompt for confirmation")
        parser.add_argument(
            "--cluster-name",
            metavar="NAME",
            help="cluster name in the configuration of Kubernetes's cloud provider "
            "(default: the stack's name)",
        )
        add_timeout(parser, 30, "the deletion")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """List orphans, prompt for confirmation, delete the stack, show the progress."""
        cloud = self.cloud(parsed_args)
        of = stack.get(parsed_args.stack, cloud, with_outputs=False)
        _print_orphans(of, parsed_args.cluster_name or of.name, cloud)
        question = f"Delete stack {of.name} and all its servers? Type the stack name to confirm:"
        if not parsed_args.yes and not confirmed(
            question, of.name, "heatgen delete", "delete the stack"
        ):
            print_message("not confirmed; nothing was deleted")
            self.code = FAILED
            return
        progress = stack.progress(of, cloud)
        before = stack.delete(of, cloud)
        wait_and_show(of, progress, parsed_args.timeout * 60, cloud, before)
        print_message(f"stack {of.name}: deleted")


def _print_orphans(of: stack.Stack, cluster: str, cloud: Cloud) -> None:
    found = orphans.find(of, cluster, cloud)
    for item in found.orphans:
        blocks = "; it prevents the deletion of the stack" if item.blocks else ""
        print_message(f"outside the stack: {item.kind} {item.name} ({item.why}){blocks}")
    for text in found.unavailable:
        print_message(f"cannot list resources outside the stack: {text}")
    if found.orphans:
        print_message(
            "  hint: delete Services of type LoadBalancer and PersistentVolumeClaims first"
        )
    elif not found.unavailable:
        print_message("outside the stack: no resources created by Kubernetes")
