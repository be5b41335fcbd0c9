# SPDX-License-Identifier: Apache-2.0
"""Clearing away what a dead lab left behind, and nothing else.

The namespace takes processes, mounts, network devices and libvirt's state with it. What outlives
it belongs to the machine: loop devices, control groups, a policy-rc.d, the state of the cloud.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

from cloud import packages, places

SERVER_GROUP = re.compile(r"lxc-\d+-instance-[0-9a-f]{8}\.libvirt-lxc")


def sweep() -> list[str]:
    """Clear away; return a sentence for each kind of thing that there was."""
    found = []
    if packages.put_policy_back():
        found.append("put back the machine's policy-rc.d")
    if count := detach_loops():
        found.append(f"detached {count} loop devices")
    if count := remove_groups():
        found.append(f"removed {count} servers' control groups")
    if places.CLOUD.exists():
        shutil.rmtree(places.CLOUD)
        found.append(f"removed {places.CLOUD}")
    return found


def detach_loops() -> int:
    """Detach the loop devices of our servers' disks; return how many there were.

    The disks lie on the loop-mounted XFS (known by its device number, for its path is gone with
    the namespace) or, without XFS, under the state directory.
    """
    command = ["losetup", "--list", "--noheadings", "--raw"]
    columns = ["--output", "NAME,MAJ:MIN,BACK-MAJ:MIN,BACK-FILE"]
    listed = subprocess.run(command + columns, capture_output=True, text=True, check=True).stdout
    rows = [line.split(maxsplit=3) for line in listed.splitlines()]
    outer = {row[1] for row in rows if len(row) == 4 and row[3].startswith(str(places.STATE))}
    ours = [row for row in rows if len(row) == 4 and (row[2] in outer or row[1] in outer)]
    # The disks first, then the file system they lie on.
    ours.sort(key=lambda row: row[1] in outer)
    for row in ours:
        subprocess.run(["losetup", "--detach", row[0]], check=False, stderr=subprocess.DEVNULL)
    return len(ours)


def remove_groups() -> int:
    """Remove our servers' control groups, which hold no process any more; return how many."""
    groups = [
        path
        for machine in Path("/sys/fs/cgroup").glob("**/machine")
        for path in machine.iterdir()
        if SERVER_GROUP.fullmatch(path.name)
    ]
    for group in groups:
        for directory, _, _ in os.walk(group, topdown=False):
            try:
                os.rmdir(directory)
            except OSError:
                pass  # a living lab's: the kernel refuses
    return len({group.name for group in groups if not group.exists()})
