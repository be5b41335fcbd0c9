# SPDX-License-Identifier: Apache-2.0
"""A worker that boots as Fedora CoreOS: Ignition, read-only /usr, update and rollback with ostree.

The rollback follows a rotation of the certificates. ostree has an /etc for each deployment, and one
/var for all: the older deployment may have outdated certificates and units.
"""

import json
import time
from pathlib import Path

import pytest

from lab.harness import boot, certificates, controller, health
from lab.harness.cluster import Cluster, Node
from lab.harness.figures import Figure

pytestmark = pytest.mark.long

OLDER = "older than the state of the cluster"  # the agent's report
UPDATE = "ostree admin deploy debian/two"
VERSION = "/usr/lib/lab-version"


@pytest.fixture
def machine(cluster: Cluster) -> Node:
    """Return the worker with ostree; skip the test if the cluster has none."""
    found = [node for node in cluster.machines if node.group == "ostree"]
    if not found:
        pytest.skip(f"{cluster.name} has no worker with ostree; run `lab/lab demo ostree`")
    return found[0]


def version(node: Node) -> str:
    """Return the version of the system that a node has booted."""
    return node.run(f"cat {VERSION}").strip()


def test_it_booted_like_fedora_coreos(machine: Node, healthy: Cluster) -> None:
    """Ignition configured it in the initramfs; it has no package manager and no Python."""
    assert machine.run("test -e /run/ostree-booted && findmnt -no OPTIONS /usr").startswith("ro")
    assert machine.run("readlink /opt /usr/local /etc/resolv.conf").split() == [
        "var/opt",
        "../var/usrlocal",
        "../run/systemd/resolve/stub-resolv.conf",
    ]
    assert machine.run("stat --file-system --format %T /sys/fs/cgroup").strip() == "cgroup2fs"
    programs = "python3 apt-get dpkg cloud-init conntrack keepalived"
    assert machine.run(f"for p in {programs}; do command -v $p; done; true") == ""
    for path in ("/usr/heatgen", "/heatgen"):
        assert machine.run(f"touch {path} 2>&1 && echo created || true").strip() != "created"
    assert "Ignition finished successfully" in machine.run("journalctl -b -o cat -t ignition")
    assert machine.run("ls /boot/ignition.firstboot 2>/dev/null || true") == ""
    units = "docker.service docker.socket"
    assert machine.run(f"systemctl is-enabled {units} || true").split() == ["masked", "masked"]
    assert "updates are disabled" in machine.run("journalctl -b -o cat -u zincati")
    path = machine.run("systemctl show --property ExecStart heatgen-agent")
    assert "path=/usr/local/bin/heatgen-agent" in path
    assert machine.run("hostname").strip() == machine.name


def test_suite(machine: Node, healthy: Cluster, figure: Figure, tmp_path: Path) -> None:
    """The quick suite passes, with more patience."""
    (tmp_path / "kubeconfig").symlink_to(healthy.directory / "kubeconfig")
    began = time.monotonic()
    health.run_suite(healthy.name, tmp_path, "--quick", *healthy.suite_options)
    figure("ostree: quick suite, seconds", round(time.monotonic() - began, 1))


def test_update_rotation_rollback(machine: Node, healthy: Cluster, figure: Figure) -> None:
    """The node is Ready after an update; after a rollback, too, or its agent reports the reason."""
    assert version(machine) == "one"
    before = certificates.installed([machine])
    assert before
    figure("ostree: deployment of the update, seconds", deploy(machine))
    figure("ostree: update, reboot until Ready, seconds", round(boot.reboot(healthy, machine), 1))
    assert version(machine) == "two"
    assert certificates.installed([machine]) == before

    rotate(healthy)
    rotated = certificates.installed([machine])
    assert {each.serial for each in rotated.values()}.isdisjoint(
        {each.serial for each in before.values()}
    )

    machine.run("lab-rollback")
    since = boot.boots(machine, lambda: machine.run(boot.REBOOT))
    try:
        assert version(machine) == "one"
        outcome = after_rollback(healthy, machine, since)
    finally:
        # The documented way back: boot the newer version.
        machine.run("lab-rollback")
        again = round(boot.reboot(healthy, machine), 1)
    figure("ostree: rollback after a rotation", outcome)
    figure("ostree: the newer version again, reboot until Ready, seconds", again)
    assert version(machine) == "two"
    assert certificates.installed([machine]) == rotated


def deploy(machine: Node) -> float:
    """Deploy the second commit of the image's repository; return the seconds."""
    began = time.monotonic()
    machine.run(UPDATE)
    status = machine.run("ostree admin status")
    assert "Version: two" in status, status
    return round(time.monotonic() - began, 1)


def rotate(cluster: Cluster) -> None:
    """Renew all certificates."""
    words = ["heatgen", "rotate", "certificates", cluster.name]
    controller.inside(*words, directory=cluster.directory)
    words = ["heatgen", "kubeconfig", cluster.name, "-o", "kubeconfig"]
    controller.inside(*words, directory=cluster.directory)


def after_rollback(cluster: Cluster, machine: Node, since: float) -> str:
    """Return `Ready`, or the report of the agent if the older system cannot be in the cluster."""
    reason = ""
    try:
        health.wait_return(cluster, machine, since, boot.BOOT_SECONDS)
    except AssertionError as problem:
        reason = str(problem)
    journal = machine.run("journalctl -b -o cat -u heatgen-agent")
    reports = [line for line in journal.splitlines() if OLDER in line]
    assert reports or not reason, f"{reason}; the agent reports no reason:\n{journal}"
    return ", ".join([*(["not Ready"] if reason else ["Ready"]), *reports[-1:]])


def test_nova_noticed_nothing(machine: Node, healthy: Cluster) -> None:
    """The reboots happened inside of the server; Heat has nothing to do."""
    words = ["openstack", "server", "show", "-f", "json", machine.name]
    assert json.loads(controller.inside(*words))["status"] == "ACTIVE"
    assert controller.stack_status(healthy.name) in ("CREATE_COMPLETE", "UPDATE_COMPLETE")
