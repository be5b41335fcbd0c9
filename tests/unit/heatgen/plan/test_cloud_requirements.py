# SPDX-License-Identifier: Apache-2.0
"""Tests of the requirements of a plan, and of their check against the state of a cloud."""

from dataclasses import replace

import pytest

from heatgen.plan import cloud_requirements
from heatgen.plan.cloud_requirements import CheckResult, CloudRequirements, CloudState
from tests.unit.heatgen.support import tiny

EXISTING = """\
name: tiny
cloud: {image: debian, flavor: small, network: office, subnet: office-1, nodes: 192.0.2.0/24,
        external_network: public, availability_zone: az1, boot_volume: {size: 10, type: fast}}
control_plane: {count: 3}
kvstore: {disk: 8, kind: ssd}
access: {ssh_key: mine}
"""
IMAGE = {"status": "active", "min_disk": 8, "min_ram": 512}
FLAVOR = {"vcpus": 2, "ram": 2048, "disk": 10}


def requirements(text: str = tiny.CLUSTER) -> CloudRequirements:
    """Return the requirements of a minimal cluster."""
    return cloud_requirements.requirements(tiny.planned(text))


def verdicts(needed: CloudRequirements, state: CloudState) -> dict[str, str]:
    """Return the verdicts by requirement."""
    return {item.what: item.verdict for item in cloud_requirements.check(needed, state)}


def found(needed: CloudRequirements, state: CloudState, what: str) -> CheckResult:
    """Return the result of one check."""
    return next(item for item in cloud_requirements.check(needed, state) if item.what == what)


def test_amounts() -> None:
    """Everything that has a quota is counted, including ports and sizes of volumes."""
    assert requirements().amounts == {
        "servers": 3, "networks": 1, "subnets": 1, "routers": 1, "ports": 3 + 1 + 2,
        "security groups": 2, "security group rules": len(tiny.planned().rules) + 4,
        "floating IPs": 1, "addresses of the external network": 2,
    }  # fmt: skip
    placed = requirements(EXISTING).amounts
    assert placed["ports"] == 5 + 1
    assert placed["volumes"] == 5 + 3
    assert placed["gigabytes of volumes"] == 5 * 10 + 3 * 8
    assert placed["server groups"] == 1
    assert "networks" not in placed


def test_names() -> None:
    """Every resource that the plan refers to by name is required."""
    needed = requirements(EXISTING)
    assert (needed.key_pair, needed.subnet, needed.zones) == ("mine", "office-1", ("az1",))
    assert needed.volume_types == ("fast", "ssd")
    assert needed.addresses == ("192.0.2.9", "192.0.2.10", "192.0.2.11", "192.0.2.12")
    assert needed.disks == {}


def test_quotas() -> None:
    """An amount equal to the rest of a quota is fine, one more is not; -1 means no limit."""
    needed = requirements()
    flavors = {"small": FLAVOR}
    for used, limit, verdict in ((7, 10, "fine"), (8, 10, "missing"), (900, -1, "fine")):
        state = CloudState(flavors=flavors, quotas={"servers": (used, limit)})
        assert found(needed, state, "servers").verdict == verdict
    state = CloudState(flavors=flavors, quotas={"processors": (0, 5), "MB of memory": (0, 6144)})
    assert found(needed, state, "processors").needed == "6"
    assert verdicts(needed, state)["processors"] == "missing"
    assert verdicts(needed, state)["MB of memory"] == "fine"


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
    """An image must exist and be active; a flavor must exist and be large enough for the image."""
    state = CloudState(images={"debian": image}, flavors={"small": flavor})
    assert verdicts(requirements(), state)[what] == verdict
    assert cloud_requirements.failed(cloud_requirements.check(requirements(), state)) == (
        verdict == "missing"
    )


def test_existing_subnet() -> None:
    """An existing subnet must have the range of cloud.nodes, and the fixed addresses be free."""
    needed = requirements(EXISTING)
    state = CloudState(
        names={("subnet", "office-1"): {"cidr": "192.0.2.0/24"}}, taken=("192.0.2.50",)
    )
    assert not cloud_requirements.failed(cloud_requirements.check(needed, state))
    taken = replace(state, taken=("192.0.2.11",))
    assert found(needed, taken, "free addresses").there == "taken: 192.0.2.11"
    assert cloud_requirements.failed(cloud_requirements.check(needed, taken))
    other = CloudState(names={("subnet", "office-1"): {"cidr": "10.0.0.0/24"}})
    assert found(needed, other, "subnet's range").verdict == "missing"
    assert cloud_requirements.failed(
        cloud_requirements.check(needed, CloudState(names={("subnet", "office-1"): None}))
    )


def test_missing_resources() -> None:
    """A missing resource is reported with the command that lists the existing ones."""
    needed = requirements(EXISTING)
    names: dict[tuple[str, str], dict[str, object] | None] = {
        ("key pair", "mine"): None,
        ("volume type", "ssd"): None,
        ("zone", "az1"): {},
    }
    state = CloudState(names=names)
    assert "keypair list" in found(needed, state, "key pair").advice
    assert found(needed, state, "volume type").verdict == "missing"
    assert found(needed, state, "zone").verdict == "fine"


def test_unknown_state_is_no_failure() -> None:
    """A query that the cloud rejects has the verdict unknown, which is not a failure."""
    state = CloudState(unknown={"quotas of servers": "Forbidden"})
    assert verdicts(requirements(), state)["quotas of servers"] == "unknown"
    assert not cloud_requirements.failed(cloud_requirements.check(requirements(), state))


@pytest.mark.parametrize(
    ("transport", "service"), [("cfn", "CloudFormation API"), ("temp_url", "object storage")]
)
def test_signal_transport_requires_a_service(transport: str, service: str) -> None:
    """The service that receives the results of nodes must be in the catalog."""
    assert "service" not in verdicts(requirements(), CloudState(names={("service", service): None}))
    text = tiny.CLUSTER.replace("cloud: {", f"cloud: {{signal_transport: {transport}, ")
    for state, verdict in ((None, cloud_requirements.MISSING), ({}, cloud_requirements.FINE)):
        names = CloudState(names={("service", service): state})
        item = found(requirements(text), names, "service")
        assert (item.needed, item.verdict) == (service, verdict)
