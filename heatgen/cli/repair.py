# SPDX-License-Identifier: Apache-2.0
"""``heatgen repair``: restarts or replaces nodes that are not Ready, one at a time."""

import argparse
import time

from heatgen.cli import cluster_access, member_update
from heatgen.cli.base import (
    CloudCommand,
    add_stack,
    add_timeout,
    positive,
    print_error,
    print_message,
)
from heatgen.cli.cluster_access import add_access, add_drain
from heatgen.cli.member_update import Cluster
from heatgen.cli.preview import CHANGES
from heatgen.cloud import members as cloud_members
from heatgen.cloud.errors import CloudFailed
from heatgen.kube import drain
from heatgen.kube.errors import KubernetesFailed
from heatgen.stack.repair import READY, REBOOT, REPLACE, START, Finding, assess, too_many
from heatgen.yamlio.codes import Code

RESTART_SECONDS = 90.0
"""Maximum time for a node to become Ready after its server was started or rebooted."""
AGAIN_SECONDS = 3600.0
"""Time in which a node that fails again is replaced without another restart."""


class Repair(CloudCommand):
    """Restart or replace nodes that are not Ready, one at a time.

    A node is unhealthy if it has not been Ready for some minutes. Its server is started or rebooted
    once; if that does not help, or the server has failed, only this server is marked as unhealthy
    and replaced. Nothing is repaired if more than 40 % of the nodes are not Ready: the cause is
    then elsewhere. Servers that an administrator has suspended or paused are left alone. Exit code
    0: all nodes are Ready, or are left alone; 3: timed out; 4: with --dry-run, nodes would be
    repaired; 7: too many nodes are not Ready, etcd would have no majority, or a disruption budget
    prevents the replacement.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of the command's arguments."""
        parser = super().get_parser(prog_name)
        add_stack(parser)
        parser.add_argument(
            "--watch", action="store_true", help="do not exit; repair nodes whenever they fail"
        )
        parser.add_argument(
            "--interval",
            type=positive,
            default=30,
            metavar="SECONDS",
            help="time between checks with --watch (default: %(default)s)",
        )
        parser.add_argument(
            "--unhealthy-after",
            type=positive,
            default=300,
            metavar="SECONDS",
            help="time without readiness after which a node is unhealthy (default: %(default)s)",
        )
        parser.add_argument(
            "--max-unhealthy",
            type=_percent,
            default=40,
            metavar="PERCENT",
            help="repair nothing if more nodes are not Ready (default: %(default)s)",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="only show which nodes would be repaired"
        )
        add_drain(parser)
        add_access(parser)
        add_timeout(parser, 60, "each update")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Repair all unhealthy nodes; with --watch, again and again."""
        restarted: dict[str, float] = {}
        if not parsed_args.watch:
            self._repair_all(parsed_args, restarted)
        while parsed_args.watch:
            try:
                self._repair_all(parsed_args, restarted)
            except (CloudFailed, KubernetesFailed) as failure:
                print_error(failure.code, failure, failure.hint)
            except TimeoutError as failure:
                print_error(Code.TIMED_OUT, failure)
            time.sleep(parsed_args.interval)

    def _repair_all(self, options: argparse.Namespace, restarted: dict[str, float]) -> None:
        """Repair one node after the other, each with a new look at all nodes.

        With --watch this does not end; after a failure the next call connects again.
        """
        cloud = self.cloud(options)
        api = cluster_access.connect(options, cloud)
        while True:
            # The lock is free between two nodes.
            with member_update.changing(options, cloud, "heatgen repair", api) as cluster:
                _release(cluster)
                findings = assess(cluster.members, cluster.nodes, options.unhealthy_after)
                unhealthy = _report(findings, options)
                if unhealthy and not options.dry_run:
                    _repair(cluster, unhealthy[0], restarted)
                    continue
            if unhealthy:
                self.code = CHANGES
            if not options.watch:
                return
            time.sleep(options.interval)


def _release(cluster: Cluster) -> None:
    """Make nodes schedulable that an interrupted command has left cordoned.

    Nodes whose removal has begun are not members any more.
    """
    members = {member.node for member in cluster.members}
    for node in cluster.nodes.values():
        left = node.ready and node.cordoned_by_heatgen and node.name in members
        if left and not cluster.options.dry_run:
            print_message(f"node {node.name}: Ready, but cordoned by an interrupted command")
            drain.uncordon(cluster.api, node.name)


def _report(findings: list[Finding], options: argparse.Namespace) -> list[Finding]:
    """Print the nodes that are not Ready; return those to repair.

    Raises:
        KubernetesFailed: too many nodes are not Ready.
    """
    bad = [item for item in findings if item.action != READY]
    for item in bad:
        print_message(f"{item}{f': {item.action}' if item.unhealthy else ''}")
    if not bad and not options.watch:
        print_message(f"all {len(findings)} nodes are Ready")
    if too_many(findings, options.max_unhealthy):
        message = (
            f"{len(bad)} of {len(findings)} nodes are not Ready, more than "
            f"{options.max_unhealthy} %: nothing is repaired"
        )
        hint = (
            "check network, storage and control plane: the replacement of nodes does not repair "
            "them. --max-unhealthy changes the limit"
        )
        raise KubernetesFailed(message, hint, code=Code.TOO_MANY_UNHEALTHY)
    return [item for item in findings if item.unhealthy]


def _repair(cluster: Cluster, finding: Finding, restarted: dict[str, float]) -> None:
    """Start, reboot or replace one server.

    Raises:
        CloudFailed: Nova or Heat failed.
        KubernetesFailed: etcd needs the node, or the new node does not become Ready.
    """
    member = finding.member
    if member.is_control and finding.action != START:
        member_update.require_majority(cluster, member)
    recently = time.monotonic() - restarted.get(member.identity, -AGAIN_SECONDS) < AGAIN_SECONDS
    if finding.action != REPLACE and not recently:
        restarted[member.identity] = time.monotonic()
        if _restart(cluster, finding):
            return
    # The status of the server has changed.
    member_update.replace(cluster, member, f"heatgen repair: {finding.reason}")


def _restart(cluster: Cluster, finding: Finding) -> bool:
    """Start or reboot a server; return whether its node is Ready then."""
    member, began, since = finding.member, time.monotonic(), cluster.api.now()
    try:
        if finding.action == REBOOT:
            cloud_members.reboot(member, cluster.cloud)
        else:
            cloud_members.start(member, cluster.cloud)
    except CloudFailed as failure:
        print_message(f"node {member.node}: Nova refuses to {finding.action} it: {failure}")
        return False
    print_message(f"node {member.node}: waiting until it is Ready ({finding.action})")
    if drain.wait_ready(cluster.api, member.node, since, RESTART_SECONDS):
        seconds = time.monotonic() - began
        print_message(f"node {member.node}: Ready after {seconds:.0f} s")
        return True
    print_message(f"node {member.node}: not Ready after {RESTART_SECONDS:.0f} s")
    return False


def _percent(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 100:
        raise argparse.ArgumentTypeError("must be between 0 and 100")
    return number
