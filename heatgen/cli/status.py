# SPDX-License-Identifier: Apache-2.0
"""``heatgen status``."""

import argparse
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

from heatgen.cli.base import FAILED, CloudLister, add_stack, add_timeout, print_message
from heatgen.cli.cluster_access import add_access, connect
from heatgen.cli.progress_display import wait_and_show
from heatgen.cloud import stack
from heatgen.cloud.connection import Cloud
from heatgen.cloud.errors import CloudFailed
from heatgen.kube.client import Api
from heatgen.kube.errors import KubernetesFailed
from heatgen.layers import ORCHESTRATION
from heatgen.stack.progress import COMPLETE, IN_PROGRESS, Progress, shown
from heatgen.stack.progress import FAILED as STACK_FAILED
from heatgen.yamlio.problems import ProblemsFound

_Found = TypeVar("_Found")


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
    # Imported here to keep the start of commands fast.
    from heatgen.kube import turn_progress

    turns = _from_api(parsed_args, cloud, "the turns of nodes are", turn_progress.read)
    if turns:
        print_message(f"nodes: {turns}")


def _print_backups(parsed_args: argparse.Namespace, cloud: Cloud) -> None:
    """Print the state of backups."""
    # Imported here to keep the start of commands fast.
    from heatgen.cli.backup import summary
    from heatgen.kube import backups

    read = partial(backups.read, patience=0)
    found = _from_api(parsed_args, cloud, "the state of backups is", read)
    if found is not None:
        for line in summary(found, datetime.now(UTC)):
            print_message(line)


def _from_api(
    parsed_args: argparse.Namespace, cloud: Cloud, what: str, read: Callable[[Api], _Found]
) -> _Found | None:
    """Return what is read from the Kubernetes API; None without the administrator's credentials.

    If it cannot be read, print why, and return None.
    """
    if parsed_args.kubeconfig is None and not parsed_args.key.exists():
        return None
    try:
        return read(connect(parsed_args, cloud))
    except (CloudFailed, KubernetesFailed, ProblemsFound, OSError) as error:
        reason = error.problems[0].message if isinstance(error, ProblemsFound) else error
        print_message(f"note: {what} not known: {reason}")
        return None
