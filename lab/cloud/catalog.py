# SPDX-License-Identifier: Apache-2.0
"""Content of Keystone: keys, users and endpoints of services, the domain of Heat, the user demo."""

import base64
import os
from concurrent.futures import ThreadPoolExecutor

from lab.cloud import paths
from lab.cloud.http import IDENTITY, PASSWORD, Session

SERVICE_USERS = ("glance", "placement", "nova", "neutron", "heat")
HOST = "http://203.0.113.1"
ENDPOINTS = {
    ("glance", "image"): f"{HOST}:9292",
    ("placement", "placement"): f"{HOST}:8778",
    ("nova", "compute"): f"{HOST}:8774/v2.1",
    ("neutron", "network"): f"{HOST}:9696",
    ("heat", "orchestration"): f"{HOST}:8004/v1/%(tenant_id)s",
    ("heat-cfn", "cloudformation"): f"{HOST}:8000/v1",
}
INTERFACES = ("public", "internal", "admin")
# The same services with TLS (etc/site.conf), as a second region, by the port in the first one.
TLS_REGION = "RegionTLS"
TLS_PORTS = {
    "35357": "13000",
    "8004": "13004",
    "8000": "13005",
    "9292": "13292",
    "9696": "13696",
    "8774": "13774",
    "8778": "13778",
    "8888": "13808",
}


def make_keys() -> None:
    """Create the token and credential keys of Keystone, each staged (0) and primary (1).

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
    """Create users, roles, services and endpoints; `keystone-manage bootstrap` created `admin`."""
    session = Session("admin")
    roles = roles_of(session)
    session.post(f"{IDENTITY}/regions", {"region": {"id": TLS_REGION}})
    with ThreadPoolExecutor(max_workers=3) as pool:
        done = [
            pool.submit(make_service_users, session, roles),
            pool.submit(make_heat_domain, session, roles),
            pool.submit(make_demo, session, roles),
            pool.submit(add_identity_with_tls, session),
            *(pool.submit(make_service, session, *names, to) for names, to in ENDPOINTS.items()),
        ]
        for result in done:
            result.result()


def roles_of(session: Session) -> dict[str, str]:
    """Create the two roles of Heat; return the ids of all roles by name."""
    for name in ("heat_stack_owner", "heat_stack_user"):
        session.post(f"{IDENTITY}/roles", {"role": {"name": name}})
    return {role["name"]: role["id"] for role in session.get(f"{IDENTITY}/roles")["roles"]}


def make_user(session: Session, name: str, domain: str = "default") -> str:
    """Create a user with the password of the lab; return the id."""
    body = {"user": {"name": name, "password": PASSWORD, "domain_id": domain}}
    return str(session.post(f"{IDENTITY}/users", body)["user"]["id"])


def make_project(session: Session, name: str) -> str:
    """Create a project in the default domain; return the id."""
    body = {"project": {"name": name, "domain_id": "default"}}
    return str(session.post(f"{IDENTITY}/projects", body)["project"]["id"])


def make_service_users(session: Session, roles: dict[str, str]) -> None:
    """Create the users of the services."""
    project = make_project(session, "service")
    for name in SERVICE_USERS:
        user = make_user(session, name)
        session.put(f"{IDENTITY}/projects/{project}/users/{user}/roles/{roles['admin']}")


def make_heat_domain(session: Session, roles: dict[str, str]) -> None:
    """Create the domain of the users with which servers call Heat, and its administrator."""
    domain = session.post(f"{IDENTITY}/domains", {"domain": {"name": "heat"}})["domain"]["id"]
    user = make_user(session, "heat_domain_admin", domain)
    session.put(f"{IDENTITY}/domains/{domain}/users/{user}/roles/{roles['admin']}")


def make_demo(session: Session, roles: dict[str, str]) -> None:
    """Create the regular user, who may own stacks but has no administrator role."""
    project, user = make_project(session, "demo"), make_user(session, "demo")
    for role in ("member", "heat_stack_owner"):
        session.put(f"{IDENTITY}/projects/{project}/users/{user}/roles/{roles[role]}")


def with_tls(url: str) -> str:
    """Return the URL in the region with TLS of an endpoint."""
    port, slash, path = url.removeprefix(f"{HOST}:").partition("/")
    return f"{HOST.replace('http:', 'https:')}:{TLS_PORTS[port]}{slash}{path}"


def add_identity_with_tls(session: Session) -> None:
    """Create the endpoint of Keystone in the region with TLS."""
    service = session.get(f"{IDENTITY}/services?type=identity")["services"][0]["id"]
    make_endpoint(session, service, "public", TLS_REGION, with_tls(IDENTITY))


def make_service(session: Session, name: str, kind: str, url: str) -> None:
    """Create a service with its three endpoints, all with one URL, and one with TLS."""
    body = {"service": {"name": name, "type": kind}}
    service = session.post(f"{IDENTITY}/services", body)["service"]["id"]
    for interface in INTERFACES:
        make_endpoint(session, service, interface, "RegionOne", url)
    make_endpoint(session, service, "public", TLS_REGION, with_tls(url))


def make_endpoint(session: Session, service: str, interface: str, region: str, url: str) -> None:
    """Create one endpoint of a service."""
    body = {"service_id": service, "interface": interface, "region_id": region, "url": url}
    session.post(f"{IDENTITY}/endpoints", {"endpoint": body})
