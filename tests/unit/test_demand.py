# SPDX-License-Identifier: Apache-2.0
"""What a cluster needs of a cloud, and the verdict on what the cloud says."""

from dataclasses import replace

import pytest

from heatgen.plan import cloud_requirements
from heatgen.plan.cloud_requirements import Demand, Facts, Finding

from . import tiny

PLACES = """\
name: tiny
cloud: {image: debian, flavor: small, network: office, subnet: office-1, nodes: 192.0.2.0/24,
        external_network: public, availability_zone: az1, boot_volume: {size: 10, type: fast}}
control_plane: {count: 3}
kvstore: {disk: 8, kind: ssd}
access: {ssh_key: mine}
"""
IMAGE = {"status": "active", "min_disk": 8, "min_ram": 512}
FLAVOR = {"vcpus": 2, "ram": 2048, "disk": 10}


def needed(text: str = tiny.CLUSTER) -> Demand:
    """What a tiny cluster needs."""
    return cloud_requirements.demand(tiny.planned(text))


def verdicts(wish: Demand, facts: Facts) -> dict[str, str]:
    """Verdicts by what is needed."""
    return {item.what: item.verdict for item in cloud_requirements.judge(wish, facts)}


def found(wish: Demand, facts: Facts, what: str) -> Finding:
    """One finding."""
    return next(item for item in cloud_requirements.judge(wish, facts) if item.what == what)


def test_amounts() -> None:
    """Everything that has a quota is counted: servers with their ports, volumes with their size."""
    assert needed().amounts == {
        "servers": 3, "networks": 1, "subnets": 1, "routers": 1, "ports": 3 + 1 + 2,
        "security groups": 2, "security group rules": len(tiny.planned().rules) + 4,
        "floating IPs": 1, "addresses of the external network": 2,
    }  # fmt: skip
    placed = needed(PLACES).amounts
    assert placed["ports"] == 5 + 1
    assert placed["volumes"] == 5 + 3
    assert placed["gigabytes of volumes"] == 5 * 10 + 3 * 8
    assert placed["server groups"] == 1
    assert "networks" not in placed


def test_names() -> None:
    """Everything that is called by its name is asked for."""
    wish = needed(PLACES)
    assert (wish.key_pair, wish.subnet, wish.zones) == ("mine", "office-1", ("az1",))
    assert wish.volume_types == ("fast", "ssd")
    assert wish.addresses == ("192.0.2.9", "192.0.2.10", "192.0.2.11", "192.0.2.12")
    assert wish.disks == {}


def test_a_quota_is_enough_or_not() -> None:
    """The last one that fits is fine, one more is not; no limit is no limit."""
    wish = needed()
    flavors = {"small": FLAVOR}
    for used, limit, verdict in ((7, 10, "fine"), (8, 10, "missing"), (900, -1, "fine")):
        facts = Facts(flavors=flavors, quotas={"servers": (used, limit)})
        assert found(wish, facts, "servers").verdict == verdict
    facts = Facts(flavors=flavors, quotas={"processors": (0, 5), "MB of memory": (0, 6144)})
    assert found(wish, facts, "processors").needed == "6"
    assert verdicts(wish, facts)["processors"] == "missing"
    assert verdicts(wish, facts)["MB of memory"] == "fine"


@pytest.mark.parametrize(
    ("image", "flavor", "what", "verdict"),
    [
        (None, FLAVOR, "image", "missing"),
        ({**IMAGE, "status": "queued"}, FLAVOR, "image", "missing"),
        (IMAGE, None, "flavor", "missing"),
        (IMAGE, {**FLAVOR, "disk": 5}, "flavor for image debian", "missing"),
        (IMAGE, {**FLAVOR, "ram": 256}, "flavor for image debian", "missing"),
        (IMAGE, {**FLAVOR, "disk": 0}, "flavor", "fine"),
    ],
)
def test_images_and_flavors(
    image: dict[str, object] | None, flavor: dict[str, object] | None, what: str, verdict: str
) -> None:
    """They are there, ready, and large enough for each other."""
    facts = Facts(images={"debian": image}, flavors={"small": flavor})
    assert verdicts(needed(), facts)[what] == verdict
    assert cloud_requirements.failed(cloud_requirements.judge(needed(), facts)) == (
        verdict == "missing"
    )


def test_a_subnet_that_is_there() -> None:
    """Its range is that of cloud.nodes, and nobody has the planned addresses."""
    wish = needed(PLACES)
    facts = Facts(names={("subnet", "office-1"): {"cidr": "192.0.2.0/24"}}, taken=("192.0.2.50",))
    assert not cloud_requirements.failed(cloud_requirements.judge(wish, facts))
    taken = replace(facts, taken=("192.0.2.11",))
    assert found(wish, taken, "free addresses").there == "taken: 192.0.2.11"
    assert cloud_requirements.failed(cloud_requirements.judge(wish, taken))
    other = Facts(names={("subnet", "office-1"): {"cidr": "10.0.0.0/24"}})
    assert found(wish, other, "subnet's range").verdict == "missing"
    assert cloud_requirements.failed(
        cloud_requirements.judge(wish, Facts(names={("subnet", "office-1"): None}))
    )


def test_names_that_are_not_there() -> None:
    """Each is told with the command that lists what there is."""
    wish = needed(PLACES)
    names: dict[tuple[str, str], dict[str, object] | None] = {
        ("key pair", "mine"): None,
        ("volume type", "ssd"): None,
        ("zone", "az1"): {},
    }
    facts = Facts(names=names)
    assert "keypair list" in found(wish, facts, "key pair").advice
    assert found(wish, facts, "volume type").verdict == "missing"
    assert found(wish, facts, "zone").verdict == "fine"


def test_what_is_not_told_does_not_fail() -> None:
    """A cloud that keeps something to itself is no reason not to create."""
    facts = Facts(untold={"quotas of servers": "Forbidden"})
    assert verdicts(needed(), facts)["quotas of servers"] == "not told"
    assert not cloud_requirements.failed(cloud_requirements.judge(needed(), facts))
