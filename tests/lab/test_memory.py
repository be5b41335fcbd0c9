# SPDX-License-Identifier: Apache-2.0
"""Every node has room: what it uses at rest is far below what its flavor gives it."""

from lab.harness.cluster import Cluster, on_all
from lab.harness.figures import Figure

MIB = 2**20
# Of the node's own control group, whose limit is the flavor's memory (lab/README.rst). What counts
# is what the kernel cannot drop at once, as the kubelet counts it.
SCRIPT = """
cd /sys/fs/cgroup/memory
cat memory.usage_in_bytes
awk '$1 == "total_inactive_file" {print $2}' memory.stat
awk '$1 == "hierarchical_memory_limit" {print $2}' memory.stat
"""


def test_nodes_have_room(healthy: Cluster, figure: Figure) -> None:
    """No node uses more than three quarters of its memory at rest."""
    used, limits = {}, {}
    for name, answer in on_all(healthy.nodes, SCRIPT).items():
        usage, droppable, limit = map(int, answer.split())
        used[name], limits[name] = (usage - droppable) // MIB, limit // MIB
    figure("memory at rest, MiB", used)
    assert all(used[name] < limits[name] * 3 // 4 for name in used), limits
