# SPDX-License-Identifier: Apache-2.0
"""Clusters in existing networks: one of the project, and one that an administrator shares.

Neutron's default policy is in force: on the shared network the project can create ports, but can
neither choose their addresses nor set `allowed_address_pairs`.
"""

import base64
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.harness import controller, health, small_cluster
from lab.harness.figures import Figure

pytestmark = [pytest.mark.usefixtures("cloud"), pytest.mark.long]

CIDR, GATEWAY = "198.51.100.0/24", "198.51.100.12"
"""The gateway is not the first address, but in the range of the default planned addresses."""
NAME = "api.lab.test"
Run = Callable[..., bytes]


@contextmanager
def existing(run: Run, network: str, *options: str) -> Iterator[dict[str, str]]:
    """Create a network, its subnet and its router; delete them at the end.

    Yields the section ``cloud`` for a cluster there. Each test needs another name: Heat's cache
    has the id of a network for an hour after its name was resolved.
    """
    subnet, router = f"{network}-1", f"{network}-router"
    commands = [
        ["network", "create", *options, network],
        ["subnet", "create", "--network", network, "--subnet-range", CIDR, "--gateway", GATEWAY,
         subnet],
        ["router", "create", router],
        ["router", "set", "--external-gateway", "public", router],
        ["router", "add", "subnet", router, subnet],
    ]  # fmt: skip
    deletions = [
        ["router", "remove", "subnet", router, subnet],
        ["router", "delete", router],
        ["network", "delete", network],
    ]
    try:
        for words in commands:
            run("openstack", *words)
        yield {"network": network, "subnet": subnet, "nodes": CIDR}
    finally:
        failures = []
        for words in deletions:
            try:
                run("openstack", *words)
            except AssertionError as error:
                failures.append(str(error))
        assert not failures, failures


def preflight(directory: Path) -> dict[str, str]:
    """Return the codes of unmet requirements, by requirement."""
    words = ["heatgen", "plan", "--preflight", "-f", "json", str(directory / small_cluster.SPEC)]
    found = json.loads(controller.inside(*words, check=False))["preflight"]
    return {item["what"]: item["code"] for item in found if item["verdict"] == "missing"}


def created(name: str, directory: Path, report: Figure) -> None:
    """Create the cluster of a directory, and run the suite on it."""
    template = small_cluster.render(directory)
    began = time.monotonic()
    with controller.stack(name, template) as status:
        assert status == "CREATE_COMPLETE", controller.failures(name)
        report(f"seconds to create {name}", round(time.monotonic() - began))
        config = small_cluster.kubeconfig(name, directory)
        connect_by_name(config)
        health.run_suite(name, directory)


def connect_by_name(config: Path) -> None:
    """Connect to the API by its additional name, which the certificate must have."""
    cluster = yaml.safe_load(config.read_text())["clusters"][0]["cluster"]
    authorities = config.with_name("ca.pem")
    authorities.write_bytes(base64.b64decode(cluster["certificate-authority-data"]))
    address, _, port = cluster["server"].removeprefix("https://").partition(":")
    options = ["--silent", "--show-error", "--max-time", "10", "--cacert", str(authorities)]
    options += ["--resolve", f"{NAME}:{port}:{address}"]
    controller.inside("curl", *options, f"https://{NAME}:{port}/readyz")


def changed(directory: Path, cloud: dict[str, Any], **other: dict[str, Any]) -> Path:
    """Write the small cluster with this section ``cloud``."""
    changes = {"cloud": cloud, "access": {"names": [NAME]}, **other}
    return small_cluster.write(directory, changes)


def test_network_of_an_administrator(tmp_path: Path, report: Figure) -> None:
    """Planned addresses are refused on a shared network; assigned ones make a healthy cluster.

    Nodes cannot have the name of this stack: theirs differ from it (test_stack_names.py).
    """
    with existing(controller.as_admin, "office", "--share") as cloud:
        shared = {"control_plane": {"load_balancer": "vip"}}
        planned = changed(tmp_path, cloud | {"first_address": "198.51.100.200"}, **shared)
        assert preflight(planned) == {"network's project": "network-of-others"}
        with controller.stack("refused", small_cluster.render(planned)) as status:
            assert status == "CREATE_FAILED"
            assert "disallowed by policy" in controller.failures("refused")
        assigned = changed(tmp_path, cloud | {"addresses": "assigned"})
        assert preflight(assigned) == {}
        created("My_Stack", assigned, report)


def test_network_of_the_project(tmp_path: Path, report: Figure) -> None:
    """A network of the project can have a virtual IP; the preflight detects its gateway."""
    with existing(controller.inside, "project") as cloud:
        shared = {"control_plane": {"load_balancer": "vip"}}
        default = changed(tmp_path, cloud | {"first_address": "198.51.100.11"}, **shared)
        assert preflight(default) == {"free addresses": "address-reserved"}
        chosen = changed(tmp_path, cloud | {"first_address": "198.51.100.200"}, **shared)
        created("own", chosen, report)


def test_network_without_port_security_and_dhcp(tmp_path: Path) -> None:
    """The preflight reports what Neutron and the servers would not do there."""
    with existing(controller.inside, "unprotected", "--disable-port-security") as cloud:
        controller.inside("openstack", "subnet", "set", "--no-dhcp", cloud["subnet"])
        planned: dict[str, Any] = cloud | {"first_address": "198.51.100.200"}
        found = preflight(changed(tmp_path, planned))
        assert found == {
            "network's port security": "no-port-security",
            "subnet's DHCP": "no-dhcp",
        }
        drive = changed(tmp_path, planned | {"config_drive": True})
        assert "subnet's DHCP" not in preflight(drive)
