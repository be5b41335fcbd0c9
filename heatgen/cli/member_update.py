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
from heatgen.kube import drain, operation
from heatgen.kube.client import Api
from heatgen.kube.errors import KubernetesFailed
from heatgen.kube.operation import exclusive
from heatgen.stack import update_preview
from heatgen.stack.members import Member, NodeState
from heatgen.stack.progress import Progress
from heatgen.stack.repair import majority_without
from heatgen.stack.update_preview import StackState
from heatgen.yamlio.codes import Code
from heatgen.yamlio.problems import Problem, ProblemsFound, did_you_mean

DETACH_SECONDS = 120.0
"""Maximum time for volumes of a stopped server to be detached."""
READY_SECONDS = 300.0
"""Maximum time for a new node to become Ready after the update."""


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
def changing(
    parsed_args: argparse.Namespace, cloud: Cloud, command: str, api: Api | None = None
) -> Iterator[Cluster]:
    """Hold the cluster's lock, and return the state of stack and nodes.

    Args:
        parsed_args: arguments of the command.
        cloud: the cloud.
        command: the command, which others report.
        api: the API, if the command is connected already.

    Raises:
        CloudFailed: no such stack, or an operation on it is in progress.
        KubernetesFailed: the API does not respond, or another command holds the lock.
    """
    stack_update.require_updatable(stack.get(parsed_args.stack, cloud, with_outputs=False))
    api = api or cluster_access.connect(parsed_args, cloud)
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
    by_node = {item.node: item for item in members}
    by_name = {item.server: item for item in members} | by_node
    groups = {item.group for item in members} | {item.resource_group for item in members}
    problems = [
        Problem(
            option,
            None,
            f"no node {name!r}",
            _ONE_BY_ONE if name in groups else did_you_mean(name, by_node),
            code=Code.INVALID_ARGUMENT,
        )
        for name in names
        if name not in by_name
    ]
    if problems:
        raise ProblemsFound(problems)
    return list({by_name[name].node: by_name[name] for name in names}.values())


_ONE_BY_ONE = (
    "this is a group: name one node. Heat would replace all servers of a group that is marked as "
    "unhealthy at the same time, with everything that runs on them"
)


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
                _empty(cluster, member, cluster.nodes[member.node], undo)
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
    stack_update.require_healthy_groups(running, failed)
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


def replace(cluster: Cluster, member: Member, reason: str) -> None:
    """Replace the server of one node: drain it, mark only this server as unhealthy, update.

    Heat creates the new server before it deletes the old one, and both have the same name. So the
    old one is stopped before.

    Raises:
        CloudFailed: Nova or Heat failed.
        KubernetesFailed: the node cannot be drained, etcd needs it, or the new one does not become
            Ready.
    """
    if member.is_control:
        require_majority(cluster, member)
    with ExitStack() as undo, drained(cluster, [member]):
        stop_server(cluster, member, undo)
        since = cluster.api.now()
        undo.callback(_reset, cluster, member)
        cloud_members.mark_unhealthy(member, reason, cluster.cloud)
        started = start_update(cluster, {})
        undo.pop_all()
    finish_update(cluster, started)
    if not drain.wait_ready(cluster.api, member.node, since, READY_SECONDS):
        message = f"the new node {member.node} is not Ready after {READY_SECONDS:.0f} s"
        hint = (
            f"run 'heatgen status {cluster.stack.name}' and 'kubectl describe node {member.node}'"
        )
        raise KubernetesFailed(message, hint, code=Code.REPAIR_FAILED)
    _uncordon(cluster.api, member.node)
    print_message(f"node {member.node}: replaced")


def require_majority(cluster: Cluster, member: Member) -> None:
    """Check that etcd has a majority without a control-plane node, as far as nodes show it.

    Raises:
        KubernetesFailed: too few of the others are Ready.
    """
    ready, needed = majority_without(member, cluster.members, cluster.nodes)
    if ready < needed:
        message = (
            f"control-plane node {member.node} cannot be restarted or replaced: {ready} of the "
            f"others are Ready, and etcd needs a majority of {needed} members"
        )
        raise KubernetesFailed(message, _MAJORITY_HINT, code=Code.NO_MAJORITY)


def stop_server(cluster: Cluster, member: Member, undo: ExitStack) -> bool:
    """Stop a server; return whether it is not running any more.

    If it was a control-plane node, etcd must accept changes without it: otherwise it is started
    again.

    Args:
        cluster: the cluster.
        member: the server.
        undo: starts the server again if a later action fails.

    Raises:
        KubernetesFailed: etcd does not accept changes without it.
    """
    was_running = cloud_members.status(member, cluster.cloud) == cloud_members.ACTIVE
    stopped = cloud_members.stop(member, cluster.cloud)
    if not stopped:
        print_message(f"note: Nova could not stop server {member.server}; its host may have failed")
    if was_running:
        undo.callback(_start, cluster, member)
    if member.is_control:
        try:
            operation.write(cluster.api)
        except KubernetesFailed as failure:
            message = f"etcd does not accept changes without control-plane node {member.node}: "
            message += str(failure)
            raise KubernetesFailed(message, _MAJORITY_HINT, code=Code.NO_MAJORITY) from None
    return stopped


_MAJORITY_HINT = (
    "repair another control-plane node first; if a majority is lost, see 'A majority of the "
    "control-plane nodes is lost' in the guide 'Replace a lost node'"
)


def _reset(cluster: Cluster, member: Member) -> None:
    """Mark a server as healthy again: the next update of any client would replace it."""
    try:
        cloud_members.mark_unhealthy(member, "", cluster.cloud, unhealthy=False)
    except CloudFailed as failure:
        print_message(f"server {member.server} is still marked as unhealthy: {failure}")
        print_message("  hint: 'openstack stack resource mark unhealthy --reset' reverts this")


def _start(cluster: Cluster, member: Member) -> None:
    """Start a server that :func:`stop_server` has stopped."""
    try:
        cloud_members.start(member, cluster.cloud)
        print_message(f"server {member.server}: started again")
    except CloudFailed as failure:
        print_message(f"server {member.server} is still stopped: {failure}")
        print_message(f"  hint: run 'openstack server start {member.identity}'")


def _empty(cluster: Cluster, member: Member, node: NodeState, undo: ExitStack) -> None:
    """Move the pods of a node whose kubelet is running; let Kubernetes give up the other ones."""
    if node.ready:
        print_message(f"node {node.name}: draining")
        drain.drain(cluster.api, node.name, cluster.options.drain_timeout, print_message)
        return
    print_message(f"node {node.name}: not Ready; its server is stopped, so that its pods can move")
    if not stop_server(cluster, member, undo):
        # Its pods may still be running: Kubernetes moves them after the server is deleted.
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
