# SPDX-License-Identifier: Apache-2.0
"""Start and remove a lab."""

import fcntl
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from lab.cloud import (
    authorities,
    catalog,
    cgroups,
    cleanup,
    databases,
    heat,
    host,
    namespace,
    packages,
    paths,
    pid1,
    processes,
    seed,
    services,
)
from lab.cloud.problem import Problem
from lab.cloud.steps import Step, print_progress, run, timed

INSTANCES_BYTES = 64 * 2**30
UP_SECONDS = 900
LOCK_SECONDS = 900


def up() -> None:
    """Start the lab; if it is running, only refresh the node image."""
    host.check()
    with exclusive():
        if namespace.holder_pid() is not None and paths.UP.exists() and paths.UP.read_text():
            heat.check_running()
            run_inside("inside-refresh")
            print_progress("the lab is already up")
            return
        began = time.monotonic()
        remove_leftovers()
        timed("packages", packages.install)
        timed("Heat", heat.install)
        timed("machine", host.prepare)
        timed("namespace", create_namespace)
        run_inside("inside-up")
        print_progress(f"the lab is up after {time.monotonic() - began:.0f} s")


def remove_leftovers() -> None:
    """Remove an incomplete lab and the leftovers of a killed one, and report them."""
    if namespace.kill():
        print_progress("  killed an incomplete lab")
    for sentence in cleanup.clean_up():
        print_progress(f"  leftovers of an earlier lab: {sentence}")


def create_namespace() -> None:
    """Create the state directory and start the namespace."""
    for directory in (paths.CLOUD, paths.PIDS, paths.LOG):
        directory.mkdir(parents=True, exist_ok=True)
    shutil.copytree(paths.ETC, paths.CLOUD / "etc")
    for name in ("glance/images", "neutron", "locks", "rabbitmq"):
        (paths.CLOUD / name).mkdir(parents=True)
    shutil.chown(paths.CLOUD / "rabbitmq", "rabbitmq", "rabbitmq")
    heat.select()
    catalog.make_keys()
    authorities.make()
    pid1.write_hosts()
    cgroups.write_group_name()
    create_instances_file()
    namespace.start()


def create_instances_file() -> None:
    """Create the sparse file with the XFS for the disks of servers."""
    paths.INSTANCES_FILE.unlink(missing_ok=True)
    if "\txfs\n" not in Path("/proc/filesystems").read_text():
        return
    with paths.INSTANCES_FILE.open("wb") as file:
        file.truncate(INSTANCES_BYTES)
    subprocess.run(["mkfs.xfs", "-q", "-m", "reflink=1", str(paths.INSTANCES_FILE)], check=True)


def run_inside(name: str) -> None:
    """Run an internal command of the lab inside the namespace; it must succeed."""
    command = namespace.nsenter([sys.executable, str(paths.LAUNCHER), name], "/")
    result = subprocess.run(command, stdin=subprocess.DEVNULL, timeout=UP_SECONDS, check=False)
    if result.returncode:
        raise Problem("the lab did not start: run `lab/lab down` to remove it", result.returncode)


def inside_up() -> None:
    """Start all services and create the content of the cloud; runs inside the namespace."""
    service_steps = [
        Step(service.name, partial(processes.start, service), needs)
        for service, needs in services.NEEDS.items()
    ]
    other_steps = [
        Step("databases", databases.prepare),
        Step("catalog", catalog.fill, ("keystone",)),
        Step("flavors", seed.flavors, ("nova-api", "catalog")),
        Step("key pair", seed.keypair, ("nova-api", "catalog")),
        Step("public network", seed.public_network, ("neutron-server", "catalog")),
        Step("node image", seed.node_image, ("glance-api", "catalog")),
        Step("network agents", seed.wait_agents_alive, ("neutron-l3-agent", "catalog")),
        Step("compute host", seed.wait_host_up, ("nova-compute", "nova-scheduler")),
    ]
    seconds = run([*service_steps, *other_steps])
    paths.UP.write_text(json.dumps(seconds))


def down() -> None:
    """Remove the lab, in any state."""
    host.check()
    with exclusive():
        killed = namespace.kill()
        found = cleanup.clean_up()
        host.restore()
        paths.INSTANCES_FILE.unlink(missing_ok=True)
    for sentence in found:
        print_progress(f"  {sentence}")
    print_progress("the lab is down" if killed or found else "the lab was already down")


@contextmanager
def exclusive() -> Iterator[None]:
    """Hold the lock of the lab, which allows one `up` or `down` at a time."""
    paths.STATE.mkdir(parents=True, exist_ok=True)
    with paths.LOCK.open("w") as lock:
        deadline = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise Problem("timed out waiting for another lab/lab up or down") from None
                time.sleep(0.5)
        yield
