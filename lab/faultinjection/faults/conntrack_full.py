# SPDX-License-Identifier: Apache-2.0
"""A worker's table of connections is as good as full, by packets to ports that nobody answers.

Were it full to the last, every new connection there might be lost, and whatever asks anything be
red. The packets go to the node itself: on their way out they would fill the router's table, too.
How much a table holds is one number for all nodes of the lab, for they have one kernel. It is made
smaller meanwhile; no other node comes near it.
"""

from pathlib import Path

from lab.faultinjection.context import Context, Victims, hit
from lab.harness.cluster import Node

KIND = "effect"
SAYS = ("nf_conntrack_max",)
COMPANIONS: dict[str, str] = {}

MOST = Path("/proc/sys/net/netfilter/nf_conntrack_max")
SMALL = 131072
FILLED = int(0.96 * SMALL)  # the rest is room for what the node itself and the suite do
COUNT = "cat /proc/sys/net/netfilter/nf_conntrack_count"
UNIT = "heatgen-fault"
# A port after the other, again before the kernel forgets (30 s); it ends by itself.
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
    """Make all tables small, and fill one."""
    context.keep("most", MOST.read_text().strip())
    MOST.write_text(f"{SMALL}\n")
    context.victim.run(FLOOD)
    context.wait_for("the table to be full", 90, lambda: entries(context.victim) > 0.98 * FILLED)
    return hit(context.victim)


def heal(context: Context) -> None:
    """End the flood, and make tables as large as they were."""
    context.victim.run(f"systemctl stop {UNIT} 2>/dev/null || true; rm -f /run/{UNIT}.py")
    if most := context.kept("most"):
        MOST.write_text(f"{most}\n")
    context.wait_for("the table to be as usual", 120, lambda: entries(context.victim) < 0.5 * SMALL)


def entries(node: Node) -> int:
    """How many connections the node's kernel knows."""
    return int(node.run(COUNT))
