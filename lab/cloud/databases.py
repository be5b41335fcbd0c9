# SPDX-License-Identifier: Apache-2.0
"""The databases' schemas: made once for each set of package versions, then copied.

Bringing six schemas up to date takes a minute or two of a core; the data directory that comes out
depends on nothing but the packages, MariaDB's configuration and the commands below, so it is kept
in the cache under a digest of these.
"""

import hashlib
import shutil
import subprocess
from functools import partial
from pathlib import Path

from lab.cloud import packages, paths, processes, steps
from lab.cloud.problem import Problem
from lab.cloud.services import ETC, MARIADB

SYNC_SECONDS = 900
NAMES = ("keystone", "glance", "placement", "nova_api", "nova", "nova_cell0", "neutron", "heat")
IDENTITY = "http://203.0.113.1:35357/v3/"
NOVA = "mysql+pymysql://root@localhost/{}?unix_socket=/run/mysqld/mysqld.sock"
RABBIT = "rabbit://guest:guest@127.0.0.1"

# One list for each project; a list's commands run in order, the lists side by side.
COMMANDS: dict[str, tuple[str, ...]] = {
    "keystone": (
        "keystone-manage --config-file={etc}/keystone.conf db_sync",
        "keystone-manage --config-file={etc}/keystone.conf bootstrap --bootstrap-password lab"
        f" --bootstrap-region-id RegionOne --bootstrap-public-url {IDENTITY}"
        f" --bootstrap-internal-url {IDENTITY} --bootstrap-admin-url {IDENTITY}",
    ),
    "glance": ("glance-manage --config-file={etc}/glance-api.conf db_sync",),
    "placement": ("placement-manage --config-file={etc}/placement.conf db sync",),
    "nova": (
        "nova-manage --config-file={etc}/nova.conf api_db sync",
        "nova-manage --config-file={etc}/nova.conf cell_v2 map_cell0"
        f" --database_connection {NOVA.format('nova_cell0')}",
        "nova-manage --config-file={etc}/nova.conf db sync",
        "nova-manage --config-file={etc}/nova.conf cell_v2 create_cell --name=cell1"
        f" --database_connection {NOVA.format('nova')} --transport-url {RABBIT}",
    ),
    "neutron": (
        "neutron-db-manage --config-file={etc}/neutron.conf --config-file={etc}/ml2.ini"
        " upgrade head",
    ),
    "heat": ("heat-manage --config-file={etc}/heat.conf db_sync",),
}


def prepare() -> str | None:
    """Put a data directory with all schemas in place, from the cache if it has one."""
    kept = paths.CACHE / f"databases-{digest()}"
    live = paths.CLOUD / "mariadb"
    if kept.exists():
        copy(kept, live)
        return "from the cache"
    make(live)
    keep(live, kept)
    return None


def digest() -> str:
    """Return the digest of all that the schemas depend on."""
    versions = packages.versions((*packages.OPENSTACK, "mariadb-server"))
    recipe = [repr(sorted(versions.items())), repr((NAMES, COMMANDS))]
    recipe.append((paths.ETC / "mariadb.cnf").read_text())
    return hashlib.sha256("\0".join(recipe).encode()).hexdigest()[:16]


def make(directory: Path) -> None:
    """Make the databases and bring every schema up to date; MariaDB is down again after."""
    directory.mkdir()
    shutil.chown(directory, "mysql", "mysql")
    command("database", f"mariadb-install-db --defaults-file={ETC}/mariadb.cnf --skip-test-db")
    processes.start(MARIADB)
    try:
        for name in NAMES:
            statement = f"CREATE DATABASE {name}"
            command("database", "mariadb", "--no-defaults", f"--execute={statement}")
        steps.run(steps.Step(f"schema {name}", partial(sync, name)) for name in COMMANDS)
    finally:
        processes.stop(MARIADB)


def sync(project: str) -> None:
    """Run one project's schema commands."""
    for line in COMMANDS[project]:
        command(f"schema-{project}", line.format(etc=ETC))


def command(log_name: str, line: str, *more: str) -> None:
    """Run a command (words of `line`, then `more`) with its output in a log; it must work."""
    log = paths.LOG / f"{log_name}.log"
    with log.open("ab") as output:
        result = subprocess.run(
            [*line.split(), *more],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=processes.ENVIRONMENT,
            timeout=SYNC_SECONDS,
            check=False,
        )
    if result.returncode:
        last = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise Problem(
            f"{line.split(maxsplit=1)[0]} failed ({result.returncode}):\n{last}\nlog: {log}"
        )


def keep(live: Path, kept: Path) -> None:
    """Put a stopped data directory into the cache and older ones out of it."""
    paths.CACHE.mkdir(parents=True, exist_ok=True)
    for old in paths.CACHE.glob("databases-*"):
        shutil.rmtree(old)
    partial_copy = kept.with_name(kept.name + ".partial")
    copy(live, partial_copy)
    partial_copy.rename(kept)


def copy(source: Path, target: Path) -> None:
    """Copy a data directory with its owners."""
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)
