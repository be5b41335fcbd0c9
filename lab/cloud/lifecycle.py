# SPDX-License-Identifier: Apache-2.0
"""The life of a lab: up, down, and what it looks like from outside in between."""

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
    catalog,
    cgroups,
    cleanup,
    databases,
    host,
    namespace,
    packages,
    paths,
    processes,
    seed,
    services,
)
from lab.cloud.problem import Problem
from lab.cloud.steps import Step, run, say, timed

INSTANCES_BYTES = 64 * 2**30
UP_SECONDS = 900
LOCK_SECONDS = 900


def up() -> None:
    """Bring the lab up; quick if it is."""
    host.check()
    with alone():
        if namespace.outer() is not None and paths.UP.exists() and paths.UP.read_text():
            enter("inside-refresh")
            say("the lab is up already")
            return
        began = time.monotonic()
        clear()
        timed("packages", packages.install)
        timed("machine", host.prepare)
        timed("namespace", open_namespace)
        enter("inside-up")
        say(f"the lab is up, in {time.monotonic() - began:.0f} s")


def clear() -> None:
    """End what there is of a lab and sweep, saying what was there."""
    if namespace.end():
        say("  ended a lab that was not whole")
    for sentence in cleanup.clean_up():
        say(f"  from a lab before: {sentence}")


def open_namespace() -> None:
    """Lay out the state directory and start the namespace on it."""
    for directory in (paths.CLOUD, paths.PIDS, paths.LOG):
        directory.mkdir(parents=True, exist_ok=True)
    shutil.copytree(paths.ETC, paths.CLOUD / "etc")
    for name in ("glance/images", "neutron", "locks", "rabbitmq"):
        (paths.CLOUD / name).mkdir(parents=True)
    shutil.chown(paths.CLOUD / "rabbitmq", "rabbitmq", "rabbitmq")
    catalog.make_keys()
    cgroups.write_name()
    make_instances_file()
    namespace.start()


def make_instances_file() -> None:
    """Make the XFS the servers' disks go to: sparse, anew each time."""
    paths.INSTANCES_FILE.unlink(missing_ok=True)
    if "\txfs\n" not in Path("/proc/filesystems").read_text():
        return
    with paths.INSTANCES_FILE.open("wb") as file:
        file.truncate(INSTANCES_BYTES)
    subprocess.run(["mkfs.xfs", "-q", "-m", "reflink=1", str(paths.INSTANCES_FILE)], check=True)


def enter(verb: str) -> None:
    """Run one of the lab's own verbs inside the namespace; it must work."""
    command = namespace.entering([sys.executable, str(paths.LAUNCHER), verb], "/")
    result = subprocess.run(command, stdin=subprocess.DEVNULL, timeout=UP_SECONDS, check=False)
    if result.returncode:
        raise Problem("the lab did not come up; `lab/lab down` clears it away", result.returncode)


def inside_up() -> None:
    """Start and seed everything; runs inside the namespace."""
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
        Step("network agents", seed.agents_alive, ("neutron-l3-agent", "catalog")),
        Step("compute host", seed.host_up, ("nova-compute", "nova-scheduler")),
    ]
    seconds = run([*service_steps, *other_steps])
    paths.UP.write_text(json.dumps(seconds))


def down() -> None:
    """End the lab, whatever state it is in."""
    host.check()
    with alone():
        ended = namespace.end()
        found = cleanup.clean_up()
        host.restore()
        paths.INSTANCES_FILE.unlink(missing_ok=True)
    for sentence in found:
        say(f"  {sentence}")
    say("the lab is down" if ended or found else "the lab was down already")


@contextmanager
def alone() -> Iterator[None]:
    """Hold the lab's lock: one `up` or `down` at a time."""
    paths.STATE.mkdir(parents=True, exist_ok=True)
    with paths.LOCK.open("w") as lock:
        deadline = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise Problem("another lab/lab up or down does not end") from None
                time.sleep(0.5)
        yield
