# SPDX-License-Identifier: Apache-2.0
"""The Debian packages of the lab, installed without starting their daemons."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.cloud import programs
from lab.cloud.steps import print_progress

OPENSTACK = (
    "keystone",
    "glance-api",
    "placement-api",
    "nova-api",
    "nova-conductor",
    "nova-scheduler",
    "nova-compute",
    "nova-compute-lxc",
    "neutron-server",
    "neutron-linuxbridge-agent",
    "neutron-l3-agent",
    "neutron-dhcp-agent",
    "neutron-metadata-agent",
    "heat-api",
    "heat-api-cfn",
    "heat-engine",
    "python3-openstackclient",
    "python3-heatclient",
    "python3-pymysql",
    "python3-memcache",
)
OTHERS = (
    "mariadb-server",
    "rabbitmq-server",
    "memcached",
    "uwsgi-core",
    "uwsgi-plugin-python3",
    "libvirt-daemon-system",
    "libvirt-daemon-driver-lxc",
    "nginx-light",
    "docker-registry",
    "conntrack",
    "dnsmasq-base",
    "e2fsprogs",
    "ebtables",
    "haproxy",
    "iproute2",
    "ipset",
    "iptables",
    "kmod",
    "python3-venv",
    "openssh-client",
    "openssl",
    "python3-jwt",
    "tinyproxy-bin",
    "util-linux",
    "xfsprogs",
)
ALL = OPENSTACK + OTHERS

POLICY = Path("/usr/sbin/policy-rc.d")
POLICY_BEFORE = Path("/usr/sbin/policy-rc.d.before-heatgen-lab")
POLICY_TEXT = (
    "#!/bin/sh\n# heatgen's lab is installing packages: start none of their daemons.\nexit 101\n"
)
INSTALL_SECONDS = 1800


def versions(names: tuple[str, ...] = ALL) -> dict[str, str]:
    """Return name and version of the packages that are completely installed."""
    found = subprocess.run(
        ["dpkg-query", "-W", "-f", "${db:Status-Abbrev} ${Package} ${Version}\n", *names],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=False,
    ).stdout
    lines = (line.split() for line in found.splitlines())
    return {words[1]: words[2] for words in lines if words[0] == "ii"}


def install(names: tuple[str, ...] = ALL) -> str | None:
    """Install missing packages; return a note if all are installed."""
    present = versions(names)
    missing = [name for name in names if name not in present]
    if not missing:
        return "already done"
    print_progress(f"  installing {len(missing)} packages: {' '.join(missing)}")
    with daemon_starts_denied():
        # Ignore failures of third-party sources: only the installation must succeed.
        apt("update", check=False)
        apt("install", "-y", "--no-install-recommends", *missing)
    return None


def apt(*arguments: str, check: bool = True) -> None:
    """Run apt-get non-interactively; raise Problem with its last lines if it fails."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    options = ["-q", "-o", "DPkg::Lock::Timeout=900", "-o", "Acquire::Retries=3"]
    programs.run(["apt-get", *options, *arguments], INSTALL_SECONDS, environment, check=check)


@contextmanager
def daemon_starts_denied() -> Iterator[None]:
    """Prevent package scripts from starting daemons; restore the machine's policy afterwards."""
    restore_policy()
    if POLICY.exists():
        shutil.move(POLICY, POLICY_BEFORE)
    POLICY.write_text(POLICY_TEXT)
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        restore_policy()


def restore_policy() -> bool:
    """Undo `daemon_starts_denied`, even if it was killed; return whether it was active."""
    ours = POLICY.exists() and POLICY.read_text(errors="replace") == POLICY_TEXT
    if ours:
        POLICY.unlink()
    if POLICY_BEFORE.exists():
        shutil.move(POLICY_BEFORE, POLICY)
    return ours
