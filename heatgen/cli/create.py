# SPDX-License-Identifier: Apache-2.0
"""``heatgen create``."""

import argparse

from heatgen.cli.base import CloudCommand, add_cluster, add_timeout, print_message, print_notices
from heatgen.cli.progress_display import wait_and_show
from heatgen.cloud import stack
from heatgen.cloud.connection import Cloud, CloudFailed, Missing


class Create(CloudCommand):
    """Create a cluster's stack and watch it, layer by layer, until the cluster stands."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """The command's arguments."""
        parser = super().get_parser(prog_name)
        add_cluster(parser)
        parser.add_argument(
            "--stack", metavar="NAME", help="name of the stack (default: the cluster's name)"
        )
        add_timeout(parser, 60, "it")
        parser.add_argument("--tags", metavar="TAG,...", default="", help="tags of the stack")
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="have the cloud check everything and create nothing",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Render, create, watch."""
        # Imported here: the start of every command stays quick.
        from heatgen.project import project

        cluster = project.load(parsed_args.cluster)
        name = parsed_args.stack or cluster.spec.name
        cloud = self.cloud(parsed_args)
        _refuse_second(name, parsed_args.cluster, cloud)
        rendered = project.make_template(cluster, print_message)
        print_notices(cluster)
        if parsed_args.dry_run:
            stack.preview(name, rendered.template, cloud)
            print_message(f"stack {name}: the cloud would take it; nothing is created there")
            return
        made = stack.create(name, rendered.template, parsed_args.timeout, cloud, parsed_args.tags)
        limit = parsed_args.timeout * 60 + stack.GRACE
        wait_and_show(made, stack.progress(made, cloud), limit, cloud)
        print_message(f"stack {name}: the cluster stands\n  heatgen kubeconfig {name} -o kubeconfig"
             f" --key {cluster.key_file}")  # fmt: skip


def _refuse_second(name: str, path: object, cloud: Cloud) -> None:
    """A name is taken only once; Heat would say so, too, but not what to do."""
    try:
        stack.get(name, cloud, with_outputs=False)
    except Missing:
        return
    hint = f"give another name with --stack, or see what an update would do: heatgen diff {name}"
    raise CloudFailed(f"there is a stack {name!r} already", f"{hint} {path}")
