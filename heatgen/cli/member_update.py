# SPDX-License-Identifier: Apache-2.0
"""What the commands that remove or replace nodes have in common: drain, update, check.

A node is cordoned and drained before its server is removed. Until the update of the stack begins,
every failure makes the node schedulable again; afterwards Heat completes the update, and the same
command continues after a failure.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from heatgen.cli import cluster_access
from heatgen.cli.base import print_message
from heatgen.cli.progress_display import expected_progress, wait_and_show
from heatgen.cloud import members as cloud_members
from heatgen.cloud import stack, stack_update
from heatgen.cloud.connection import Cloud
from heatgen.cloud.errors import CloudFailed
from heatgen.cloud.stack import Stack
from heatgen.hot import resolve
from heatgen.kube import drain
from heatgen.kube.client import Api
from heatgen.kube.errors import KubernetesFailed
from heatgen.kube.operation import exclusive
from heatgen.stack import update_preview
from heatgen.stack.members import Member, NodeState
from heatgen.stack.progress import Progress
from heatgen.stack.update_preview import StackState
from heatgen.yamlio.codes import Code
from heatgen.yamlio.problems import Problem, ProblemsFound, did_you_mean

DETACH_SECONDS = 120.0
"""Maximum time for volumes of a stopped server to be detached."""


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A running cluster while a command changes its nodes."""

    cloud: Cloud
    api: Api
    stack: Stack
    state: StackState
    members: Sequence[Member]
    nodes: Mapping[str, NodeState]
    """States of the nodes by name."""
    options: argparse.Namespace


@dataclass(frozen=True, kw_only=True)
class Started:
    """An update of a stack that has begun."""

    stack: Stack
    changes: Mapping[str, str]
    """The changed parameters."""
    progress: Progress
    before: str
    """Id of the last event before it."""


@contextmanager
def changing(parsed_args: argparse.Namespace, cloud: Cloud, command: str) -> Iterator[Cluster]:
    """Hold the cluster's lock, and return the state of stack and nodes.

    Raises:
        CloudFailed: no such stack, or an operation on it is in progress.
        KubernetesFailed: the API does not respond, or another command holds the lock.
    """
    stack_update.require_updatable(stack.get(parsed_args.stack, cloud, with_outputs=False))
    api = cluster_access.connect(parsed_args, cloud)
    with exclusive(api, command):
        yield read(parsed_args, cloud, api)


def read(parsed_args: argparse.Namespace, cloud: Cloud, api: Api) -> Cluster:
    """Return the current state of stack and nodes.

    Raises:
        CloudFailed: no such stack, or an operation on it is in progress.
        KubernetesFailed: the API does not respond.
    """
    running = stack.get(parsed_args.stack, cloud, with_outputs=False)
    stack_update.require_updatable(running)
    state = stack.state(running, cloud)
    return Cluster(
        cloud=cloud,
        api=api,
        stack=running,
        state=state,
        members=cloud_members.read(running, state, cloud),
        nodes=drain.states(api),
        options=parsed_args,
    )


def named(names: Sequence[str], members: Sequence[Member], option: str) -> list[Member]:
    """Return the members of some names: of nodes or of servers.

    Args:
        names: the names.
        members: the members to choose from.
        option: the option or argument with the names, for problems.

    Raises:
        ProblemsFound: a name is unknown.
    """
    by_name = {item.server: item for item in members} | {item.node: item for item in members}
    problems = [
        Problem(
            option,
            None,
            f"no node {name!r}",
            did_you_mean(name, {item.node: item for item in members}),
            code=Code.INVALID_ARGUMENT,
        )
        for name in names
        if name not in by_name
    ]
    if problems:
        raise ProblemsFound(problems)
    return list({by_name[name].node: by_name[name] for name in names}.values())


