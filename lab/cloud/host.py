# SPDX-License-Identifier: Apache-2.0
"""What the lab asks of the machine under it: root, kernel modules, sysctls."""

import json
import os
import subprocess
from pathlib import Path

from lab.cloud import paths
from lab.cloud.problem import USAGE, Problem

# Nodes are containers, in which /proc/sys is read-only but for the network: what kubelet and its
# containers want there has to stand on the machine beforehand.
WANTED = {
    "vm.overcommit_memory": "1",
    "vm.panic_on_oom": "0",
    "kernel.panic": "10",
    "kernel.panic_on_oops": "1",
    "kernel.keys.root_maxkeys": "1000000",
    "kernel.keys.root_maxbytes": "25000000",
    "fs.inotify.max_user_instances": "8192",
    "fs.inotify.max_user_watches": "524288",
    "net.netfilter.nf_conntrack_max": "1048576",
}
MODULES = (
    "br_netfilter",
    "nf_conntrack",
    "overlay",
    "vxlan",
    "loop",
    "xfs",
    "ip_tables",
    "ip6_tables",
    "ebtables",
    "ip_set",
)


def check() -> None:
    """Raise Problem unless the lab can run here as we are."""
    if os.geteuid() != 0:
        raise Problem("the lab needs root: run it as root or under sudo", USAGE)
    if str(paths.STATE).startswith("/run/"):
        raise Problem(
            f"HEATGEN_LAB_STATE={paths.STATE} cannot be used: the lab covers /run with its own; "
            "choose a directory on a disk",
            USAGE,
        )


def prepare() -> None:
    """Load kernel modules where they are modules, and set sysctls, noting what they were."""
    if Path("/sbin/modprobe").exists():
        subprocess.run(["/sbin/modprobe", "-a", "-q", *MODULES], check=False)
    before = json.loads(paths.SYSCTLS.read_text()) if paths.SYSCTLS.exists() else {}
    for name, value in WANTED.items():
        path = path_of(name)
        if path.exists() and (now := path.read_text().strip()) != value:
            before.setdefault(name, now)
            path.write_text(value)
    paths.SYSCTLS.write_text(json.dumps(before))


def restore() -> None:
    """Put the sysctls back as they were before the lab."""
    if not paths.SYSCTLS.exists():
        return
    for name, value in json.loads(paths.SYSCTLS.read_text()).items():
        path_of(name).write_text(value)
    paths.SYSCTLS.unlink()


def path_of(sysctl: str) -> Path:
    """Return the file of a sysctl: `vm.panic_on_oom` is /proc/sys/vm/panic_on_oom."""
    return Path("/proc/sys", *sysctl.split("."))
