# SPDX-License-Identifier: Apache-2.0
"""A worker's conntrack table is almost full, because of UDP packets to unused ports.

If it were completely full, any new connection of the node could be lost, and any check could be
red. The packets are sent to the node itself, because otherwise they would also fill the router's
table. All nodes of the lab share one kernel and therefore one table size; it is reduced while the
fault is present, and no other node comes near it.
"""

from pathlib import Path

from lab.faultinjection.context import Context, Victims
from lab.harness.cluster import Node

KIND = "effect"
MESSAGE_CONTAINS = ("nf_conntrack_max",)
COMPANIONS: dict[str, str] = {}

MAX = Path("/proc/sys/net/netfilter/nf_conntrack_max")
SMALL = 131072
FILLED = int(0.96 * SMALL)  # leaves room for connections of the node itself and the suite
COUNT = "cat /proc/sys/net/netfilter/nf_conntrack_count"
UNIT = "heatgen-fault"
# One port after the other, repeated before entries expire (30 s); the unit ends by itself.
FLOOD = f"""
cat >/run/{UNIT}.py <<'END'
import socket, time
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
while True:
    began = time.monotonic()
    for number in range({FILLED}):
        try:
            sender.sendto(b"", (f"127.0.0.{{number % 200 + 1}}", 10000 + number // 200))
        except OSError:
            pass
        if number % 200 == 0:
            time.sleep(0.01)
    time.sleep(max(20 - (time.monotonic() - began), 0))
END
systemctl stop {UNIT} 2>/dev/null || true
systemd-run --quiet --collect --unit {UNIT} -p RuntimeMaxSec=600 python3 /run/{UNIT}.py
"""


def inject(context: Context) -> Victims:
    """Reduce the table size, and fill the table of the victim."""
    context.save("most", MAX.read_text().strip())
    MAX.write_text(f"{SMALL}\n")
    context.victim.run(FLOOD)
    context.wait_for("a full table", 90, lambda: entries(context.victim) > 0.98 * FILLED)
    return Victims.of(context.victim)


def heal(context: Context) -> None:
    """Stop the packets, and restore the table size."""
    context.victim.run(f"systemctl stop {UNIT} 2>/dev/null || true; rm -f /run/{UNIT}.py")
    if size := context.saved("most"):
        MAX.write_text(f"{size}\n")
    context.wait_for("a normal table", 120, lambda: entries(context.victim) < 0.5 * SMALL)


def entries(node: Node) -> int:
    """Return the number of entries in the node's conntrack table."""
    return int(node.run(COUNT))