@contextmanager
def drained(cluster: Cluster, leaving: Sequence[Member]) -> Iterator[None]:
    """Move the pods of nodes to others; if that or the block fails, make them schedulable again.

    The block starts the update of the stack.

    Raises:
        KubernetesFailed: a pod cannot be moved, or a volume is not detached.
    """
    states = [cluster.nodes[item.node] for item in leaving if item.node in cluster.nodes]
    with ExitStack() as undo:
        if not cluster.options.delete_unmanaged_pods:
            for node in states:
                if node.ready:
                    drain.check_unmanaged(cluster.api, node.name)
        for node in states:
            # All of them first, so that no pod moves to a node that is drained next.
            undo.callback(_uncordon, cluster.api, node.name)
            drain.cordon(cluster.api, node)
        for member in leaving:
            if member.node in cluster.nodes:
                _empty(cluster, member, cluster.nodes[member.node])
        yield
        undo.pop_all()


def start_update(cluster: Cluster, changes: Mapping[str, str]) -> Started:
    """Start an update of the stack with its template and some changed parameters.

    Raises:
        CloudFailed: another operation has begun, or Heat rejected the request.
    """
    # Imported here to keep the start of commands fast.
    from heatgen.project import block_loader

    cloud, path = cluster.cloud, cluster.stack.path
    running = stack.get(path, cloud, with_outputs=False)
    stack_update.require_updatable(running)
    template = cluster.state.template
    after = StackState(template, resolve.parameters(template, {**running.parameters, **changes}))
    found = update_preview.compare(cluster.state, after, block_loader.schema("heat"))
    failed = stack_update.failed_resources(running, cloud)
    found = update_preview.with_repairs(found, failed, cluster.state, running.name)
    progress = expected_progress(running, after, found, cloud)
    fields = {"parameters": dict(changes), "timeout_mins": cluster.options.timeout}
    before = stack.start_update(running, fields, cloud)
    return Started(stack=running, changes=changes, progress=progress, before=before)


def finish_update(cluster: Cluster, started: Started) -> None:
    """Show the progress of an update until its end.

    Raises:
        CloudFailed: the update failed, or another one has replaced it.
        TimeoutError: the update did not end in time; it continues in the cloud.
    """
    limit = cluster.options.timeout * 60 + stack.GRACE
    wait_and_show(started.stack, started.progress, limit, cluster.cloud, started.before)
    _check_applied(started.stack, started.changes, cluster.cloud)
    print_message(f"stack {started.stack.name}: updated")


def remove_nodes(cluster: Cluster, removed: Sequence[Member]) -> None:
    """Delete the nodes of removed servers if the update has not done so."""
    for member in removed:
        if member.node in cluster.nodes:
            drain.remove_node(cluster.api, member.node)
            print_message(f"node {member.node}: removed")


def _empty(cluster: Cluster, member: Member, node: NodeState) -> None:
    """Move the pods of a node whose kubelet is running; let Kubernetes give up the other ones."""
    if node.ready:
        print_message(f"node {node.name}: draining")
        drain.drain(cluster.api, node.name, cluster.options.drain_timeout, print_message)
        return
    print_message(f"node {node.name}: not Ready; its server is stopped, so that its pods can move")
    if not cloud_members.stop(member, cluster.cloud):
        print_message(
            f"note: Nova could not stop server {member.server}; Kubernetes moves its pods and "
            "volumes after the server is deleted"
        )
        return
    attached = drain.abandon(cluster.api, node.name, DETACH_SECONDS)
    if attached:
        print_message(f"note: node {node.name}: still attached: {', '.join(attached)}")


def _uncordon(api: Api, node: str) -> None:
    try:
        drain.uncordon(api, node)
    except KubernetesFailed as failure:
        print_message(f"node {node} is still cordoned: {failure}")
        print_message(f"  hint: run 'kubectl uncordon {node}'")


def _check_applied(running: Stack, changes: Mapping[str, str], cloud: Cloud) -> None:
    """Check that the stack has the parameters of the update.

    Raises:
        CloudFailed: another update has set other ones meanwhile.
    """
    now = stack.get(running.path, cloud, with_outputs=False)
    for name, value in changes.items():
        if now.parameters.get(name) != value:
            message = (
                f"stack {now.name!r}: {name} is {now.parameters.get(name)!r}, not {value!r}: "
                "another update has changed it"
            )
            hint = "run this command again when the other update has ended"
            raise CloudFailed(message, hint, code=Code.UPDATE_NOT_APPLIED)
