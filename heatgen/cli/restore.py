# SPDX-License-Identifier: Apache-2.0
"""``heatgen restore``: restores etcd from a backup that is on a control-plane node.

The command changes parameters of the stack, phase by phase (:mod:`heatgen.plan.restore`). It works
while the Kubernetes API and etcd are down, because the agents of the nodes receive the phases from
Heat.
"""

import argparse
import json
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from heatgen.cli import progress_display
from heatgen.cli.base import (
    CloudCommand,
    add_stack,
    add_timeout,
    confirmed,
    print_message,
)
from heatgen.cloud import stack, stack_update
from heatgen.cloud.connection import Cloud
from heatgen.cloud.errors import CloudFailed
from heatgen.yamlio.codes import Code

if TYPE_CHECKING:
    from heatgen.plan.restore import Source

_PLAN = """\
Restore etcd of stack {stack} from the backup
  {file} of node {node}: taken {taken}, revision {revision}, {keys} keys of Kubernetes
  1. node {node} verifies the backup; nothing is changed if it does not fit the cluster
  2. all control-plane nodes stop etcd and the Kubernetes API, and move the data of etcd aside
  3. {node} starts a new cluster from the backup, the others join it, then the API starts
  4. kubelets, proxies and flannel restart on all nodes
Everything that was changed in Kubernetes after the backup is lost. Pods keep running until step 4;
those that the backup does not have are deleted then."""
_ENDED = """\
Restored from {file}. Old data of etcd is in /var/lib/etcd/before-{id} on each control-plane node;
delete it when it is not needed any more. Run 'heatgen test {stack}' to check the cluster."""


class Restore(CloudCommand):
    """Restore etcd of a stack's cluster from a backup on one of its control-plane nodes.

    All control-plane servers must be running; the Kubernetes API and etcd need not. If the command
    is interrupted or fails, run it again: a restore that has begun to stop services is continued.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of the command's arguments."""
        parser = super().get_parser(prog_name)
        add_stack(parser)
        parser.add_argument(
            "--from",
            dest="source",
            metavar="NODE[:FILE]",
            default="",
            help="control-plane node, and file in its /var/backups/etcd "
            "(default: the newest backup of all nodes)",
        )
        parser.add_argument(
            "--yes", action="store_true", help="restore without prompting for confirmation"
        )
        add_timeout(parser, 30, "each phase")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Choose a backup, prompt for confirmation, execute the phases."""
        # Imported here to keep the start of commands fast.
        from heatgen.plan import restore

        name, cloud = parsed_args.stack, self.cloud(parsed_args)
        running = stack.get(name, cloud, with_outputs=False)
        stack_update.require_updatable(running)
        request = str(running.parameters.get("restore") or "")
        found = restore.interrupted(request)
        if found is not None:
            identity, first, source = found
            if parsed_args.source not in ("", source.node, f"{source.node}:{source.file}"):
                message = f"a restore from {source.node}:{source.file} was not completed"
                hint = f"run 'heatgen restore {name}' without --from to complete it first"
                raise CloudFailed(message, hint, code=Code.RESTORE_INTERRUPTED)
            print_message(f"continuing the restore from {source.node}:{source.file}")
            phases = [restore.START] if first == restore.START else [restore.STOP, restore.START]
        else:
            identity = secrets.token_hex(restore.ID_LENGTH // 2)
            _execute(running, cloud, identity, restore.LIST, None, parsed_args.timeout)
            backups = _backups(stack.get(name, cloud).outputs)
            chosen = choose(backups, parsed_args.source)
            source = restore.Source(
                node=chosen["node"], file=chosen["file"], sha256=chosen["sha256"]
            )
            print_message(_PLAN.format(stack=running.name, **chosen))
            if not parsed_args.yes and not _confirmed(running.name):
                print_message("not confirmed; nothing was changed")
                return
            phases = [restore.CHECK, restore.STOP, restore.START]
        for phase in phases:
            _execute(running, cloud, identity, phase, source, parsed_args.timeout)
        _execute(running, cloud, identity, restore.DONE, None, parsed_args.timeout)
        print_message(_ENDED.format(file=source.file, id=identity, stack=running.name))


def _execute(
    running: stack.Stack,
    cloud: Cloud,
    identity: str,
    phase: str,
    source: "Source | None",
    minutes: int,
) -> None:
    """Update the stack for a phase, and check that every control-plane node has executed it.

    Other steps may fail while etcd is down, except in the last phase.

    Raises:
        CloudFailed: a node has not executed the phase.
    """
    from heatgen.plan import restore

    print_message(f"restore {identity}: {phase}")
    failure: CloudFailed | None = None
    changes = restore.parameters(identity, phase, source)
    try:
        _update(running, changes, cloud, minutes)
    except CloudFailed as error:
        if phase == restore.DONE or error.code != Code.STACK_FAILED:
            raise
        failure = error
    reported = stack.get(running.identity, cloud).outputs.get("restore") or {}
    pending = restore.pending(identity, phase, reported)
    if not pending and reported:
        return
    if failure is not None:
        raise failure
    nodes = ", ".join(f"control-{index}" for index in pending) or "the control-plane nodes"
    message = f"{nodes} did not report the phase {phase} of the restore"
    hint = f"check the agent of these nodes: heatgen logs {running.name}; then run this again"
    raise CloudFailed(message, hint, code=Code.RESTORE_INCOMPLETE)


def _update(running: stack.Stack, changes: Mapping[str, str], cloud: Cloud, minutes: int) -> None:
    """Update parameters of a stack, which may have failed before."""
    stack.require_parameters(running, changes)
    progress = stack.progress(running, cloud)
    before = stack.start_update(running, {"parameters": dict(changes)}, cloud)
    progress_display.wait_and_show(running, progress, minutes * 60, cloud, before)


def _backups(outputs: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the backups of all nodes, the newest first, each with its node."""
    found = []
    for text in (outputs.get("backups") or {}).values():
        state = json.loads(text) if isinstance(text, str) and text else {}
        found += [item | {"node": state["node"]} for item in state.get("archives", [])]
    return sorted(found, key=lambda item: (item["taken"], item["node"]), reverse=True)


def choose(backups: list[dict[str, Any]], source: str) -> dict[str, Any]:
    """Return the newest backup that matches NODE[:FILE].

    Raises:
        CloudFailed: it does not exist.
    """
    node, _, file = source.partition(":")
    for item in backups:
        if node in ("", item["node"]) and file in ("", item["file"]):
            return item
    message = f"there is no backup {source or 'on any control-plane node'}"
    known = ", ".join(f"{item['node']}:{item['file']}" for item in backups[:6])
    hint = f"use one of {known}" if known else "see doc/how-to/back-up-and-restore.rst"
    raise CloudFailed(message, hint, code=Code.NO_BACKUPS)


def _confirmed(name: str) -> bool:
    """Prompt for the name of the stack; return whether it was entered."""
    question = f"Restore stack {name}? Type the stack name to confirm:"
    return confirmed(question, name, "heatgen restore", "restore")
