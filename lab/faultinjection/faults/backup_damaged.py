# SPDX-License-Identifier: Apache-2.0
"""A disk has changed one byte of the newest backup; the next rehearsal finds it."""

from lab.faultinjection.context import Context, Victims

KIND = "real"
MESSAGE_CONTAINS = ("cannot be opened",)
COMPANIONS: dict[str, str] = {}

DAMAGE = """
set -euo pipefail
/opt/heatgen/lib/etcd-backup take
cd /var/backups/etcd
newest=$(find . -name '*.backup' -printf '%f\\n' | LC_ALL=C sort | tail -n 1)
cp "$newest" /run/heatgen-fault.backup
printf '%s' "$newest" >/run/heatgen-fault.name
middle=$(($(stat -c %s "$newest") / 2))
byte=$(od -An -tu1 -j "$middle" -N 1 "$newest" | tr -d ' ')
printf "\\\\$(printf %03o $((byte ^ 1)))" |
    dd of="$newest" bs=1 seek="$middle" conv=notrunc status=none
! /opt/heatgen/lib/etcd-backup rehearse
"""
REPAIR = """
set -euo pipefail
if [ -e /run/heatgen-fault.name ]; then
    cp /run/heatgen-fault.backup "/var/backups/etcd/$(cat /run/heatgen-fault.name)"
    rm /run/heatgen-fault.name /run/heatgen-fault.backup
    /opt/heatgen/lib/etcd-backup rehearse
fi
"""


def inject(context: Context) -> Victims:
    """Change a byte of the newest backup of the last control-plane node, and rehearse it."""
    context.control[-1].run(DAMAGE)
    return Victims.of(context.control[-1])


def heal(context: Context) -> None:
    """Restore the byte, and rehearse the backup."""
    context.control[-1].run(REPAIR)
