# SPDX-License-Identifier: Apache-2.0
"""``heatgen status``."""

import argparse
from datetime import UTC, datetime

from heatgen.cli.base import FAILED, CloudLister, add_stack, add_timeout, print_message
from heatgen.cli.cluster_access import add_access, connect
from heatgen.cli.progress_display import wait_and_show
from heatgen.cloud import stack
from heatgen.cloud.connection import Cloud
from heatgen.cloud.errors import CloudFailed
from heatgen.kube.errors import KubernetesFailed
from heatgen.layers import ORCHESTRATION
from heatgen.stack.progress import COMPLETE, IN_PROGRESS, Progress, shown
from heatgen.stack.progress import FAILED as STACK_FAILED
from heatgen.yamlio.problems import ProblemsFound


class Status(CloudLister):
    """Show the progress of a cluster's stack by layer, and its failures.

    With the administrator's key, the state of backups is shown, too, and while nodes change in
    turn, how many have changed. The exit code is 1 if the stack failed.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of the command's arguments."""
        parser = super().get_parser(prog_name)
        add_stack(parser)
        parser.add_argument(
            "--wait", action="store_true", help="wait for the end of the operation in progress"
        )
        add_timeout(parser, 60, "--wait")
        add_access(parser)
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
        """Read the stack and return the table."""
        cloud = self.cloud(parsed_args)
        of = stack.get(parsed_args.stack, cloud, with_outputs=False)
        progress = stack.progress(of, cloud)
        if parsed_args.wait and of.status == IN_PROGRESS:
            before = stack.event_before_operation(of, cloud)
            wait_and_show(of, progress, parsed_args.timeout * 60, cloud, before)
            of = stack.get(parsed_args.stack, cloud, with_outputs=False)
        stack.read_states(of, progress, cloud)
        print_message(f"stack {of.name}: {of.action}_{of.status}")
        if of.status == STACK_FAILED:
            print_message(f"{of.reason}")
            for text in stack.failures(of, progress, cloud):
                print_message(text)
            print_message(f"  hint: run 'heatgen logs {of.name}' to collect logs from all nodes")
            self.code = FAILED
        if of.status == COMPLETE:
            _print_backups(parsed_args, cloud)
        elif of.action == "UPDATE":
            _print_turns(progress, parsed_args, cloud)
        rows: list[tuple[object, ...]] = []
        for layer, done, total, busy in progress.layers():
            failed = progress.failed(layer)
            state = (
                "failed" if failed
                else "complete" if done == total
                else "in progress" if busy or done
                else "waiting"
            )  # fmt: skip
            rows.append((layer, done, total, state, shown(failed or busy)))
        return ("Layer", "Done", "Of", "State", "What"), rows


def _print_turns(progress: Progress, parsed_args: argparse.Namespace, cloud: Cloud) -> None:
    """Print how many nodes have had their turn, while a step gives them turns or has failed."""
    active = [*progress.busy(), *progress.failed(ORCHESTRATION)]
    if not any((item.layer, item.title) == (ORCHESTRATION, "ready") for item in active):
        return
    if not _has_access(parsed_args):
        return
    # Imported here to keep the start of commands fast.
    from heatgen.kube import turn_progress

    try:
        turns = turn_progress.read(connect(parsed_args, cloud))
    except (CloudFailed, KubernetesFailed, ProblemsFound, OSError) as error:
        print_message(f"note: the turns of nodes are not known: {_reason(error)}")
        return
    if turns:
        print_message(f"nodes: {turns}")


def _print_backups(parsed_args: argparse.Namespace, cloud: Cloud) -> None:
    """Print the state of backups if the administrator's credentials are here; never fail."""
    if not _has_access(parsed_args):
        return
    # Imported here to keep the start of commands fast.
    from heatgen.cli.backup import summary
    from heatgen.kube import backups

    try:
        found = backups.read(connect(parsed_args, cloud), patience=0)
    except (CloudFailed, KubernetesFailed, ProblemsFound, OSError) as error:
        print_message(f"note: the state of backups is not known: {_reason(error)}")
        return
    for line in summary(found, datetime.now(UTC)):
        print_message(line)


def _has_access(parsed_args: argparse.Namespace) -> bool:
    """Return whether the administrator's credentials are here."""
    return parsed_args.kubeconfig is not None or parsed_args.key.exists()


def _reason(error: Exception) -> object:
    """Return the first reason of an error."""
    return error.problems[0].message if isinstance(error, ProblemsFound) else error
