# SPDX-License-Identifier: Apache-2.0
"""``heatgen update``."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from heatgen.cli import preview
from heatgen.cli.base import (
    DONE,
    CloudCommand,
    add_cluster,
    add_locked,
    add_timeout,
    confirmed,
    print_message,
    print_notices,
)
from heatgen.cli.parameters import add_parameters, check_parameters, parse_parameters
from heatgen.cli.plan import columns
from heatgen.cli.progress_display import expected_progress, wait_and_show
from heatgen.cloud import stack, stack_update
from heatgen.cloud.connection import Cloud
from heatgen.cloud.errors import CloudFailed, NotFound
from heatgen.stack import identity
from heatgen.stack.progress import COMPLETE
from heatgen.yamlio.codes import Code
from heatgen.yamlio.problems import ProblemsFound, report

if TYPE_CHECKING:
    from heatgen.project.project import Project


MINUTES, MINUTES_OF_RETRY = 60, 240
"""Timeouts of an update, and of one that continues a failed one."""
MARGIN = 30
"""Minutes for the other steps of an update in which nodes change in turn."""
LONGEST = 240 + MARGIN
"""After four hours orchestration/ready ends, and another update continues."""


class Update(CloudCommand):
    """Update a cluster's stack to the cluster's file, and show the progress of its layers.

    The command renders the template, shows what the update changes, and prompts for confirmation if
    data or addresses would be lost. Explicitly set parameters are kept. Exit code 0: updated, or no
    changes; 3: timed out; 5: data or addresses would be lost, and the update was not confirmed; 6:
    the cluster would not survive the update. In the last two cases nothing was changed.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of the command's arguments."""
        parser = super().get_parser(prog_name)
        add_cluster(parser)
        parser.add_argument(
            "--stack",
            metavar="NAME",
            help="name or id of the stack (default: the cluster's name)",
        )
        add_locked(parser)
        add_parameters(parser)
        parser.add_argument(
            "--yes", action="store_true", help="do not prompt for confirmation of losses"
        )
        add_timeout(
            parser, MINUTES, "the update", longer="or as long as all nodes that change in turn need"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        """Preview the update, prompt for confirmation, update the stack, show the progress."""
        # Imported here to keep the start of commands fast.
        from heatgen.project import project

        cluster = project.load(parsed_args.cluster)
        parameters = parse_parameters(parsed_args.parameter)
        cloud = self.cloud(parsed_args)
        running = _stack(parsed_args.stack or cluster.spec.name, parsed_args.cluster, cloud)
        stack_update.require_updatable(running)
        found = preview.preview(cluster, running, cloud, parameters, locked=parsed_args.locked)
        _check_cluster(found, cluster)
        check_parameters(parameters, found.after.template)
        print_notices(cluster)
        preview.show(found)
        for line in columns([list(preview.COLUMNS), *map(list, preview.rows(found))]):
            if found.changes:
                print_message(f"  {line}")
        if found.refusals:
            return found.code
        if running.status != COMPLETE:
            # Heat has the new template already, and continues with what is missing.
            print_message(f"note: stack {running.name} is {running.action}_{running.status}")
        elif not found.changes:
            return DONE
        if found.losses and not parsed_args.yes and not _confirmed(running.name):
            print_message("not confirmed; nothing was changed")
            return found.code
        minutes = parsed_args.timeout or _minutes(found)
        fields = {
            "template": found.after.template,
            "parameters": parameters,
            "timeout_mins": minutes,
        }
        before = stack.start_update(running, fields, cloud)
        progress = expected_progress(running, found.after, found.changes, cloud)
        wait_and_show(running, progress, minutes * 60 + stack.GRACE, cloud, before)
        print_message(f"stack {running.name}: updated")
        return DONE


def _minutes(found: preview.Preview) -> int:
    """Return the timeout of the update."""
    if found.stack.status != COMPLETE and not found.turns.count:
        # The failed update may have left nodes that have not had their turn; Heat does not know.
        return MINUTES_OF_RETRY
    return max(MINUTES, min(found.turns.minutes + MARGIN, LONGEST))


def _stack(name: str, path: Path, cloud: Cloud) -> stack.Stack:
    """Return the stack.

    Raises:
        NotFound: it does not exist.
    """
    try:
        return stack.get(name, cloud, with_outputs=False)
    except NotFound as error:
        hint = f"name it with --stack, or create it: heatgen create {path}"
        raise NotFound(str(error), hint, code=error.code) from None


def _check_cluster(found: preview.Preview, cluster: "Project") -> None:
    """Check that heatgen created the stack; print a note if it is of another cluster's file."""
    name, own = found.stack.name, cluster.spec.name
    of = identity.cluster_of(found.before.template.get("description"))
    if not of:
        message = f"stack {name!r} was not created from a template of heatgen"
        hint = f"name the cluster's stack with --stack; 'heatgen diff {name} {cluster.path}' shows"
        raise CloudFailed(message, f"{hint} the differences", code=Code.FOREIGN_STACK)
    if of != own:
        print_message(f"note: stack {name} is of cluster {of}, the file is of cluster {own}")


def _confirmed(name: str) -> bool:
    """Prompt for the name of the stack; return whether it was entered."""
    question = f"Update stack {name} in spite of these losses? Type the stack name to confirm:"
    try:
        return confirmed(question, name, "heatgen update", "update the stack")
    except ProblemsFound as found:
        print_message(report(found.problems, found.sources))
        return False
