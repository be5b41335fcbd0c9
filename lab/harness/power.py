# SPDX-License-Identifier: Apache-2.0
"""Servers' power, by way of Nova, or past it: pulling the plug."""

import json

from lab.harness import controller
from lab.harness.cluster import Node

STOP_SECONDS = 120
START_SECONDS = 120


def status(node: Node) -> str:
    """Return what Nova says of a server."""
    words = ["openstack", "server", "show", "-f", "value", "-c", "status", node.name]
    return controller.inside(*words).decode().strip()


def wait_status(node: Node, wanted: str, seconds: float) -> None:
    """Wait until Nova says that a server is in a status."""
    controller.wait_for(
        f"{node.name} is {wanted}", seconds, lambda: status(node) == wanted, pause=2.0
    )


def stop(node: Node) -> None:
    """Have Nova shut a server down: its services end in good order."""
    controller.inside("openstack", "server", "stop", node.name)
    wait_status(node, "SHUTOFF", STOP_SECONDS)


def cut(node: Node) -> None:
    """Pull the plug: all processes of the server die at once; Nova finds out on its own."""
    # An administrator finds servers of others by their id only.
    words = ["openstack", "server", "show", "-f", "value", "-c", "id", node.name]
    server = controller.inside(*words).decode().strip()
    words = ["openstack", "server", "show", "-f", "json", server]
    domain = json.loads(controller.as_admin(*words))["OS-EXT-SRV-ATTR:instance_name"]
    controller.as_admin("virsh", "--connect", "lxc:///", "destroy", domain)
    wait_status(node, "SHUTOFF", STOP_SECONDS)


def start(node: Node) -> None:
    """Have Nova start a server."""
    controller.inside("openstack", "server", "start", node.name)
    wait_status(node, "ACTIVE", START_SECONDS)
