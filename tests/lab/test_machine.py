# SPDX-License-Identifier: Apache-2.0
"""A worker that is a virtual machine: own kernel, reboot, power button, faults of its kernel.

All tests run on demo-vm (Debian 12) and on demo-debian13.
"""

import json
import time
from pathlib import Path

import pytest

from lab.faultinjection import catalog, runner
from lab.faultinjection.campaign import Campaign
from lab.harness import boot, health, power
from lab.harness.cluster import Cluster, Node
from lab.harness.figures import Figure

pytestmark = pytest.mark.long

FLAVOR_MIB = 2048
# By cluster: the release of Debian, and the oldest version of its systemd.
RELEASES = {"demo-vm": ("12", 252), "demo-debian13": ("13", 257)}
# What the image lacks, and steps install from the packages of its release.
INSTALLED = ("nftables",)
FAULTS = ("vxlan-lossy", "vxlan-slow", "ip-forward-off")


@pytest.fixture
def machine(cluster: Cluster) -> Node:
    """Return the worker that boots Debian's image; skip the test if the cluster has none."""
    found = [node for node in cluster.machines if node.group == "vm"]
    if not found:
        pytest.skip(
            f"{cluster.name} has no virtual machine of Debian; run `lab/lab demo vm` or debian13"
        )
    return found[0]


def test_it_has_its_own_kernel(machine: Node, healthy: Cluster) -> None:
    """The node has Debian's kernel, control groups v2, udev and the stub of systemd-resolved."""
    container = next(node for node in healthy.workers if node not in healthy.machines)
    assert "-cloud-amd64" in machine.run("uname -r")
    assert machine.run(f"cat {boot.BOOT_ID}") != container.run(f"cat {boot.BOOT_ID}")
    assert machine.run("stat --file-system --format %T /sys/fs/cgroup").strip() == "cgroup2fs"
    assert machine.run("systemctl is-active systemd-udevd systemd-resolved").split() == [
        "active",
        "active",
    ]
    assert machine.run("readlink /etc/resolv.conf").strip().endswith("stub-resolv.conf")
    memory = int(machine.run("sed -n 's/^MemTotal: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo"))
    assert memory / 1024 < FLAVOR_MIB
    status = json.loads(machine.run("cat /run/cloud-init/status.json"))["v1"]
    assert "OpenStack" in str(status["datasource"])
    assert not [stage for stage in status.values() if isinstance(stage, dict) and stage["errors"]]


def test_it_has_the_packages_of_its_release(machine: Node, healthy: Cluster) -> None:
    """It has the systemd of its release, and what a step installed from the lab's archive."""
    release, oldest = RELEASES[healthy.name]
    assert machine.run(". /etc/os-release && echo $VERSION_ID").strip() == release
    assert int(machine.run("systemctl --version").split()[1]) >= oldest
    for package in INSTALLED:
        version = machine.run(f"dpkg-query --show --showformat='${{Version}}' {package}")
        assert version in machine.run(f"apt-cache madison {package}")


def test_it_reboots_itself(machine: Node, healthy: Cluster, figure: Figure) -> None:
    """After `systemctl reboot` the node is Ready again; for Nova the server never stopped."""
    seconds = boot.reboot(healthy, machine)
    assert power.status(machine) == "ACTIVE"
    figure("virtual machine: reboot until Ready, seconds", round(seconds, 1))


def test_it_is_stopped_and_started(machine: Node, healthy: Cluster, figure: Figure) -> None:
    """`openstack server stop` is the power button: the machine shuts down in order."""

    def stop_and_start() -> None:
        power.stop(machine)
        power.start(machine)

    seconds = boot.returns(healthy, machine, stop_and_start)
    figure("virtual machine: stop and start until Ready, seconds", round(seconds, 1))
    journal = "journalctl --boot -1 --unit systemd-logind --no-pager --output cat"
    assert "Power key pressed" in machine.run(journal)


def test_suite(machine: Node, healthy: Cluster, figure: Figure, tmp_path: Path) -> None:
    """The suite passes, with more patience."""
    (tmp_path / "kubeconfig").symlink_to(healthy.directory / "kubeconfig")
    began = time.monotonic()
    health.run_suite(healthy.name, tmp_path, *healthy.suite_options)
    figure("virtual machine: suite, seconds", round(time.monotonic() - began, 1))


@pytest.mark.parametrize("name", FAULTS)
def test_fault(name: str, machine: Node, healthy: Cluster, figure: Figure) -> None:
    """Exactly the checks that declare the fault fail, and all pass afterwards."""
    folder = runner.report_folder()
    with Campaign(folder=folder, cluster=healthy.name, assume_green=True) as campaign:
        record = campaign.run(catalog.fault(name))
    figure(f"virtual machine: {name}", record.summary())
    assert machine.name in record.victims
    assert record.passed, "\n".join([record.summary(), *record.problems])
