# SPDX-License-Identifier: Apache-2.0
"""Remove the leftovers of a killed lab.

Processes, mounts, network devices and the state of libvirt end with the namespace. Loop devices,
control groups, a policy-rc.d and the state of the cloud remain on the machine.
"""

import json
import shutil
import subprocess

from lab.cloud import cgroups, packages, paths


def clean_up() -> list[str]:
    """Remove all leftovers; return a sentence for each kind that existed."""
    found = []
    if packages.restore_policy():
        found.append("restored the policy-rc.d of the machine")
    if count := detach_loops():
        found.append(f"detached {count} loop devices")
    if count := cgroups.remove_groups():
        found.append(f"removed the control groups of {count} servers")
    if paths.CLOUD.exists():
        shutil.rmtree(paths.CLOUD)
        found.append(f"removed {paths.CLOUD}")
    return found


def detach_loops() -> int:
    """Detach the loop devices of the disks of servers; return their number.

    The disks are on the loop-mounted XFS (identified by its device number, because its path ended
    with the namespace) or, without XFS, in the state directory.
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
    """Return the output of a command, which must succeed."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
