# SPDX-License-Identifier: Apache-2.0
"""``heatgen diff``: what an update of a running stack would do, before it is done.

It exits with

====  ============================================================================================
0     nothing would change
4     something would change in place, be added, or run again
5     something would be lost: a server, disk, network or address replaced, rebuilt or removed
====  ============================================================================================

and with the codes of all commands (1, 2, 3, 130) if it could not tell. ``diff(1)``'s and
``terraform plan -detailed-exitcode``'s 1 and 2 mean failures here.
"""

import argparse
from collections.abc import Iterable

from heatgen.cli.base import CloudLister, add_cluster, add_stack, print_message
from heatgen.cloud import stack
from heatgen.hot import resolve
from heatgen.hot.deployments import DEPLOYMENTS, tasks
from heatgen.stack import update_preview
from heatgen.stack.update_preview import Change, StackState

CHANGES, LOSSES = 4, 5
Row = tuple[str, str, str, str]


class Diff(CloudLister):
    """Tell what an update of a stack to a cluster's file would do, by Heat's own rules.

    The update is 'openstack stack update --existing -t TEMPLATE STACK': parameters that the stack
    was given stay. Exit code 0: nothing would change; 4: something would change in place or run
    again; 5: something would be lost (a server, disk, network or address).
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """The command's arguments."""
        parser = super().get_parser(prog_name)
        add_stack(parser)
        add_cluster(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], list[Row]]:
        """Render, ask, compare."""
        # Imported here: the start of every command stays quick.
        from heatgen.plan.inputs import ADMIN_REQUEST
        from heatgen.project import block_loader, project

        cluster = project.load(parsed_args.cluster)
        cloud = self.cloud(parsed_args)
        running = stack.get(parsed_args.stack, cloud, with_outputs=False)
        before = stack.state(running, cloud)
        given = stack.given_parameters(running, cloud)
        # Where the administrator's request is elsewhere, the stack's stays; none is made here.
        request = "" if cluster.request_file.exists() or cluster.key_file.exists() else str(
            running.parameters.get(ADMIN_REQUEST.name, "-")
        )  # fmt: skip
        template = project.make_template(cluster, print_message, request=request).template
        pseudo = {key: value for key, value in running.parameters.items() if key[:4] == "OS::"}
        after = StackState(template, resolve.parameters(template, {**given, **pseudo}))
        _print_parameters(before, after, given)
        found = update_preview.compare(before, after, block_loader.schema("heat"))
        self.code = _code(found)
        _print_verdict(found, running.name)
        return ("Change", "What", "Where", "Why"), _rows(found, after)


def _code(found: Iterable[Change]) -> int:
    found = list(found)
    return LOSSES if any(change.loses for change in found) else CHANGES if found else 0


def _print_parameters(before: StackState, after: StackState, given: dict[str, object]) -> None:
    """Parameters whose new defaults do not count, for the stack was given others."""
    declared = after.template["parameters"]
    for name in given:
        if name in declared and declared[name].get("default") != after.values[name]:
            print_message(
                f"note: {name} stays {after.values[name]}: the stack was given it; the file says "
                f"{declared[name].get('default')}"
            )
    for name in given:
        if name not in declared and name in before.values:
            print_message(f"note: the stack was given {name}, which the new template has not got")


def _print_verdict(found: list[Change], name: str) -> None:
    lost = [change for change in found if change.loses]
    if not found:
        print_message(f"stack {name}: nothing would change")
    for change in lost:
        where = ", ".join(change.nodes) or change.resource
        print_message(f"{change.action}S {where} ({change.kind}): {', '.join(change.why)}")
    if lost:
        print_message("AN UPDATE WOULD DESTROY THE ABOVE AND WHAT IS ON IT")


def _rows(found: list[Change], after: StackState) -> list[Row]:
    """The changes, those of a step on several nodes together."""
    known = tasks(resolve.resources(after.template, after.values))
    rows: dict[tuple[str, str, str], list[str]] = {}
    for change in found:
        task = known.get(change.resource) if change.kind in DEPLOYMENTS else None
        what = f"step {task.title}" if task else f"{change.resource} ({change.kind})"
        key = (change.action, what, ", ".join(change.why))
        rows.setdefault(key, []).extend(change.nodes)
    return [(action, what, ", ".join(nodes), why) for (action, what, why), nodes in rows.items()]
