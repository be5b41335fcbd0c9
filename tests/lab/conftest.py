# SPDX-License-Identifier: Apache-2.0
"""Requirements of the lab tests; abort (do not skip) if they are missing."""

import os
from collections.abc import Iterator

import pytest

from lab.harness import cluster as clusters
from lab.harness import figures, health, workload
from lab.harness.cluster import Cluster
from lab.harness.figures import Figure
from lab.harness.secrets import KnownSecrets
from lab.harness.workload import Workload

# Order of the modules: read-only tests, supported changes of the cluster, failures. Modules that
# are not in the list run first.
ORDER = (
    "test_memory",
    "test_readme",
    "test_secrets",
    "test_ports",
    "test_kubelet",
    "test_machine",
    "test_systems",
    "test_ostree",
    "test_names",
    "test_scale",
    "test_rotation",
    "test_upgrade",
    "test_minor_upgrade",
    "test_update_window",
    "test_loss",
    "test_replacement",
    "test_restore",
    "test_failure",
    "test_signals",
    "test_heat",
    # It replaces workers, which then have other addresses than the cluster of the session.
    "test_repair",
    "test_closed_site",
    "test_stack_names",
    "test_existing_network",
    "test_cloud_ring",
    "test_backends",
    "test_terraform",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort the tests so that they influence each other as little as possible."""
    place = {f"{__package__}.{name}": index for index, name in enumerate(ORDER)}

    def key(item: pytest.Item) -> int:
        module = item.getparent(pytest.Module)
        return place.get(module.obj.__name__ if module else "", -1)

    items.sort(key=key)


@pytest.fixture(scope="session")
def cloud() -> None:
    """Abort without root; for tests that create clusters and need none."""
    if os.geteuid() != 0:
        pytest.exit("the lab tests require root", returncode=2)


@pytest.fixture(scope="session")
def cluster(cloud: None) -> Cluster:
    """Return the selected cluster; abort without a cluster or without root."""
    try:
        return clusters.selected()
    except LookupError as problem:
        pytest.exit(str(problem), returncode=2)


@pytest.fixture(scope="session")
def ha_cluster(cluster: Cluster) -> Cluster:
    """Return the cluster; skip the test unless it has three control-plane nodes."""
    if len(cluster.control) < 3:
        pytest.skip(f"{cluster.name} has one control-plane node; run `make demo-ha` for three")
    return cluster


@pytest.fixture(scope="session")
def work(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workload]:
    """Create pods, a Service and a Secret on the cluster for the session."""
    with workload.running(cluster, tmp_path_factory.mktemp("workload")) as created:
        yield created


@pytest.fixture
def healthy(cluster: Cluster) -> Iterator[Cluster]:
    """Return the cluster; it must be healthy before and after the test."""
    health.wait_healthy(cluster)
    yield cluster
    health.wait_healthy(cluster)


@pytest.fixture(scope="session")
def figure_once(cluster: Cluster) -> Figure:
    """Return a function that stores and prints a figure; for use in fixtures."""

    def store(name: str, value: object) -> None:
        figures.store(cluster.directory, name, value)
        print(f"{name}: {value}")

    return store


@pytest.fixture
def figure(figure_once: Figure, record_property: Figure) -> Figure:
    """Return a function that stores and prints a figure and adds it to the report."""

    def store(name: str, value: object) -> None:
        record_property(name, value)
        figure_once(name, value)

    return store


@pytest.fixture
def report(record_property: Figure) -> Figure:
    """Return a function that prints a figure and adds it to the report, without a cluster."""

    def store(name: str, value: object) -> None:
        record_property(name, value)
        print(f"{name}: {value}")

    return store


@pytest.fixture(scope="session")
def known_secrets() -> KnownSecrets:
    """Return the secrets of the cluster, including earlier ones, for the session."""
    return KnownSecrets()
