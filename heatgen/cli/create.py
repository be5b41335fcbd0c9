# SPDX-License-Identifier: Apache-2.0
"""``heatgen create``."""

import argparse

from heatgen.cli.base import (
    DONE,
    INVALID,
    CloudCommand,
    add_cluster,
    add_timeout,
    print_error,
    print_message,
    print_notices,
)
from heatgen.cli.progress_display import wait_and_show
from heatgen.cloud import stack
from heatgen.cloud.connection import Cloud
from heatgen.cloud.errors import CloudFailed, NotFound
from heatgen.hot import names
from heatgen.yamlio.codes import Code


class Create(CloudCommand):
    """Create a cluster's stack, and show the progress of its layers until the cluster is ready."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of the command's arguments."""
        parser = super().get_parser(prog_name)
        add_cluster(parser)
        parser.add_argument(
            "--stack", metavar="NAME", help="name of the stack (default: the cluster's name)"
        )
        add_timeout(parser, 60, "the creation")
        parser.add_argument("--tags", metavar="TAG,...", default="", help="tags of the stack")
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="let the cloud validate the template, and create nothing",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        """Render the template, create the stack, show the progress."""
        # Imported here to keep the start of commands fast.
        from heatgen.project import project

        cluster = project.load(parsed_args.cluster)
        name = parsed_args.stack or cluster.spec.name
        if not names.valid_stack_name(name):
            hint = (
                f"use at most {names.MAX_STACK_NAME} letters, digits, '-', '_' and '.', starting "
                "with a letter"
            )
            print_error(Code.INVALID_ARGUMENT, f"invalid name of a stack: {name!r}", hint)
            return INVALID
        cloud = self.cloud(parsed_args)
        _check_name(name, parsed_args.cluster, cloud)
        rendered = project.make_template(cluster, print_message)
        print_notices(cluster)
        if parsed_args.dry_run:
            stack.preview(name, rendered.template, cloud)
            print_message(f"stack {name}: dry run succeeded; nothing was created")
            return DONE
        created = stack.create(
            name, rendered.template, parsed_args.timeout, cloud, parsed_args.tags
        )
        limit = parsed_args.timeout * 60 + stack.GRACE
        wait_and_show(created, stack.progress(created, cloud), limit, cloud)
        print_message(
            f"stack {name}: cluster is ready\n"
            f"  heatgen kubeconfig {name} -o kubeconfig --key {cluster.key_file}"
        )
        return DONE


def _check_name(name: str, path: object, cloud: Cloud) -> None:
    """Raise if the stack exists; Heat also rejects the name, but without a hint."""
    try:
        stack.get(name, cloud, with_outputs=False)
    except NotFound:
        return
    hint = f"choose another name with --stack, or preview an update: heatgen diff {name} {path}"
    raise CloudFailed(f"stack {name!r} already exists", hint, code=Code.STACK_EXISTS)
