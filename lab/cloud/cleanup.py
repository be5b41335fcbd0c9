# SPDX-License-Identifier: Apache-2.0
"""Clearing away what a dead lab left behind, and nothing else.

The namespace takes processes, mounts, network devices and libvirt's state with it. What outlives
it belongs to the machine: loop devices, control groups, a policy-rc.d, the state of the cloud.
"""

import json
import shutil
import subprocess

from lab.cloud import cgroups, packages, paths


def clean_up() -> list[str]:
    """Clear away; return a sentence for each kind of thing that there was."""
    found = []
    if packages.put_policy_back():
        found.append("put back the machine's policy-rc.d")
    if count := detach_loops():
        found.append(f"detached {count} loop devices")
    if count := cgroups.remove_groups():
        found.append(f"removed {count} servers' control groups")
    if paths.CLOUD.exists():
        shutil.rmtree(paths.CLOUD)
        found.append(f"removed {paths.CLOUD}")
    return found


def detach_loops() -> int:
    """Detach the loop devices of our servers' disks; return how many there were.

    The disks lie on the loop-mounted XFS (known by its device number, for its path is gone with
    the namespace) or, without XFS, under the state directory.
    """
    columns = "NAME,MAJ:MIN,BACK-MAJ:MIN,BACK-FILE"
    listed = json.loads(output("losetup", "--list", "--json", "--output", columns) or "{}")
    loops = listed.get("loopdevices", [])
    outer = [loop for loop in loops if loop["back-file"].startswith(f"{paths.STATE}/")]
    numbers = {loop["maj:min"].strip() for loop in outer}
    disks = [loop for loop in loops if loop["back-maj:min"].strip() in numbers]
    for loop in disks + outer:
        subprocess.run(
            ["losetup", "--detach", loop["name"]], check=False, stderr=subprocess.DEVNULL
        )
    return len(disks + outer)


def output(*command: str) -> str:
    """Return what a command that must work prints."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
