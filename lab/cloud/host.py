# SPDX-License-Identifier: Apache-2.0
"""Requirements of the lab on the machine: root, kernel modules, sysctls."""

import json
import os
import subprocess
from pathlib import Path

from lab.cloud import paths
from lab.cloud.problem import USAGE, Problem

# Nodes are containers, in which /proc/sys is read-only except for the network: values that kubelet
# and its containers require must be set on the machine.
SYSCTLS = {
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
    """Raise Problem if the lab cannot run."""
    if os.geteuid() != 0:
        raise Problem("the lab requires root: run it as root or with sudo", USAGE)
    if str(paths.STATE).startswith("/run/"):
        raise Problem(
            f"HEATGEN_LAB_STATE={paths.STATE} cannot be used, because the lab hides /run: "
            "choose a directory on a disk",
            USAGE,
        )


def prepare() -> None:
    """Load kernel modules and set sysctls; record the previous values."""
    if Path("/sbin/modprobe").exists():
        subprocess.run(["/sbin/modprobe", "-a", "-q", *MODULES], check=False)
    before = json.loads(paths.SYSCTLS.read_text()) if paths.SYSCTLS.exists() else {}
    for name, value in SYSCTLS.items():
        path = path_of(name)
        if path.exists() and (current := path.read_text().strip()) != value:
            before.setdefault(name, current)
            path.write_text(value)
    paths.SYSCTLS.write_text(json.dumps(before))


def restore() -> None:
    """Restore the sysctls to their values before the lab."""
    if not paths.SYSCTLS.exists():
        return
    for name, value in json.loads(paths.SYSCTLS.read_text()).items():
        path_of(name).write_text(value)
    paths.SYSCTLS.unlink()


def path_of(sysctl: str) -> Path:
    """Return the file of a sysctl: `vm.panic_on_oom` is /proc/sys/vm/panic_on_oom."""
    return Path("/proc/sys", *sysctl.split("."))
