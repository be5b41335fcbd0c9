# SPDX-License-Identifier: Apache-2.0
"""Control groups: every server has a tree of its own, in every hierarchy of the machine.

libvirt gives an LXC domain one group in some hierarchies and shows it all of them whole, so the
systemd and the kubelet of each server would keep house in the machine's root group, side by side
with those of all other servers. `bin/libvirt_lxc` moves a domain into a group of its own of each
hierarchy, `/<lab>/<domain>/life-<pid>`, as the root of a cgroup namespace, before libvirt sees it,
and ends all that is left in there when the domain ends.
"""

import os
import subprocess
import sys
from pathlib import Path

from lab.cloud import paths

ROOT = Path("/sys/fs/cgroup")
# The lab's own group, named after its state directory, for there may be labs beside it.
OURS = "heatgen-lab" + str(paths.STATE).replace("/", "-")
# What systemd mounts in a server if it finds it unmounted; joined as systemd joins them.
JOINED = {"net_cls": "net_cls,net_prio", "net_prio": "net_cls,net_prio"}


def active() -> list[str]:
    """Return the mount options of all v1 hierarchies that exist, like `memory`, `name=systemd`.

    Source: cgroups(7), /proc/PID/cgroup: `number:options:path`, number 0 being cgroup v2.
    """
    rows = (line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines())
    return [options for number, options, _ in rows if number != "0"]


def idle() -> list[str]:
    """Return the mount options of hierarchies that could be: controllers on none, or on v2.

    Source: cgroups(7), /proc/cgroups: name, hierarchy (0 for none or v2), count, enabled.
    """
    rows = (line.split() for line in Path("/proc/cgroups").read_text().splitlines()[1:])
    free = [name for name, hierarchy, _, enabled in rows if hierarchy == "0" and enabled == "1"]
    return sorted({JOINED.get(name, name) for name in free})


def write_name() -> None:
    """Leave the name of the lab's group where `bin/libvirt_lxc` and libvirt's hook look for it."""
    (paths.CLOUD / "group").write_text(OURS + "\n")


def mount(hierarchies: list[str], root: Path) -> None:
    """Mount v1 hierarchies in a fresh tmpfs, each in a directory of its name."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", str(root)], check=True)
    for options in hierarchies:
        directory = root / options.removeprefix("name=")
        directory.mkdir()
        wanted = options.replace("name=", "none,name=")
        command = ["mount", "-t", "cgroup", "-o", wanted, "cgroup", str(directory)]
        subprocess.run(command, check=True)


def remove_groups() -> int:
    """Remove dead servers' groups; return how many servers left some.

    Some hierarchies are mounted nowhere once the lab is gone, so this is done in a mount
    namespace where all are.
    """
    command = ["unshare", "--mount", "--propagation", "private", sys.executable]
    command += [str(paths.LAUNCHER), "inside-cleanup"]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def inside_remove_groups() -> None:
    """Do `remove_groups` in a mount namespace of its own, printing the number."""
    mount(active(), ROOT)
    (ROOT / "unified").mkdir()
    command = ["mount", "-t", "cgroup2", "cgroup2", str(ROOT / "unified")]
    subprocess.run(command, check=True)
    trees = list(ROOT.glob(f"*/{OURS}"))
    servers = {server.name for tree in trees for server in tree.iterdir() if server.is_dir()}
    for tree in trees:
        remove(tree)
    print(len(servers))


def remove(tree: Path) -> None:
    """Remove a tree of control groups; those with a process in them the kernel keeps."""
    for directory, _, _ in os.walk(tree, topdown=False):
        try:
            Path(directory).rmdir()
        except OSError:
            pass
