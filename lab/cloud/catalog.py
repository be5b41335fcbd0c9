# SPDX-License-Identifier: Apache-2.0
"""Keystone's content: keys, the services' users and end points, Heat's domain, the user `demo`."""

import base64
import os
from concurrent.futures import ThreadPoolExecutor

from lab.cloud import paths
from lab.cloud.http import IDENTITY, PASSWORD, Session

SERVICE_USERS = ("glance", "placement", "nova", "neutron", "heat")
HOST = "http://203.0.113.1"
END_POINTS = {
    ("glance", "image"): f"{HOST}:9292",
    ("placement", "placement"): f"{HOST}:8778",
    ("nova", "compute"): f"{HOST}:8774/v2.1",
    ("neutron", "network"): f"{HOST}:9696",
    ("heat", "orchestration"): f"{HOST}:8004/v1/%(tenant_id)s",
    ("heat-cfn", "cloudformation"): f"{HOST}:8000/v1",
}
INTERFACES = ("public", "internal", "admin")


def make_keys() -> None:
    """Make Keystone's token and credential keys: for each a staged one (0) and a primary (1).

    Source: keystone.common.fernet_utils; a key is 32 random bytes in URL-safe base64.
    """
    for repository in ("fernet-keys", "credential-keys"):
        directory = paths.CLOUD / "keystone" / repository
        directory.mkdir(parents=True, mode=0o700)
        for name in ("0", "1"):
            key = directory / name
            key.touch(mode=0o600)
            key.write_bytes(base64.urlsafe_b64encode(os.urandom(32)))


def fill() -> None:
    """Make users, roles, services and end points; `keystone-manage bootstrap` made `admin`."""
    session = Session("admin")
    roles = roles_of(session)
    with ThreadPoolExecutor(max_workers=3) as pool:
        done = [
            pool.submit(make_service_users, session, roles),
            pool.submit(make_heat_domain, session, roles),
            pool.submit(make_demo, session, roles),
            *(pool.submit(make_service, session, *names, to) for names, to in END_POINTS.items()),
        ]
        for result in done:
            result.result()


def roles_of(session: Session) -> dict[str, str]:
    """Make Heat's two roles; return all roles' ids by name."""
    for name in ("heat_stack_owner", "heat_stack_user"):
        session.post(f"{IDENTITY}/roles", {"role": {"name": name}})
    return {role["name"]: role["id"] for role in session.get(f"{IDENTITY}/roles")["roles"]}


def make_user(session: Session, name: str, domain: str = "default") -> str:
    """Make a user with the lab's password; return the id."""
    body = {"user": {"name": name, "password": PASSWORD, "domain_id": domain}}
    return str(session.post(f"{IDENTITY}/users", body)["user"]["id"])


def make_project(session: Session, name: str) -> str:
    """Make a project in the default domain; return the id."""
    body = {"project": {"name": name, "domain_id": "default"}}
    return str(session.post(f"{IDENTITY}/projects", body)["project"]["id"])


def make_service_users(session: Session, roles: dict[str, str]) -> None:
    """Make the users the services themselves act as."""
    project = make_project(session, "service")
    for name in SERVICE_USERS:
        user = make_user(session, name)
        session.put(f"{IDENTITY}/projects/{project}/users/{user}/roles/{roles['admin']}")


def make_heat_domain(session: Session, roles: dict[str, str]) -> None:
    """Make the domain of the users under which servers speak to Heat, and its administrator."""
    domain = session.post(f"{IDENTITY}/domains", {"domain": {"name": "heat"}})["domain"]["id"]
    user = make_user(session, "heat_domain_admin", domain)
    session.put(f"{IDENTITY}/domains/{domain}/users/{user}/roles/{roles['admin']}")


def make_demo(session: Session, roles: dict[str, str]) -> None:
    """Make the ordinary user, who may own stacks and administer nothing."""
    project, user = make_project(session, "demo"), make_user(session, "demo")
    for role in ("member", "heat_stack_owner"):
        session.put(f"{IDENTITY}/projects/{project}/users/{user}/roles/{roles[role]}")


def make_service(session: Session, name: str, kind: str, url: str) -> None:
    """Make a service with its three end points, all at one address."""
    body = {"service": {"name": name, "type": kind}}
    service = session.post(f"{IDENTITY}/services", body)["service"]["id"]
    for interface in INTERFACES:
        body = {
            "endpoint": {
                "service_id": service,
                "interface": interface,
                "region_id": "RegionOne",
                "url": url,
            }
        }
        session.post(f"{IDENTITY}/endpoints", body)
