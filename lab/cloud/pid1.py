# SPDX-License-Identifier: Apache-2.0
"""Process 1 of the namespace: creates the mounts and the network of the controller, then reaps.

The controller has the address 203.0.113.1 on the bridge `brprov`. The external network of Neutron
is a flat network on the same bridge, through a veth pair whose other end replaces the network card
of a host. There is no route out of the namespace.

Beyond the proxy (`etc/site.conf`) is the address 198.18.0.1, which no packet from a server reaches,
with names that only the controller can resolve.
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
    "address add 198.18.0.1/32 dev lo",
)
FILTER = "-w -I INPUT -i brprov -d 198.18.0.0/15 -j DROP"
NAMES = "198.18.0.1 mirror.lab.test registry.lab.test\n"


def main() -> NoReturn:
    """Set up the namespace, create the file `up`, then reap orphans until killed."""
    os.environ["PATH"] = "/usr/sbin:/usr/bin:/sbin:/bin"
    mount_sysfs()
    mount_instances()
    mount_run()
    mount_libvirt()
    for line in NETWORK:
        run("ip", *line.split())
    run("iptables", *FILTER.split())
    run("mount", "--bind", str(paths.CLOUD / "hosts"), "/etc/hosts")
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    paths.UP.write_text("")
    reap()


def run(*command: str) -> None:
    """Run a command, which must succeed."""
    subprocess.run(command, check=True)


def write_hosts() -> None:
    """Write the hosts file of the namespace: that of the machine, and names beyond the proxy."""
    (paths.CLOUD / "hosts").write_text(Path("/etc/hosts").read_text() + NAMES)


def mount_sysfs() -> None:
    """Mount a /sys with the devices of this network namespace and all v1 control groups.

    cgroup v2, which a hybrid machine has in addition, stays unmounted, because libvirt fails if it
    finds controllers in both. All controllers are mounted as v1 before the systemd of a server
    mounts them.
    """
    run("mount", "-t", "sysfs", "sysfs", "/sys")
    cgroups.mount(cgroups.active() + cgroups.idle(), cgroups.ROOT)


def mount_run() -> None:
    """Mount a private /run, with the state directory at `INSIDE`.

    It contains no sockets and pid files of an earlier lab. Without a system bus, libvirt does not
    use the systemd-machined of the machine, which would move servers into slices of the machine.
    """
    aside = paths.CLOUD / "state"
    aside.mkdir()
    run("mount", "--rbind", str(paths.STATE), str(aside))
    run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    for name in ("netns", "lock", "libvirt", "mysqld", "heatgen-lab"):
        Path("/run", name).mkdir()
    shutil.chown("/run/mysqld", "mysql", "mysql")
    run("mount", "--move", str(aside), str(paths.INSIDE))
    # `ip netns` requires a shared mount, so that mounts in it propagate to all namespaces.
    run("mount", "--bind", "/run/netns", "/run/netns")
    run("mount", "--make-shared", "/run/netns")


def mount_libvirt() -> None:
    """Mount private directories of libvirt, so that it knows no other domains."""
    own = paths.CLOUD / "libvirt-etc"
    shutil.copytree(paths.ETC / "libvirt", own)
    run("mount", "--bind", str(own), "/etc/libvirt")
    for path in PRIVATE:
        own = paths.CLOUD / ("libvirt" + path.replace("/", "-"))
        own.mkdir()
        run("mount", "--bind", str(own), path)


def mount_instances() -> None:
    """Mount an XFS for the disks of servers, on which images are copied by reflink.

    Without XFS in the kernel, the disks are in the file system of the state directory; that is only
    slower. The mount is shared, so that unmounts by Nova propagate to the mount namespaces of
    servers; otherwise a server would keep the disks of all earlier servers in use.
    """
    instances = paths.CLOUD / "nova" / "instances"
    instances.mkdir(parents=True)
    if paths.INSTANCES_FILE.exists():
        run("mount", "-o", "loop,noatime", str(paths.INSTANCES_FILE), str(instances))
    else:
        run("mount", "--bind", str(instances), str(instances))
    run("mount", "--make-shared", str(instances))


def reap() -> NoReturn:
    """Reap all children, endlessly."""
    while True:
        signal.sigwait({signal.SIGCHLD})
        while reap_one():
            pass


def reap_one() -> bool:
    """Reap one child that has ended; return whether there was one."""
    try:
        return os.waitpid(-1, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return False
