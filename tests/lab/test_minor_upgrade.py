# SPDX-License-Identifier: Apache-2.0
"""A cluster of 1.35 is updated to 1.36 and 1.37, with clients and a disruption budget.

The update to 1.37 is done in two steps: first the control plane, which behaves as 1.36 and returns
to it once; then its behavior and the nodes. The versions are built on request only::

  lab/artifacts/build --out /var/lib/heatgen-lab --components kubernetes-1.35,kubernetes-1.36
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.artifacts import command
from lab.artifacts.recipes import load_component
from lab.harness import cluster as clusters
from lab.harness import controller, health, small_cluster, upgrades, workload
from lab.harness.cluster import Cluster
from lab.harness.figures import Figure
from lab.harness.upgrades import Upgrades

pytestmark = [pytest.mark.usefixtures("cloud"), pytest.mark.long]

NAME = "minor"
COMPONENTS = ("kubernetes-1.35", "kubernetes-1.36", "kubernetes")
OLDEST, MIDDLE, NEWEST = (
    load_component(command.FOLDER / "components" / name).version for name in COMPONENTS
)


@pytest.fixture
def old_cluster() -> Iterator[Cluster]:
    """Create a cluster of the oldest version: three control-plane nodes, two workers."""
    missing = [name for name in COMPONENTS if not command.is_built(name)]
    if missing:
        pytest.skip(f"not built: lab/artifacts/build --components {','.join(missing)}")
    options = ["--out", str(controller.STATE), "--components", ",".join(COMPONENTS)]
    assert command.main(options) == 0
    directory = controller.STATE / NAME
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    write(directory)
    with controller.stack(NAME, small_cluster.render(directory)) as status:
        assert status == "CREATE_COMPLETE", controller.failures(NAME)
        small_cluster.kubeconfig(NAME, directory)
        yield clusters.read(NAME)


def write(directory: Path) -> None:
    """Write and lock the cluster."""
    small_cluster.write(
        directory,
        {"control_plane": {"count": 3}, "orchestration": {"version": OLDEST}},
    )
    file = directory / small_cluster.SPEC
    spec = yaml.safe_load(file.read_text())
    spec["name"] = NAME
    spec["workers"] = [{**spec["workers"], "name": "worker", "count": 2}]
    file.write_text(yaml.safe_dump(spec))
    controller.inside("heatgen", "lock", file)


def api_versions(cluster: Cluster) -> set[tuple[str, str]]:
    """Return version and behavior of every API server."""
    found = set()
    for node in cluster.control:
        pair = "/var/lib/kubelet/pki/kubelet-client-current.pem"
        reply = node.run(
            f"curl --silent --fail --cacert /etc/kubernetes/pki/ca.crt --cert {pair} --key {pair} "
            "https://127.0.0.1:6443/version"
        )
        info: dict[str, Any] = yaml.safe_load(reply)
        found.add((info["gitVersion"][1:], info.get("emulationMinor", info["minor"])))
    return found


def minor(version: str) -> str:
    """Return the number of the minor version."""
    return version.split(".")[1]


# Each update: version, version as which the control plane behaves, version of the nodes then.
UPDATES = (
    (MIDDLE, "", MIDDLE),
    (NEWEST, MIDDLE, MIDDLE),
    (MIDDLE, "", MIDDLE),
    (NEWEST, MIDDLE, MIDDLE),
    (NEWEST, "", NEWEST),
)


def test_three_minor_versions(old_cluster: Cluster, tmp_path: Path, report: Figure) -> None:
    """API and Service stay available, budgets are kept; the first step can be taken back."""
    health.wait_healthy(old_cluster)
    health.run_suite(NAME, old_cluster.directory)
    changes = Upgrades.of(old_cluster, tmp_path)
    assert set(changes.versions().values()) == {OLDEST}
    measured = []
    with (
        workload.running(old_cluster, tmp_path),
        upgrades.shop(old_cluster, tmp_path) as address,
    ):
        for version, emulate, of_nodes in UPDATES:
            title = f"to {version}" + (f" as {emulate}" if emulate else "")
            before = set(changes.versions().values())
            change = upgrades.version(version, emulate=emulate)
            measured.append(upgrades.measure(changes, address, tmp_path, title, change))
            print(upgrades.table(measured), flush=True)
            report(f"update {title}, seconds", round(measured[-1].seconds))
            measured[-1].check()
            assert set(changes.versions().values()) == {of_nodes}
            # Nodes have a turn only if their version changes.
            assert bool(measured[-1].samples.seen) == (before != {of_nodes})
            assert api_versions(old_cluster) == {(version, minor(emulate or version))}
            assert changes.cordoned() == []
            health.wait_healthy(old_cluster)
    health.run_suite(NAME, old_cluster.directory)
