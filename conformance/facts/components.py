# SPDX-License-Identifier: Apache-2.0
"""Processes of cluster components on a node: memory, open files, start time."""

from dataclasses import dataclass

# By the name of the executable; a node lists only those that it runs.
PROGRAMS = (
    "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy",
    "flanneld", "containerd", "dockerd", "cri-dockerd", "crio", "coredns", "keepalived", "k3s",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Component:
    """A process of a cluster component."""

    name: str
    pid: int
    started: int
    """Clock ticks since the node's boot."""
    rss: int
    """Resident memory in KiB, without mapped files."""
    fds: int
    """Open file descriptors."""
    threads: int


def parse(text: str) -> list[Component]:
    """Parse the output of ``probe/components.sh``."""
    fields = [line.split() for line in text.splitlines() if line.strip()]
    found = [_component(name, *map(int, numbers)) for name, *numbers in fields if name in PROGRAMS]
    return sorted(found, key=lambda each: (each.name, each.started, each.pid))


def _component(name: str, pid: int, started: int, rss: int, fds: int, threads: int) -> Component:
    return Component(name=name, pid=pid, started=started, rss=rss, fds=fds, threads=threads)
