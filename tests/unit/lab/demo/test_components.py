# SPDX-License-Identifier: Apache-2.0
"""The demonstrations build the components that their clusters download, and no others."""

from pathlib import Path

import pytest

from heatgen.blocks.references import artifact_urls
from heatgen.project import block_loader
from heatgen.spec.block_selection import group_blocks, used_blocks
from heatgen.spec.reader import read_spec
from heatgen.yamlio import document
from lab.artifacts.recipes import Component, load_components
from lab.demo import components
from lab.demo.demo import DEMOS
from lab.demo.tools import ARTIFACTS

ALL = load_components(ARTIFACTS / "components")
SMALL, HA = DEMOS["small"].source, DEMOS["ha"].source
DOCKER = {"cri-dockerd", "docker"}
DEFAULT = {component.name for component in ALL if not component.on_request}


def needed(cluster: Path) -> set[str]:
    """Return the names of the components that a cluster needs."""
    return set(components.needed(cluster, ALL))


def published(component: Component) -> list[str]:
    """Return the URLs of what a component publishes."""
    return [
        "https://" + release.path.replace("{file}", file)
        for release in component.releases
        for file in (release.files if "{file}" in release.path else [""])
    ]


def test_the_small_demonstration_does_not_build_docker() -> None:
    """The small cluster needs all components except Docker and its CRI adapter."""
    assert needed(SMALL) == DEFAULT - DOCKER


def test_the_ha_demonstration_builds_everything() -> None:
    """The highly available cluster, with a worker with Docker, needs all default components."""
    assert needed(HA) == DEFAULT


@pytest.mark.parametrize("cluster", [SMALL, HA], ids=lambda path: path.stem)
def test_every_artifact_of_the_cluster_is_built(cluster: Path) -> None:
    """Every artifact that heatgen would pin for the cluster is published by a needed component."""
    catalog = block_loader.catalog()
    text = document.parse(str(cluster), cluster.read_bytes())
    spec = read_spec(text, catalog, block_loader.schema("cluster"))
    urls = {
        url
        for block in used_blocks(group_blocks(spec, catalog))
        for url in artifact_urls(block, spec.options_of(block)).values()
    }
    names = needed(cluster)
    served = {url for each in ALL if each.name in names for url in published(each)}
    assert urls
    assert urls <= served


@pytest.mark.parametrize(
    "text",
    [
        "runtime: {use: docker}",
        "runtime:\n  use: docker",
        "workers: [{name: a, runtime: docker}]",
        "workers: [{name: a, runtime: {use: 'docker'}}]",
    ],
)
def test_a_runtime_is_found_wherever_it_is_set(tmp_path: Path, text: str) -> None:
    """Docker is built if the cluster or a group of workers selects it."""
    cluster = tmp_path / "cluster.yaml"
    cluster.write_text(f"name: demo\n{text}\n")
    assert needed(cluster) >= DOCKER


def test_a_comment_selects_nothing(tmp_path: Path) -> None:
    """A block that only a comment mentions is not built."""
    cluster = tmp_path / "cluster.yaml"
    cluster.write_text("# docker\nname: demo # or docker\n")
    assert not needed(cluster) & DOCKER
