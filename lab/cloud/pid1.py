# SPDX-License-Identifier: Apache-2.0
"""Process 1 of the namespace: makes its mounts and the controller's network, then reaps.

The controller is 203.0.113.1 on the bridge `brprov`; Neutron's external network is flat on the
same bridge, through a veth pair whose far end plays the host's network card. Nothing is routed
out of the namespace.
"""

import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import NoReturn

from lab.cloud import cgroups, paths

PRIVATE = ("/var/lib/libvirt", "/var/log/libvirt", "/var/cache/libvirt")
NETWORK = (
    "link set lo up",
    "link add brprov type bridge",
    "address add 203.0.113.1/24 dev brprov",
    "link set brprov up",
    "link add prov-host type veth peer name prov-phys",
    "link set prov-host master brprov up",
    "link set prov-phys up",
)


def main() -> NoReturn:
    """Set the namespace up, say so, then bury orphans until killed."""
    os.environ["PATH"] = "/usr/sbin:/usr/bin:/sbin:/bin"
    cover_sysfs()
    mount_instances()
    cover_run()
    cover_libvirt()
    for line in NETWORK:
        run("ip", *line.split())
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    paths.UP.write_text("")
    reap()


def run(*command: str) -> None:
    """Run a command that must work."""
    subprocess.run(command, check=True)


def cover_sysfs() -> None:
    """Show this network's devices in /sys, and there the v1 control groups, all of them.

    cgroup v2, which a hybrid machine has beside them, stays unmounted: libvirt would find a
    controller there sooner or later and trip over having both. All controllers are taken to v1
    before a server's systemd does that on its own.
    """
    run("mount", "-t", "sysfs", "sysfs", "/sys")
    cgroups.mount(cgroups.active() + cgroups.idle(), cgroups.ROOT)


def cover_run() -> None:
    """Give the namespace a /run of its own, the state directory at `INSIDE` in it.

    Sockets and pid files of a dead lab are gone with it, and libvirt finds no system bus, hence
    no systemd-machined that would file our servers under the machine's own slices.
    """
    aside = paths.CLOUD / "state"
    aside.mkdir()
    run("mount", "--rbind", str(paths.STATE), str(aside))
    run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    for name in ("netns", "lock", "libvirt", "mysqld", "heatgen-lab"):
        Path("/run", name).mkdir()
    shutil.chown("/run/mysqld", "mysql", "mysql")
    run("mount", "--move", str(aside), str(paths.INSIDE))
    # `ip netns` wants its directory shared, that mounts in it reach all namespaces.
    run("mount", "--bind", "/run/netns", "/run/netns")
    run("mount", "--make-shared", "/run/netns")


def cover_libvirt() -> None:
    """Give libvirt directories of the lab's own, so that it knows no domain but ours."""
    own = paths.CLOUD / "libvirt-etc"
    shutil.copytree(paths.ETC / "libvirt", own)
    run("mount", "--bind", str(own), "/etc/libvirt")
    for path in PRIVATE:
        own = paths.CLOUD / ("libvirt" + path.replace("/", "-"))
        own.mkdir()
        run("mount", "--bind", str(own), path)


def mount_instances() -> None:
    """Put the servers' disks on XFS, whose reflinks copy an image in no time.

    Where the kernel has no XFS they lie on the state directory's own file system: slower, else
    the same. Shared, so that what Nova unmounts here is unmounted where servers are held, too:
    else a server would hold the disks of all those that started before it.
    """
    instances = paths.CLOUD / "nova" / "instances"
    instances.mkdir(parents=True)
    if paths.INSTANCES_FILE.exists():
        run("mount", "-o", "loop,noatime", str(paths.INSTANCES_FILE), str(instances))
    else:
        run("mount", "--bind", str(instances), str(instances))
    run("mount", "--make-shared", str(instances))


def reap() -> NoReturn:
    """Bury every child that ends, for ever."""
    while True:
        signal.sigwait({signal.SIGCHLD})
        while bury_one():
            pass


def bury_one() -> bool:
    """Wait for a child that has ended; return whether there was one."""
    try:
        return os.waitpid(-1, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return False
