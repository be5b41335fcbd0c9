# SPDX-License-Identifier: Apache-2.0
"""Control groups: every server has a separate tree in every hierarchy of the machine.

libvirt creates a group for an LXC domain in some hierarchies, but exposes all hierarchies
completely: the systemd and the kubelet of every server would use the root group of the machine.
Therefore `bin/libvirt_lxc` moves a domain into a separate group of each hierarchy,
`/<lab>/<domain>/life-<pid>`, as the root of a cgroup namespace, before libvirt inspects it, and
kills the remaining processes in it when the domain ends.
"""

import os
import subprocess
import sys
from pathlib import Path

from lab.cloud import paths

ROOT = Path("/sys/fs/cgroup")
# The group of the lab, named after its state directory, because several labs may run.
LAB_GROUP = "heatgen-lab" + str(paths.STATE).replace("/", "-")
# Controllers that systemd in a server mounts if they are not mounted, joined as systemd joins them.
JOINED = {"net_cls": "net_cls,net_prio", "net_prio": "net_cls,net_prio"}


def active() -> list[str]:
    """Return the mount options of all v1 hierarchies that exist, like `memory`, `name=systemd`.

    Source: cgroups(7), /proc/PID/cgroup: `number:options:path`, number 0 being cgroup v2.
    """
    rows = (line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines())
    return [options for number, options, _ in rows if number != "0"]


def idle() -> list[str]:
    """Return the mount options of unused hierarchies: controllers without one, or on v2.

    Source: cgroups(7), /proc/cgroups: name, hierarchy (0 for none or v2), count, enabled.
    """
    rows = (line.split() for line in Path("/proc/cgroups").read_text().splitlines()[1:])
    free = [name for name, hierarchy, _, enabled in rows if hierarchy == "0" and enabled == "1"]
    return sorted({JOINED.get(name, name) for name in free})


def write_group_name() -> None:
    """Write the name of the group to the file that `bin/libvirt_lxc` and the libvirt hook read."""
    (paths.CLOUD / "group").write_text(LAB_GROUP + "\n")


def mount(hierarchies: list[str], root: Path) -> None:
    """Mount v1 hierarchies in a new tmpfs, each in a directory with its name."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", str(root)], check=True)
    for options in hierarchies:
        directory = root / options.removeprefix("name=")
        directory.mkdir()
        mount_options = options.replace("name=", "none,name=")
        command = ["mount", "-t", "cgroup", "-o", mount_options, "cgroup", str(directory)]
        subprocess.run(command, check=True)


def remove_groups() -> int:
    """Remove the groups of stopped servers; return the number of these servers.

    Some hierarchies are not mounted when the lab is down; therefore this runs in a mount namespace
    in which all are.
    """
    command = ["unshare", "--mount", "--propagation", "private", sys.executable]
    command += [str(paths.LAUNCHER), "inside-cleanup"]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def inside_remove_groups() -> None:
    """Implement `remove_groups` in a separate mount namespace; print the number."""
    mount(active(), ROOT)
    (ROOT / "unified").mkdir()
    command = ["mount", "-t", "cgroup2", "cgroup2", str(ROOT / "unified")]
    subprocess.run(command, check=True)
    trees = list(ROOT.glob(f"*/{LAB_GROUP}"))
    servers = {server.name for tree in trees for server in tree.iterdir() if server.is_dir()}
    for tree in trees:
        remove(tree)
    print(len(servers))


def remove(tree: Path) -> None:
    """Remove a tree of control groups, except for those with processes."""
    for directory, _, _ in os.walk(tree, topdown=False):
        try:
            Path(directory).rmdir()
        except OSError:
            pass
