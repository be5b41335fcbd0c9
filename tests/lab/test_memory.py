# SPDX-License-Identifier: Apache-2.0
"""Memory usage of idle nodes."""

from lab.harness.cluster import Cluster, on_all
from lab.harness.figures import Figure

MIB = 2**20
# From the control group of the node, whose limit is the memory of the flavor (lab/README.rst). Like
# the kubelet, exclude memory that the kernel can reclaim immediately.
SCRIPT = """
cd /sys/fs/cgroup/memory
cat memory.usage_in_bytes
awk '$1 == "total_inactive_file" {print $2}' memory.stat
awk '$1 == "hierarchical_memory_limit" {print $2}' memory.stat
"""


def test_nodes_have_free_memory(healthy: Cluster, figure: Figure) -> None:
    """No idle node uses more than seven eighths of its memory.

    The working set includes active files, such as package lists that were read during the creation:
    the kernel reclaims them later than inactive ones.
    """
    used, limits = {}, {}
    for name, output in on_all(healthy.nodes, SCRIPT).items():
        usage, reclaimable, limit = map(int, output.split())
        used[name], limits[name] = (usage - reclaimable) // MIB, limit // MIB
    figure("memory at rest, MiB", used)
    assert all(used[name] < limits[name] * 7 // 8 for name in used), limits
