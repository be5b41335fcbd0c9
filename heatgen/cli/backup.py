# SPDX-License-Identifier: Apache-2.0
"""``heatgen backup``: backups of etcd and of the cluster's keys on the control-plane nodes.

Nodes take backups themselves. The commands read and write annotations of the nodes through the
Kubernetes API; they need the administrator's key, and no access to the nodes.
"""

import argparse
import secrets
from datetime import UTC, datetime

from heatgen.cli.base import (
    FAILED,
    CloudCommand,
    CloudLister,
    add_stack,
    add_timeout,
    print_message,
)
from heatgen.cli.cluster_access import add_access, connect
from heatgen.cli.list_clusters import age
from heatgen.kube.errors import KubernetesFailed
from heatgen.stack.backups import NodeBackups
from heatgen.yamlio.codes import Code

_COLUMNS = ("Node", "File", "Taken", "Revision", "Keys", "Bytes", "Rehearsed")
_NO_BACKUPS = "set kvstore.backup: true, or update the stack with this version of heatgen"


class BackupList(CloudLister):
    """List the backups of etcd on the control-plane nodes of a stack's cluster.

    The exit code is 1 if the last backup or rehearsal of a node failed.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of the command's arguments."""
        parser = super().get_parser(prog_name)
        add_stack(parser)
        add_access(parser)
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
        """Read the annotations of the nodes and return the table."""
        # Imported here to keep the start of commands fast.
        from heatgen.kube import backups

        found = backups.read(connect(parsed_args, self.cloud(parsed_args)))
        for line in summary(found, datetime.now(UTC)):
            print_message(line)
        if any(item is not None and item.problem for item in found.values()):
            self.code = FAILED
        return _COLUMNS, [
            (
                name,
                archive.file,
                archive.taken,
                archive.revision,
                archive.keys,
                archive.size,
                "yes" if archive.rehearsed else "",
            )
            for name, item in found.items()
            for archive in (item.archives if item else ())
        ]


class BackupNow(CloudCommand):
    """Take and rehearse a backup of etcd on every control-plane node of a stack's cluster.

    Nodes look for requests once a minute. The exit code is 1 if a backup or rehearsal failed, 3 if
    a node did not respond in time.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of the command's arguments."""
        parser = super().get_parser(prog_name)
        add_stack(parser)
        add_access(parser)
        add_timeout(parser, 10, "the backups")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Request the backups, and wait for them."""
        from heatgen.kube import backups

        api = connect(parsed_args, self.cloud(parsed_args))
        found = backups.read(api)
        nodes = [name for name, item in found.items() if item is not None]
        if not nodes:
            message = f"no control-plane node of stack {parsed_args.stack} takes backups"
            raise KubernetesFailed(message, _NO_BACKUPS, code=Code.NO_BACKUPS)
        for name in found.keys() - set(nodes):
            print_message(f"note: {name} takes no backups")
        token = secrets.token_hex(8)
        backups.request(api, nodes, token)
        print_message(f"requested backups of {', '.join(nodes)}")
        backups.wait(api, nodes, token, parsed_args.timeout * 60, self._report)

    def _report(self, item: NodeBackups) -> None:
        """Print the result of a node."""
        if item.problem:
            self.code = FAILED
        newest = item.archives[0].file if item.archives else "none"
        print_message(f"{item.node}: {item.problem or f'{newest}, verified and rehearsed'}")


def summary(found: dict[str, NodeBackups | None], now: datetime) -> list[str]:
    """Return a line on the backups of each node."""
    return [f"backups of {name}: {_state(item, now)}" for name, item in found.items()]


def _state(item: NodeBackups | None, now: datetime) -> str:
    if item is None:
        return "none (kvstore.backup is false, or the stack was not updated)"
    if not item.taken:
        return item.problem or "the first one is not due yet"
    parts = [f"{len(item.archives)}, the newest {_ago(item.taken, now)}"]
    parts.append(f"rehearsed {_ago(item.rehearsed, now)}" if item.rehearsed else "not rehearsed")
    if item.problem:
        parts.append(f"failed: {item.problem}")
    return ", ".join(parts)


def _ago(time: str, now: datetime) -> str:
    return f"{age((now - datetime.fromisoformat(time)).total_seconds())} ago"
