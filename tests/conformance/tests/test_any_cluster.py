# SPDX-License-Identifier: Apache-2.0
"""Clusters that heatgen did not create: flannel with leases in node annotations."""

import json
from collections.abc import Callable
from typing import Any

from conformance.api.core_resources import noted_lease
from conformance.facts.model import Lease
from tests.conformance import healthy
from tests.conformance.conftest import SuiteRun

Json = dict[str, Any]
Replay = Callable[..., SuiteRun]
CONTROL, ONE, TWO = healthy.NODES
FLANNEL = "flannel.alpha.coreos.com/"


def in_kube_mode() -> Json:
    """Return facts of a healthy cluster whose flannel stores its leases in node annotations."""
    facts = healthy.facts() | {"expected": None}
    facts["noted_leases"] = facts["views"][CONTROL]["leases"]
    for view in facts["views"].values():
        view["leases"] = None
    return facts


def test_lease_is_read_from_the_nodes_annotations() -> None:
    """A lease is parsed as flannel 0.28 writes it with --kube-subnet-mgr; its subnet is podCIDR."""
    notes = {
        "kube-subnet-manager": "true",
        "backend-type": "vxlan",
        "backend-data": '{"VNI":1,"VtepMAC":"5e:77:ff:90:7b:0d"}',
        "public-ip": "192.0.2.10",
    }
    node: Json = {"metadata": {"annotations": {FLANNEL + key: notes[key] for key in notes}}}
    node["spec"] = {"podCIDR": "10.42.0.0/24"}
    lease = Lease(
        subnet="10.42.0.0/24",
        public_ip="192.0.2.10",
        backend="vxlan",
        mac="5e:77:ff:90:7b:0d",
        vni=1,
    )
    assert noted_lease(node) == lease
    notes["backend-data"] = json.dumps(None)  # host-gw has none
    node["metadata"]["annotations"] = {FLANNEL + key: notes[key] for key in notes}
    assert noted_lease(node) == Lease(
        subnet="10.42.0.0/24", public_ip="192.0.2.10", backend="vxlan", mac="", vni=None
    )
    assert noted_lease({"metadata": {}}) is None


def test_leases_on_nodes_are_checked_like_those_in_etcd(replay: Replay) -> None:
    """A healthy cluster passes; a wrong lease fails the checks of leases."""
    facts = in_kube_mode()
    assert replay(facts, "-m", "network").exit_status == 0
    lease = next(each for each in facts["noted_leases"] if each["public_ip"].endswith(".20"))
    lease["subnet"] = "10.244.77.0/24"
    failed = {name.partition("[")[0] for name in replay(facts, "-m", "network").failed}
    assert "test_subnet_env_matches_the_lease" in failed
    assert failed <= {"test_subnet_env_matches_the_lease", "test_node_has_route_to_peer"}
