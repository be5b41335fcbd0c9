# SPDX-License-Identifier: Apache-2.0
"""Manifests of a run: namespace, labels, images, tokens, placement."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from conformance.deploy import lifecycle
from conformance.facts.model import NodeStatus, Taint
from conformance.facts.serialization import from_plain
from conformance.manifests import base
from conformance.manifests.base import Run
from tests.conformance import healthy

Json = dict[str, Any]
CONTROL, ONE, TWO = healthy.NODES


@pytest.fixture
def run() -> Run:
    """Return a run on the healthy cluster."""
    nodes = from_plain(dict[str, NodeStatus], healthy.facts()["nodes"])
    return Run(id="0badcafe", image="mirror.example/agnhost:1", nodes=list(nodes.values()))


def pod_specs(manifests: list[Json]) -> Iterator[Json]:
    """Yield the spec of every pod and pod template."""
    for manifest in manifests:
        if manifest["kind"] == "Pod":
            yield manifest["spec"]
        elif "template" in manifest.get("spec", {}):
            yield manifest["spec"]["template"]["spec"]


def test_all_objects_are_in_the_namespace(run: Run) -> None:
    """All objects are in the run's namespace and have its label, so deleting it is enough."""
    first = [*base.first_manifests(run), base.lease(run, "me", "now")]
    created = [*first, *lifecycle.all_manifests(run)]
    assert base.plain_namespace(run)["metadata"]["labels"] == {base.RUN_LABEL: run.id}
    assert {manifest["metadata"]["namespace"] for manifest in created} == {run.namespace}
    for manifest in [*created, base.namespace(run)]:
        assert manifest["metadata"]["labels"][base.RUN_LABEL] == run.id
    assert run.id in run.namespace


def test_names_are_unique(run: Run) -> None:
    """No two objects of a kind share a name."""
    keys = [(each["kind"], each["metadata"]["name"]) for each in lifecycle.all_manifests(run)]
    assert len(keys) == len(set(keys))


def test_every_pod_uses_the_image_and_terminates_quickly(run: Run) -> None:
    """Pods use the run's image, mount no token, and have one second to terminate."""
    for spec in pod_specs(lifecycle.all_manifests(run)):
        assert [container["image"] for container in spec["containers"]] == [run.image]
        assert spec["automountServiceAccountToken"] is False
        assert spec["terminationGracePeriodSeconds"] == 1


def test_only_the_host_probe_has_a_token(run: Run) -> None:
    """It has a token that is valid for ten minutes; no other pod has one."""
    holders = [
        spec
        for spec in pod_specs(lifecycle.all_manifests(run))
        if "serviceAccountToken" in str(spec)
    ]
    assert len(holders) == len(run.nodes)
    for spec in holders:
        assert spec["hostPID"] is True
        assert "'expirationSeconds': 600" in str(spec["volumes"])


def test_all_scripts_are_mounted(run: Run) -> None:
    """The ConfigMap contains every script that collect.sh sources."""
    (config,) = [
        each
        for each in base.first_manifests(run)
        if (each["kind"], each["metadata"]["name"]) == ("ConfigMap", "probe")
    ]
    sourced = re.findall(r"\. /probe/(\S+)", config["data"]["collect.sh"])
    called = ("collect.sh", "throughput.sh", "udp.sh")
    assert set(config["data"]) == {*called, *sourced}
    assert ". /probe/security.sh" in config["data"]["collect.sh"]


def test_only_the_namespace_of_the_run_admits_privileged_pods(run: Run) -> None:
    """The plain namespace has no pod security label."""
    enforce = "pod-security.kubernetes.io/enforce"
    assert base.namespace(run)["metadata"]["labels"][enforce] == "privileged"
    assert enforce not in base.plain_namespace(run)["metadata"]["labels"]


def test_host_is_mounted_read_only(run: Run) -> None:
    """The privileged probe mounts the node's root read-only."""
    privileged = [
        spec
        for spec in pod_specs(lifecycle.all_manifests(run))
        if "securityContext" in spec["containers"][0]
    ]
    assert len(privileged) == len(run.nodes)
    for spec in privileged:
        (mount,) = [m for m in spec["containers"][0]["volumeMounts"] if m["mountPath"] == "/host"]
        assert mount["readOnly"] is True


def test_probes_need_neither_scheduler_nor_controller(run: Run) -> None:
    """Probes have a nodeName; an unresponsive node gets none, an unready one the host probe."""
    silent = replace(run.nodes[1], ready=False, reasons={"Ready": "NodeStatusUnknown: no status"})
    unready = replace(run.nodes[2], ready=False, reasons={"Ready": "KubeletNotReady: no CNI"})
    some = replace(run, nodes=[run.nodes[0], silent, unready])
    names = {m["metadata"]["name"]: m["spec"] for m in base.manifests(some) if m["kind"] == "Pod"}
    probes = {name: spec["nodeName"] for name, spec in names.items() if "nodeName" in spec}
    assert probes == {
        f"probe-net-{CONTROL}": CONTROL,
        f"probe-host-{CONTROL}": CONTROL,
        f"probe-host-{TWO}": TWO,
    }
    assert base.own_pod(ONE) not in names


def test_each_node_gets_a_pod_bound_to_it(run: Run) -> None:
    """Each node gets a pod with affinity to its name, which the scheduler must place."""
    pods = {
        m["metadata"]["name"]: m["spec"] for m in lifecycle.all_manifests(run) if m["kind"] == "Pod"
    }
    for node in healthy.NODES:
        spec = pods[base.own_pod(node)]
        assert "nodeName" not in spec
        assert f"'values': ['{node}']" in str(spec["affinity"])


def test_taint_is_tested_on_a_tainted_node(run: Run) -> None:
    """The suite adds no taints: without a tainted node there are no such pods."""
    pods = {
        m["metadata"]["name"]: m["spec"] for m in lifecycle.all_manifests(run) if m["kind"] == "Pod"
    }
    for name in (base.UNTOLERATED, base.TOLERATED):
        assert CONTROL in str(pods[name]["affinity"])
    assert pods[base.UNTOLERATED]["tolerations"] == []
    free = Run(
        id=run.id, image=run.image, nodes=[node for node in run.nodes if node.name != CONTROL]
    )
    names = {manifest["metadata"]["name"] for manifest in lifecycle.all_manifests(free)}
    assert not names & {base.UNTOLERATED, base.TOLERATED}


def test_soft_taint_is_ignored(run: Run) -> None:
    """PreferNoSchedule does not repel pods reliably."""
    node = run.node(ONE)
    soft = [Taint("soft", "PreferNoSchedule")]
    assert base.tolerations_for(NodeStatus(**{**vars(node), "taints": soft})) == []


def test_oversized_pods_exceed_the_largest_node(run: Run) -> None:
    """They request more CPU, or more memory, than any node has."""
    assert base.oversized_requests(run) == {"cpu": "3000m", "memory": str(3 * 2**30)}
