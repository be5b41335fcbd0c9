# SPDX-License-Identifier: Apache-2.0
"""The timer of backups does not run on a control-plane node, for days."""

from lab.faultinjection.context import Context, Victims

KIND = "effect"
MESSAGE_CONTAINS = ("72.", "timer etcd-backup")
COMPANIONS: dict[str, str] = {}

# The times are moved back instead of a wait of three days; the rehearsal stays as it is.
STOP = """
set -euo pipefail
systemctl stop etcd-backup.timer
until [ "$(systemctl is-active etcd-backup.service || true)" = inactive ]; do sleep 0.5; done
/opt/heatgen/lib/etcd-backup take
/opt/heatgen/lib/etcd-backup rehearse
past=$(($(date +%s) - 3 * 86400))
sed -i -e "s/^taken .*/taken $past/" -e "s/^since .*/since $past/" /var/backups/etcd/state
/opt/heatgen/lib/etcd-backup publish
"""
START = """
set -euo pipefail
sed -i '/^since /d' /var/backups/etcd/state
/opt/heatgen/lib/etcd-backup take
/opt/heatgen/lib/etcd-backup rehearse
systemctl start etcd-backup.timer
"""


def inject(context: Context) -> Victims:
    """Stop the timer of the last control-plane node, and move the times of its backups back."""
    context.control[-1].run(STOP)
    return Victims.of(context.control[-1])


def heal(context: Context) -> None:
    """Take a new backup, and start the timer."""
    context.control[-1].run(START)
