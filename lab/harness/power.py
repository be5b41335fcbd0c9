# SPDX-License-Identifier: Apache-2.0
"""Stop and start servers through Nova, or cut their power."""

import json

from lab.harness import controller
from lab.harness.cluster import Node

STOP_SECONDS = 120
START_SECONDS = 120


def status(node: Node) -> str:
    """Return the status of a server in Nova."""
    words = ["openstack", "server", "show", "-f", "value", "-c", "status", node.name]
    return controller.inside(*words).decode().strip()


def wait_status(node: Node, wanted: str, seconds: float) -> None:
    """Wait until a server has a status in Nova."""
    controller.wait_for(
        f"{node.name} is {wanted}", seconds, lambda: status(node) == wanted, pause=2.0
    )


def stop(node: Node) -> None:
    """Shut a server down through Nova, which stops its services in order."""
    controller.inside("openstack", "server", "stop", node.name)
    wait_status(node, "SHUTOFF", STOP_SECONDS)


def cut(node: Node) -> None:
    """Kill all processes of a server at once, without Nova, and wait until Nova has noticed."""
    controller.as_admin("virsh", "--connect", "lxc:///", "destroy", domain(node))
    wait_status(node, "SHUTOFF", STOP_SECONDS)


def freeze(node: Node) -> None:
    """Stop all processes of a server without ending them, as a suspended server."""
    controller.as_admin("virsh", "--connect", "lxc:///", "suspend", domain(node))


def thaw(node: Node) -> None:
    """Continue the processes of a frozen server."""
    controller.as_admin("virsh", "--connect", "lxc:///", "resume", domain(node))


def domain(node: Node) -> str:
    """Return the name of a server's domain in libvirt."""
    # An administrator finds servers of other projects only by id.
    words = ["openstack", "server", "show", "-f", "value", "-c", "id", node.name]
    server = controller.inside(*words).decode().strip()
    words = ["openstack", "server", "show", "-f", "json", server]
    return str(json.loads(controller.as_admin(*words))["OS-EXT-SRV-ATTR:instance_name"])


def start(node: Node) -> None:
    """Start a server through Nova."""
    controller.inside("openstack", "server", "start", node.name)
    wait_status(node, "ACTIVE", START_SECONDS)
