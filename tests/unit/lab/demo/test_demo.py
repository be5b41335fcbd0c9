# SPDX-License-Identifier: Apache-2.0
"""The demonstrations: their cluster files, and the variants of these."""

from dataclasses import replace

import pytest

from heatgen.project import block_loader
from heatgen.spec.model import Spec
from heatgen.spec.reader import read_spec
from heatgen.yamlio import document
from lab.cloud import seed
from lab.demo.demo import DEMOS, Demo
from lab.harness.cluster import KNOWN
from lab.machine.command import VARIANTS


def spec(demo: Demo) -> Spec:
    """Return the cluster of a demonstration; reading it fails unless it is valid."""
    text = document.parse(demo.name, demo.content.encode())
    return read_spec(text, block_loader.catalog(), block_loader.schema("cluster"))


def images(demo: Demo) -> set[str]:
    """Return the images that servers of a demonstration boot."""
    cluster = spec(demo)
    machines = [cluster.control_plane.machine, *(group.machine for group in cluster.workers)]
    return {machine.image or cluster.cloud.image for machine in machines}


@pytest.mark.parametrize("name", DEMOS)
def test_clusters_are_valid(name: str) -> None:
    """The stack has the name of the demonstration, and Glance has all images of its servers."""
    demo = DEMOS[name]
    assert spec(demo).name == demo.name
    assert images(demo) <= {image.name for image in seed.IMAGES}
    assert not demo.machine or demo.machine in VARIANTS
    assert {image for image in images(demo) if image in seed.VARIANTS} == set(demo.images)


def test_tests_and_faults_know_all_demonstrations() -> None:
    """HEATGEN_LAB_CLUSTER can select each of them."""
    assert tuple(sorted(KNOWN)) == tuple(sorted(demo.name for demo in DEMOS.values()))


def test_debian_13_is_a_variant_of_debian_12() -> None:
    """The clusters differ in name and image only."""
    twelve, thirteen = DEMOS["vm"].content, DEMOS["debian13"].content
    changed = {line for line in thirteen.splitlines() if line not in set(twelve.splitlines())}
    assert changed == {
        "name: demo-debian13",
        "  - {name: vm, count: 1, image: debian-13-vm}",
    }


@pytest.mark.parametrize(
    ("name", "system", "image"),
    [
        ("control-flatcar", "flatcar", "flatcar-like"),
        ("control-fcos", "fedora-coreos", "fcos-like"),
    ],
)
def test_control_plane_without_a_package_manager(name: str, system: str, image: str) -> None:
    """The control plane and a worker have the system; another worker has Debian."""
    cluster = spec(DEMOS[name])
    assert cluster.layers["os"].use == system
    assert cluster.cloud.image == image
    assert cluster.control_plane.load_balancer == "none"
    assert [(group.name, group.machine.image) for group in cluster.workers] == [
        ("worker", ""),
        ("debian", "debian-12"),
    ]


@pytest.mark.parametrize("old", ["name: other", "image"])
def test_changes_must_match_once(old: str) -> None:
    """A change whose text occurs nowhere, or several times, is an error."""
    with pytest.raises(ValueError, match="contains"):
        _ = replace(DEMOS["vm"], changes=((old, "x"),)).content
