# SPDX-License-Identifier: Apache-2.0
"""The ``cluster.yaml`` of a system, and what is chosen for the user."""

from typing import Any

import pytest
import yaml

from cloudring.cluster_file import (
    Defaults,
    choose_flavor,
    choose_key,
    choose_network,
    content,
)
from cloudring.options import Options, Target, UsageError
from heatgen.project import block_loader
from heatgen.spec.reader import read_spec
from heatgen.yamlio import document
from tests.unit.heatgen.support.others import REAL

TARGET = Target("debian-12", "debian", "bookworm")
DEFAULTS = Defaults("m1", "public", "key")
SITE = {"name": "site", "artifacts": {"mirror": "http://mirror.test"}, "workers": {"count": 5},
        "cloud": {"flavor": "m2", "image": "other", "nodes": "192.0.2.0/24"}}  # fmt: skip


def made(*fragments: dict[str, Any], **options: Any) -> dict[str, Any]:
    """Return the content for the target."""
    options = {"access": ("192.0.2.0/24",), **options}
    return content(TARGET, "ring-x", Options(targets=(TARGET,), **options), DEFAULTS, fragments)


@pytest.mark.parametrize(
    "fragments",
    [(), (SITE,), ({"workers": [{"name": "a", "count": 3, "os": "ubuntu", "image": "u"}]},)],
)
def test_content_is_valid(fragments: tuple[dict[str, Any], ...]) -> None:
    """The file is a valid cluster with one control-plane node and one worker."""
    text = yaml.safe_dump(made(*fragments)).encode()
    spec = read_spec(document.parse("c", text), REAL, block_loader.schema("cluster"))
    assert (spec.name, spec.worker_count, spec.layers["os"].use) == ("ring-x", 1, "debian")


def test_precedence() -> None:
    """Defaults, then parts of the file, then options; the image is that of the system."""
    assert made()["cloud"] == {"external_network": "public", "flavor": "m1", "image": "bookworm"}
    found = made(SITE)["cloud"]
    assert (found["flavor"], found["image"], found["nodes"]) == ("m2", "bookworm", "192.0.2.0/24")
    assert made(SITE, {"cloud": {"flavor": "m3"}})["cloud"]["flavor"] == "m3"
    assert made(SITE, flavor="m4")["cloud"]["flavor"] == "m4"
    assert made(SITE)["artifacts"] == SITE["artifacts"]


def test_access_is_required() -> None:
    """The API is never opened without a decision of the user; a part of the file may make it."""
    with pytest.raises(UsageError, match="--access"):
        made(access=())
    assert made({"access": {"api": ["10.0.0.0/8"]}}, access=())["access"]["api"] == ["10.0.0.0/8"]


def test_network() -> None:
    """The only network, or the only default one; otherwise the user must choose."""
    one, two = {"name": "a"}, {"name": "b", "is_default": True}
    assert choose_network([one]) == "a"
    assert choose_network([one, two]) == "b"
    for networks in ([], [one, one], [two, two]):
        with pytest.raises(UsageError):
            choose_network(networks)


def flavor(name: str, vcpus: int, ram: int, disk: int) -> dict[str, Any]:
    """Return a flavor."""
    return {"name": name, "vcpus": vcpus, "ram": ram, "disk": disk}


def test_flavor() -> None:
    """The smallest flavor that fits all images."""
    flavors = [flavor("xl", 8, 16384, 80), flavor("m", 2, 4096, 20), flavor("s", 1, 2048, 20),
               flavor("thin", 2, 4096, 1), flavor("image-size", 2, 4096, 0)]  # fmt: skip
    assert choose_flavor(flavors, []) == "image-size"
    assert choose_flavor(flavors, [{"min_disk": 15, "min_ram": 0}]) == "m"
    assert choose_flavor(flavors, [{"min_disk": 8, "min_ram": 8192}]) == "xl"
    with pytest.raises(UsageError, match="100 GB"):
        choose_flavor(flavors, [{"min_disk": 100, "min_ram": 0}])


def test_key() -> None:
    """A key pair is optional: with several, none is chosen."""
    assert [choose_key(names) for names in ([], ["a"], ["a", "b"])] == ["", "a", ""]
