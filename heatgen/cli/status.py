# SPDX-License-Identifier: Apache-2.0
"""``heatgen status``."""

import argparse
from pathlib import Path

from heatgen.cli.base import FAILED, CloudLister, add_stack, add_timeout, print_message
from heatgen.cli.kubeconfig import add_key
from heatgen.cli.progress_display import wait_and_show
from heatgen.cloud import stack
from heatgen.cloud.connection import Cloud
from heatgen.layers import ORCHESTRATION
from heatgen.stack.progress import COMPLETE, IN_PROGRESS, Progress, shown
from heatgen.stack.progress import FAILED as STACK_FAILED


class Status(CloudLister):
    """Show the progress of a cluster's stack by layer, and its failures.

    If nodes change in turn, and the administrator's key exists, the number of nodes that have
    changed is shown, too. The exit code is 1 if the stack failed.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of the command's arguments."""
        parser = super().get_parser(prog_name)
        add_stack(parser)
        parser.add_argument(
            "--wait", action="store_true", help="wait for the end of the operation in progress"
        )
        add_key(parser)
        add_timeout(parser, 60, "--wait")
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
        turns = _turns(of, progress, parsed_args.key, cloud)
        if turns:
            print_message(f"nodes: {turns}")
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


def _turns(of: stack.Stack, progress: Progress, key: Path, cloud: Cloud) -> str:
    """Return the progress of nodes that change in turn; '' if no step gives them turns now."""
    # Imported here to keep the start of commands fast.
    from heatgen.project import turn_progress
    from heatgen.stack import kubeconfig

    active = [*progress.busy(), *progress.failed(ORCHESTRATION)]
    ready = any((item.layer, item.title) == (ORCHESTRATION, "ready") for item in active)
    if of.action != "UPDATE" or of.status == COMPLETE or not ready or not key.exists():
        return ""
    try:
        text = kubeconfig.build(of.name, stack.get(of.name, cloud).outputs, key.read_bytes())
    except kubeconfig.Mismatch:
        return ""
    return turn_progress.read(text)
