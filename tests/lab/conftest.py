# SPDX-License-Identifier: Apache-2.0
"""What the lab ring takes for granted; without it nothing is told, rather than skipped."""

import os
from collections.abc import Iterator

import pytest

from lab.harness import cluster as clusters
from lab.harness import figures, health, workload
from lab.harness.cluster import Cluster
from lab.harness.figures import Figure
from lab.harness.secrets import KnownSecrets
from lab.harness.workload import Workload

# The order of the modules: what only looks, what changes the cluster by the book, what breaks it.
# What is not named comes first.
LATER = (
    "test_memory",
    "test_readme",
    "test_secrets",
    "test_ports",
    "test_kubelet",
    "test_names",
    "test_scale",
    "test_rotation",
    "test_loss",
    "test_replacement",
    "test_failure",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests in the order in which they do the least harm to each other."""
    place = {f"{__package__}.{name}": index for index, name in enumerate(LATER)}

    def key(item: pytest.Item) -> int:
        module = item.getparent(pytest.Module)
        return place.get(module.obj.__name__ if module else "", -1)

    items.sort(key=key)


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """The cluster that stands, or that is named; without one, or without root, give up at once."""
    if os.geteuid() != 0:
        pytest.exit("the lab ring needs root", returncode=2)
    try:
        return clusters.selected()
    except LookupError as problem:
        pytest.exit(str(problem), returncode=2)


@pytest.fixture(scope="session")
def many(cluster: Cluster) -> Cluster:
    """The cluster, if one control plane server of it may go."""
    if len(cluster.control) < 3:
        pytest.skip(f"{cluster.name} has one control plane server: `make demo-ha` makes three")
    return cluster


@pytest.fixture(scope="session")
def work(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workload]:
    """Pods, a Service and a Secret on the cluster, there all the while."""
    with workload.running(cluster, tmp_path_factory.mktemp("workload")) as made:
        yield made


@pytest.fixture
def healthy(cluster: Cluster) -> Iterator[Cluster]:
    """The cluster, whole before the test, which has to leave it so."""
    health.wait_healthy(cluster)
    yield cluster
    health.wait_healthy(cluster)


@pytest.fixture(scope="session")
def figure_once(cluster: Cluster) -> Figure:
    """Keep a figure beside the cluster's files and show it; for what is measured once."""

    def keep(name: str, value: object) -> None:
        figures.keep(cluster.directory, name, value)
        print(f"{name}: {value}")

    return keep


@pytest.fixture
def figure(figure_once: Figure, record_property: Figure) -> Figure:
    """Keep a figure in the report, too."""

    def keep(name: str, value: object) -> None:
        record_property(name, value)
        figure_once(name, value)

    return keep


@pytest.fixture(scope="session")
def known_secrets() -> KnownSecrets:
    """All secrets of the cluster that were ever seen; those that are gone are still looked for."""
    return KnownSecrets()
