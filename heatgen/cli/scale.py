# SPDX-License-Identifier: Apache-2.0
"""``heatgen scale``: changes the number of workers of a group, and removes workers by name."""

import argparse
from collections.abc import Sequence

from heatgen.cli import member_update
from heatgen.cli.base import (
    DONE,
    CloudCommand,
    add_stack,
    add_timeout,
    confirmed,
    print_message,
)
from heatgen.cli.cluster_access import add_access, add_drain
from heatgen.cli.member_update import Cluster
from heatgen.cli.preview import LOSSES
from heatgen.cloud.errors import CloudFailed
from heatgen.hot import resolve
from heatgen.stack.members import Group, Member, changed_parameters, groups, victims
from heatgen.stack.progress import COMPLETE
from heatgen.yamlio.codes import Code
from heatgen.yamlio.problems import Problem, ProblemsFound, did_you_mean


class Scale(CloudCommand):
    """Change the number of workers of a group; workers to remove are drained first.

    Without --remove, the removed workers are those that are not Ready, then cordoned ones, then
    those with the fewest pods. The names of removed workers are never used again. Pods are moved
    by evictions, which honour disruption budgets. Exit code 0: the group has the number of workers;
    3: timed out; 5: not confirmed; 7: a disruption budget or a pod without a controller prevents
    the removal. With 5 and 7 nothing was removed, and nodes are schedulable as before.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of the command's arguments."""
        parser = super().get_parser(prog_name)
        add_stack(parser)
        parser.add_argument("group", metavar="GROUP", help="group of workers, such as 'worker'")
        parser.add_argument("count", type=_count, metavar="N", help="number of workers")
        parser.add_argument(
            "--remove",
            nargs="+",
            default=[],
            metavar="NODE",
            help="workers to remove; if fewer than N remain, new ones are added",
        )
        add_drain(parser)
        add_access(parser)
        parser.add_argument(
            "--yes", action="store_true", help="do not prompt for confirmation of removals"
        )
        add_timeout(parser, 60, "the update")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        """Choose workers, drain them, update the stack."""
        cloud = self.cloud(parsed_args)
        with member_update.changing(parsed_args, cloud, "heatgen scale") as cluster:
            return _scale(cluster, parsed_args)


def _scale(cluster: Cluster, options: argparse.Namespace) -> int:
    group = _group(cluster, options.group)
    members = [item for item in cluster.members if item.group == group.name]
    named = member_update.named(options.remove, members, "--remove")
    leaving = victims(members, cluster.nodes, named, options.count)
    changes = _changes(cluster, group, options.count, members, leaving)
    same = not leaving and options.count == group.count
    if same and cluster.stack.status == COMPLETE:
        print_message(f"group {group.name}: already {_workers(options.count)}")
        return DONE
    print_message(f"group {group.name}: from {group.count} to {_workers(options.count)}")
    for member in leaving:
        print_message(f"remove {member.node}: {_why(cluster, member, named)}")
    if leaving and not options.yes and not _confirmed(cluster, leaving):
        print_message("not confirmed; nothing was changed")
        return LOSSES
    with member_update.drained(cluster, leaving):
        started = member_update.start_update(cluster, changes)
    member_update.finish_update(cluster, started)
    member_update.remove_nodes(cluster, leaving)
    print_message(f"group {group.name}: {_workers(options.count)}")
    return DONE


def _group(cluster: Cluster, name: str) -> Group:
    """Return a group of the stack.

    Raises:
        ProblemsFound: the stack has no such group.
    """
    resources = resolve.resources(cluster.state.template, cluster.state.values)
    found = {item.name: item for item in groups(cluster.stack.name, resources)}
    if name not in found:
        message = f"stack {cluster.stack.name} has no group {name!r}"
        hint = did_you_mean(name, found)
        problem = Problem("GROUP", None, message, hint, code=Code.INVALID_ARGUMENT)
        raise ProblemsFound([problem])
    return found[name]


def _changes(
    cluster: Cluster,
    group: Group,
    count: int,
    members: Sequence[Member],
    leaving: Sequence[Member],
) -> dict[str, str]:
    """Return the changed parameters of the stack.

    Raises:
        CloudFailed: the template of an earlier version can only remove the last members.
    """
    changes = changed_parameters(group, count, leaving)
    parameter = group.parameter("removed")
    if parameter in changes and parameter not in (cluster.state.template.get("parameters") or {}):
        last = sorted(members, key=lambda member: int(member.index))[count:]
        if {member.index for member in last} != {member.index for member in leaving}:
            message = f"stack {cluster.stack.name!r} has no parameter {parameter}"
            hint = "update the stack with a template of this version first: heatgen update"
            raise CloudFailed(message, hint, code=Code.MISSING_STACK_PARAMETER)
        del changes[parameter]
    return changes


def _why(cluster: Cluster, member: Member, named: Sequence[Member]) -> str:
    """Return why a worker is removed."""
    state = cluster.nodes.get(member.node)
    pods = "no node" if state is None else _moves(state.pods)
    if member in named:
        return f"named, {pods}"
    if state is None:
        return "it has no node"
    return "not Ready" if not state.ready else "cordoned" if state.cordoned else pods


def _confirmed(cluster: Cluster, leaving: Sequence[Member]) -> bool:
    """Prompt for the name of the stack; return whether it was entered."""
    question = (
        f"Remove {_workers(len(leaving))} with all data on their disks? "
        "Type the stack name to confirm:"
    )
    return confirmed(question, cluster.stack.name, "heatgen scale", "remove workers")


def _moves(pods: int) -> str:
    return "1 pod moves" if pods == 1 else f"{pods} pods move"


def _workers(count: int) -> str:
    return "1 worker" if count == 1 else f"{count} workers"


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError("must not be negative")
    return number
