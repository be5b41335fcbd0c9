# SPDX-License-Identifier: Apache-2.0
"""Swift, which only clusters with TEMP_URL_SIGNAL need: added to a running lab on request.

It has one device with one replica, and no background services. Its state is part of the state of
the cloud, and its configuration is visible only inside the namespace: `lab/lab down` removes both.
"""

import shutil
from functools import partial
from pathlib import Path

from lab.cloud import catalog, packages, paths, processes, steps
from lab.cloud.databases import command
from lab.cloud.http import IDENTITY, Session
from lab.cloud.probes import http_responds, port_accepts
from lab.cloud.processes import Service
from lab.cloud.services import CONTROLLER, url

PACKAGES = ("swift-proxy", "swift-account", "swift-container", "swift-object")
# Swift reads swift.conf only from here.
ETC = Path("/etc/swift")
STORAGE = {"account": 6202, "container": 6201, "object": 6200}
PROXY = 8888
DEVICE = "d1"
ENDPOINT = f"http://{CONTROLLER}:{PROXY}/v1/AUTH_%(tenant_id)s"


def install() -> None:
    """Install the packages; run outside the namespace."""
    steps.timed("packages of Swift", partial(packages.install, PACKAGES))


def add() -> None:
    """Start Swift and register it in Keystone; run inside the namespace. No-op if it is running."""
    if not (ETC / "object.ring.gz").exists():
        prepare()
    steps.run(
        steps.Step(f"swift-{name}", partial(processes.start, service(name)))
        for name in (*STORAGE, "proxy")
    )
    register()


def prepare() -> None:
    """Create the device, the configuration and the rings: all partitions are on one device."""
    directory = paths.CLOUD / "swift"
    shutil.rmtree(directory, ignore_errors=True)
    (directory / "devices" / DEVICE).mkdir(parents=True)
    shutil.copytree(paths.ETC / "swift", directory / "etc")
    for name, port in STORAGE.items():
        ring = f"swift-ring-builder {directory}/etc/{name}.builder"
        command("swift", f"{ring} create 4 1 1")
        device = f"--region 1 --zone 1 --ip 127.0.0.1 --port {port} --device {DEVICE} --weight 1"
        command("swift", f"{ring} add {device}")
        command("swift", f"{ring} rebalance")
    command("swift", f"mount --bind {directory}/etc {ETC}")


def service(name: str) -> Service:
    """Return a server of Swift."""
    ready = (
        http_responds(url(PROXY) + "info")
        if name == "proxy"
        else port_accepts("127.0.0.1", STORAGE[name])
    )
    # `verbose` writes the log to the standard output, because the lab has no syslog.
    words = (f"/usr/bin/swift-{name}-server", str(ETC / f"{name}-server.conf"), "verbose")
    return Service(name=f"swift-{name}", command=words, ready=ready)


def register() -> None:
    """Create the user and the endpoints of Swift, unless they exist."""
    session = Session("admin")
    if session.get(f"{IDENTITY}/services?type=object-store")["services"]:
        return
    roles = {role["name"]: role["id"] for role in session.get(f"{IDENTITY}/roles")["roles"]}
    [project] = session.get(f"{IDENTITY}/projects?name=service")["projects"]
    user = catalog.make_user(session, "swift")
    session.put(f"{IDENTITY}/projects/{project['id']}/users/{user}/roles/{roles['admin']}")
    catalog.make_service(session, "swift", "object-store", ENDPOINT)
