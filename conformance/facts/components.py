# SPDX-License-Identifier: Apache-2.0
"""What the cluster's own programs cost on a node: memory, open files, and since when they run."""

from dataclasses import dataclass

# By the name of their file; what a node does not run is simply not told.
PROGRAMS = (
    "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy",
    "flanneld", "containerd", "dockerd", "cri-dockerd", "crio", "coredns", "keepalived", "k3s",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Component:
    """A process. started: in ticks since the node's boot. fds: open files.

    rss: in KiB, the memory that is its own: without files that it maps.
    """

    name: str
    pid: int
    started: int
    rss: int
    fds: int
    threads: int


def parse(text: str) -> list[Component]:
    """The lines of `probe/components.sh`."""
    fields = [line.split() for line in text.splitlines() if line.strip()]
    found = [_component(name, *map(int, numbers)) for name, *numbers in fields if name in PROGRAMS]
    return sorted(found, key=lambda each: (each.name, each.started, each.pid))


def _component(name: str, pid: int, started: int, rss: int, fds: int, threads: int) -> Component:
    return Component(name=name, pid=pid, started=started, rss=rss, fds=fds, threads=threads)
