# SPDX-License-Identifier: Apache-2.0
"""What a run puts on a cluster: all of it in its own namespace, bearing its id, quick to go."""

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
    """A run on the sound cluster."""
    nodes = from_plain(dict[str, NodeStatus], healthy.facts()["nodes"])
    return Run(id="0badcafe", image="mirror.example/agnhost:1", nodes=list(nodes.values()))


def pod_specs(manifests: list[Json]) -> Iterator[Json]:
    """Every pod's spec among the manifests."""
    for manifest in manifests:
        if manifest["kind"] == "Pod":
            yield manifest["spec"]
        elif "template" in manifest.get("spec", {}):
            yield manifest["spec"]["template"]["spec"]


def test_nothing_lies_outside_the_namespace(run: Run) -> None:
    """Everything but the namespace is in it, and all bear the run's id: deleting it tidies up."""
    made = [*base.first_manifests(run), *lifecycle.all_manifests(run), base.lease(run, "me", "now")]
    assert base.plain_namespace(run)["metadata"]["labels"] == {base.RUN_LABEL: run.id}
    assert {manifest["metadata"]["namespace"] for manifest in made} == {run.namespace}
    for manifest in [*made, base.namespace(run)]:
        assert manifest["metadata"]["labels"][base.RUN_LABEL] == run.id
    assert run.id in run.namespace


def test_names_are_unique(run: Run) -> None:
    """No two objects of a kind share a name."""
    keys = [(each["kind"], each["metadata"]["name"]) for each in lifecycle.all_manifests(run)]
    assert len(keys) == len(set(keys))


def test_every_pod_uses_the_one_image_and_leaves_quickly(run: Run) -> None:
    """One image for all, no token of the API in any, and a second to end."""
    for spec in pod_specs(lifecycle.all_manifests(run)):
        assert [container["image"] for container in spec["containers"]] == [run.image]
        assert spec["automountServiceAccountToken"] is False
        assert spec["terminationGracePeriodSeconds"] == 1


def test_only_the_host_probe_has_a_token(run: Run) -> None:
    """A token without rights, for ten minutes, to ask each API server; no other pod has any."""
    holders = [
        spec
        for spec in pod_specs(lifecycle.all_manifests(run))
        if "serviceAccountToken" in str(spec)
    ]
    assert len(holders) == len(run.nodes)
    for spec in holders:
        assert spec["hostPID"] is True
        assert "'expirationSeconds': 600" in str(spec["volumes"])


def test_scripts_are_all_given_to_the_probes(run: Run) -> None:
    """What collect.sh sources lies beside it."""
    (config,) = [
        each
        for each in base.first_manifests(run)
        if (each["kind"], each["metadata"]["name"]) == ("ConfigMap", "probe")
    ]
    sourced = re.findall(r"\. /probe/(\S+)", config["data"]["collect.sh"])
    called = ("collect.sh", "throughput.sh", "udp.sh")
    assert set(config["data"]) == {*called, *sourced}
    assert ". /probe/security.sh" in config["data"]["collect.sh"]


def test_only_the_run_s_own_namespace_may_hold_privileged_pods(run: Run) -> None:
    """The probes' namespace says so itself; the plain one leaves it to the cluster."""
    enforce = "pod-security.kubernetes.io/enforce"
    assert base.namespace(run)["metadata"]["labels"][enforce] == "privileged"
    assert enforce not in base.plain_namespace(run)["metadata"]["labels"]


def test_host_is_mounted_read_only(run: Run) -> None:
    """The privileged probe sees the node's root, and cannot write to it by that path."""
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
    """Both probes of a node are pods that name it; on a silent node none is made."""
    silent = replace(run.nodes[1], ready=False, reasons={"Ready": "NodeStatusUnknown: no word"})
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
    """One pod a node, by affinity to the node's name, so that the scheduler has to place it."""
    pods = {
        m["metadata"]["name"]: m["spec"] for m in lifecycle.all_manifests(run) if m["kind"] == "Pod"
    }
    for node in healthy.NODES:
        spec = pods[base.own_pod(node)]
        assert "nodeName" not in spec
        assert f"'values': ['{node}']" in str(spec["affinity"])


def test_taint_is_tried_on_a_node_that_has_one(run: Run) -> None:
    """The suite taints nothing: it uses the control plane's own taint, or leaves the pods out."""
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


def test_soft_taint_is_no_taint(run: Run) -> None:
    """PreferNoSchedule keeps nothing away for sure, so it is not what the taint test needs."""
    node = run.node(ONE)
    soft = [Taint("shy", "PreferNoSchedule")]
    assert base.tolerations_for(NodeStatus(**{**vars(node), "taints": soft})) == []


def test_greedy_pods_ask_more_than_the_largest_node_has(run: Run) -> None:
    """More CPU and more memory than any node can give, whatever the nodes' sizes."""
    assert base.oversized_requests(run) == {"cpu": "3000m", "memory": str(3 * 2**30)}
