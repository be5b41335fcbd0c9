# SPDX-License-Identifier: Apache-2.0
"""The database schemas: created once for each set of versions, then copied.

Migrating six schemas takes one or two minutes of CPU time. The resulting data directory depends
only on the packages, the Heat of the lab, the configuration of MariaDB and the commands below;
therefore it is cached under a digest of these.
"""

import hashlib
import shutil
import subprocess
from functools import partial
from pathlib import Path

from lab.cloud import heat, packages, paths, processes, steps
from lab.cloud.problem import Problem
from lab.cloud.services import ETC, MARIADB

SYNC_SECONDS = 900
NAMES = ("keystone", "glance", "placement", "nova_api", "nova", "nova_cell0", "neutron", "heat")
IDENTITY = "http://203.0.113.1:35357/v3/"
NOVA = "mysql+pymysql://root@localhost/{}?unix_socket=/run/mysqld/mysqld.sock"
RABBIT = "rabbit://guest:guest@127.0.0.1"

# The commands of one project run in order, the projects in parallel.
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
    "heat": ("lab-heat manage db_sync",),
}


def prepare() -> str | None:
    """Create a data directory with all schemas, from the cache if possible."""
    kept = paths.CACHE / f"databases-{heat.running()}-{digest()}"
    live = paths.CLOUD / "mariadb"
    if kept.exists():
        copy(kept, live)
        return "cached"
    create(live)
    store(live, kept)
    return None


def digest() -> str:
    """Return the digest of all inputs of the schemas."""
    versions = packages.versions((*packages.OPENSTACK, "mariadb-server"))
    recipe = [repr(sorted(versions.items())), repr((NAMES, COMMANDS))]
    recipe.append((paths.ETC / "mariadb.cnf").read_text())
    if heat.running() == heat.NEWEST:
        recipe.append(heat.PINS.read_text())
    return hashlib.sha256("\0".join(recipe).encode()).hexdigest()[:16]


def create(directory: Path) -> None:
    """Create the databases and migrate every schema, with a temporary MariaDB."""
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
    """Run the schema commands of one project."""
    for line in COMMANDS[project]:
        command(f"schema-{project}", line.format(etc=ETC))


def command(log_name: str, line: str, *more: str) -> None:
    """Run a command (`line`, split, and `more`), which must succeed, with its output in a log."""
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


def store(live: Path, kept: Path) -> None:
    """Store the data directory of a stopped server in the cache; remove older ones of this Heat."""
    paths.CACHE.mkdir(parents=True, exist_ok=True)
    for old in paths.CACHE.glob(f"databases-{heat.running()}-*"):
        shutil.rmtree(old)
    partial_copy = kept.with_name(kept.name + ".partial")
    copy(live, partial_copy)
    partial_copy.rename(kept)


def copy(source: Path, target: Path) -> None:
    """Copy a data directory, preserving owners."""
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)
