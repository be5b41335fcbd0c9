# SPDX-License-Identifier: Apache-2.0
"""SSH from the controller to a node, in any tenant network."""

import subprocess

from lab.cloud import paths
from lab.cloud.http import COMPUTE, IMAGE, NETWORK, Json, Session
from lab.cloud.problem import Problem


def command_line(node: str, command: list[str]) -> list[str]:
    """Return the ssh command for a server, by name; call it inside the namespace.

    The command runs in the namespace of the router of the server's network and binds to the
    external address of the router: for security groups, it comes from the public network.
    """
    session = Session("admin")
    server = find_server(session, node)
    port = first(session, f"ports?device_id={server['id']}", "ports", f"{node} has no port")
    address = port["fixed_ips"][0]
    router, source = find_router(session, port["network_id"])
    options = ["BatchMode=yes", "ConnectTimeout=10", "LogLevel=ERROR"]
    options += ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null"]
    options += ["ServerAliveInterval=5", "ServerAliveCountMax=6"]
    return [
        *("ip", "netns", "exec", f"qrouter-{router}"),
        *("ssh", "-i", str(paths.KEY), "-b", source),
        *(word for option in options for word in ("-o", option)),
        f"{user(session, server)}@{address['ip_address']}",
        *command,
    ]


def user(session: Session, server: Json) -> str:
    """Return the user of a server's image; of the node image if that image was replaced."""
    for found in session.get(f"{IMAGE}/images?id=in:{server['image']['id']}")["images"]:
        if "os_admin_user" in found:
            return str(found["os_admin_user"])
    return paths.NODE_IMAGE.resolve().with_name("user").read_text(encoding="utf-8")


def find_server(session: Session, name: str) -> Json:
    """Return a server, by name, in any project."""
    found = session.get(f"{COMPUTE}/servers/detail?all_tenants=1")["servers"]
    named = [server for server in found if server["name"] == name]
    if not named:
        names = ", ".join(sorted(server["name"] for server in found))
        hint = f"use one of {names}" if names else "the cloud has no servers"
        raise Problem(f"no server {name!r}: {hint}")
    return dict(named[0])


def find_router(session: Session, network: str) -> tuple[str, str]:
    """Return the id and external address of the router of a network."""
    query = f"ports?network_id={network}&device_owner=network:router_interface"
    interface = first(session, query, "ports", "the server's network has no router")
    router = session.get(f"{NETWORK}/routers/{interface['device_id']}")["router"]
    addresses = (router["external_gateway_info"] or {}).get("external_fixed_ips", [])
    if not addresses:
        raise Problem("the router of the server's network has no external address")
    return router["id"], addresses[0]["ip_address"]


def first(session: Session, query: str, key: str, message: str) -> Json:
    """Return the first item of a list in Neutron; raise Problem if the list is empty."""
    found = session.get(f"{NETWORK}/{query}")[key]
    if not found:
        raise Problem(message)
    return dict(found[0])


def run(node: str, command: list[str]) -> int:
    """Run ssh to a node; return the exit status."""
    return subprocess.run(command_line(node, command), check=False).returncode
