# SPDX-License-Identifier: Apache-2.0
"""What reports show of the cluster."""

import dataclasses
import json

from conformance.facts.expected import understand
from conformance.facts.model import Facts
from conformance.facts.serialization import from_plain
from conformance.report import cluster as cluster_report
from conformance.report.cluster import CONTROL, WORKER, Echo, Overview
from tests.conformance import healthy


def test_overview_of_facts() -> None:
    """Roles, what is expected but not there, pings, versions; and it survives being kept."""
    plain = healthy.facts(healthy.HA_NODES)
    plain["views"]["demo-worker-0"]["pod_pings"]["demo-docker-0"]["received"] = 0
    gone = plain["nodes"].pop("demo-control-2")
    assert gone
    plain["views"]["demo-worker-0"]["links"] = {"unasked": "no ip", "permanent": False}
    found = cluster_report.of(from_plain(Facts, plain), understand(plain["expected"], ""))
    roles = {node.name: node.role for node in found.nodes}
    assert roles["demo-control-0"] == CONTROL
    assert roles["demo-worker-0"] == WORKER
    (missing,) = [node for node in found.nodes if not node.ready]
    assert missing.problems == ["expected, but not registered"]
    assert found.pods["demo-worker-0"]["demo-docker-0"] == Echo(1.0, None)
    assert found.unasked == {"no ip": ["demo-worker-0: links"]}
    assert found.versions["runtime"] == ["containerd://2.4.2", "docker://29.8.1"]
    assert from_plain(Overview, json.loads(json.dumps(dataclasses.asdict(found)))) == found
