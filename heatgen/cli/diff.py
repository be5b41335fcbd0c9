# SPDX-License-Identifier: Apache-2.0
"""``heatgen diff``: preview of an update of a stack.

Exit codes:

====  ============================================================================================
0     no changes
4     resources would be updated in place or added, or steps would run again
5     data or addresses would be lost: a server, disk, network or address is replaced, rebuilt or
      removed
6     the cluster would not survive the update: the network of pods or services changes, or a minor
      version of Kubernetes is skipped or goes back
====  ============================================================================================

Failures have the exit codes of all commands (1, 2, 3, 130). So 1 and 2 do not have the meaning that
``diff(1)`` and ``terraform plan -detailed-exitcode`` give them.
"""

import argparse
from collections.abc import Iterable

from heatgen.cli.base import CloudLister, add_cluster, add_stack, print_error, print_message
from heatgen.cloud import stack
from heatgen.hot import resolve
from heatgen.hot.deployments import DEPLOYMENTS, tasks
from heatgen.stack import update_preview
from heatgen.stack.refused_changes import refused_changes
from heatgen.stack.update_preview import Change, StackState

CHANGES, LOSSES, REFUSED = 4, 5, 6
Row = tuple[str, str, str, str]


class Diff(CloudLister):
    """Preview an update of a stack to a cluster's file, by Heat's own rules.

    The update is 'openstack stack update --existing -t TEMPLATE STACK', which keeps explicitly set
    parameters. Exit code 0: no changes; 4: changes in place, or steps that run again; 5: loss of
    data or addresses (a server, disk, network or address); 6: the cluster would not survive the
    update, and its first step refuses it (another network of pods or services, or a skipped or
    older minor version of Kubernetes).
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of the command's arguments."""
        parser = super().get_parser(prog_name)
        add_stack(parser)
        add_cluster(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], list[Row]]:
        """Render the template, read the stack, compare."""
        # Imported here to keep the start of commands fast.
        from heatgen.plan.inputs import ADMIN_REQUEST
        from heatgen.project import block_loader, project

        cluster = project.load(parsed_args.cluster)
        cloud = self.cloud(parsed_args)
        running = stack.get(parsed_args.stack, cloud, with_outputs=False)
        before = stack.state(running, cloud)
        explicit = stack.explicit_parameters(running, cloud)
        # Without a local certificate request the stack's is kept; a new one is not created.
        request = "" if cluster.request_file.exists() or cluster.key_file.exists() else str(
            running.parameters.get(ADMIN_REQUEST.name, "-")
        )  # fmt: skip
        template = project.make_template(cluster, print_message, request=request).template
        pseudo = {key: value for key, value in running.parameters.items() if key[:4] == "OS::"}
        after = StackState(template, resolve.parameters(template, {**explicit, **pseudo}))
        _print_parameters(before, after, explicit)
        found = update_preview.compare(before, after, block_loader.schema("heat"))
        refused = refused_changes(before.template, template)
        self.code = REFUSED if refused else _code(found)
        _print_summary(found, running.name)
        for refusal in refused:
            print_error(refusal.code, refusal.message, refusal.hint)
        return ("Change", "What", "Where", "Why"), _rows(found, after)


def _code(found: Iterable[Change]) -> int:
    found = list(found)
    return LOSSES if any(change.loses for change in found) else CHANGES if found else 0


def _print_parameters(before: StackState, after: StackState, explicit: dict[str, object]) -> None:
    """Print explicitly set parameters that override new defaults or are not declared any more."""
    declared = after.template["parameters"]
    for name in explicit:
        if name in declared and declared[name].get("default") != after.values[name]:
            print_message(
                f"note: {name} stays {after.values[name]} because the stack sets it explicitly; "
                f"the file has {declared[name].get('default')}"
            )
    for name in explicit:
        if name not in declared and name in before.values:
            print_message(f"note: the stack sets {name}, which the new template does not declare")


def _print_summary(found: list[Change], name: str) -> None:
    lost = [change for change in found if change.loses]
    if not found:
        print_message(f"stack {name}: no changes")
    for change in lost:
        target = ", ".join(change.nodes) or change.resource
        print_message(f"{change.action} {target} ({change.kind}): {', '.join(change.why)}")
    if lost:
        print_message("warning: the update would destroy the resources above and their data")


def _rows(found: list[Change], after: StackState) -> list[Row]:
    """Return the changes; those of one step on several nodes are merged."""
    known = tasks(resolve.resources(after.template, after.values))
    rows: dict[tuple[str, str, str], list[str]] = {}
    for change in found:
        task = known.get(change.resource) if change.kind in DEPLOYMENTS else None
        what = f"step {task.title}" if task else f"{change.resource} ({change.kind})"
        key = (change.action, what, ", ".join(change.why))
        rows.setdefault(key, []).extend(change.nodes)
    return [(action, what, ", ".join(nodes), why) for (action, what, why), nodes in rows.items()]
