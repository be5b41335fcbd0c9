# SPDX-License-Identifier: Apache-2.0
"""Layer 2, the container runtime: containers run on every node, and answer exec and logs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from conformance.api.pods import is_pulling, starting_seconds
from conformance.deploy import pod_diagnosis
from conformance.deploy.lifecycle import HASTE_SECONDS
from conformance.deploy.live import RunHandle
from conformance.facts.expected import Expectation
from conformance.facts.model import Facts
from conformance.faults import detects
from conformance.manifests.base import POD_PORT, log_line, own_pod
from conformance.manifests.image_pulls import pull_pod
from conformance.outcome import CheckFailed, InconclusiveError, Unavailable, require, value_or_skip
from conformance.support import causes

pytestmark = pytest.mark.runtime

# Where each runtime listens for the kubelet.
SOCKETS = {
    "containerd": ("/run/containerd/containerd.sock",),
    "docker": ("/run/cri-dockerd.sock", "/run/cri-dockerd/cri-dockerd.sock"),
    "cri-o": ("/run/crio/crio.sock",),
}
DOCKER = "/etc/docker/daemon.json"
START_SECONDS, START_WARNING = 40.0, 5.0  # Kubernetes promises the second, with the image there
# Sizes and counts by which nothing is turned over.
NO_LIMIT, ONE = (None, "", "0", "-1"), (None, "", "0", "1")

Note = Callable[[str, object], None]  # pytest's record_property


def test_node_runs_expected_runtime(facts: Facts, expected: Expectation, node: str) -> None:
    """The node's container runtime is the one that was deployed."""
    name = expected.runtime(node)
    if name not in expected.versions:
        pytest.skip("no --expect names the node's runtime and its version")
    want = f"{name}://{expected.versions[name]}"
    seen = facts.status(node).runtime.replace("://v", "://")
    require(
        seen == want,
        at=f"{node}: containerRuntimeVersion",
        expected=want,
        seen=seen,
        likely="the image's own runtime is in the way, or an upgrade has not reached this node",
        look=f"on {node}: systemctl status {name}; {name} --version",
    )


def test_kubelet_speaks_to_the_runtime(facts: Facts, node: str) -> None:
    """The kubelet's endpoint is the socket of the runtime that the node says it has."""
    name, _, _ = facts.status(node).runtime.partition("://")
    if name not in SOCKETS:
        pytest.skip(f"{node}: its runtime is {name or 'not told'}, whose socket nobody knows here")
    endpoint = value_or_skip(facts.view(node).kubelet).get("containerRuntimeEndpoint", "")
    require(
        endpoint.removeprefix("unix://").replace("/var/run/", "/run/") in SOCKETS[name],
        at=f"{node}: containerRuntimeEndpoint of the kubelet",
        expected=f"unix://{SOCKETS[name][0]}, the socket of {name}",
        seen=endpoint or "none",
        likely="the kubelet was configured for another runtime and has not been restarted since",
        look=f"on {node}: grep containerRuntimeEndpoint /etc/kubernetes/kubelet.json",
    )


def test_containers_are_in_slices(facts: Facts, node: str) -> None:
    """Kubelet and runtime both leave cgroups to systemd: two masters of one tree get in the way."""
    cgroup = value_or_skip(facts.view(node).runtime).cgroup
    if not cgroup:
        raise InconclusiveError(
            f"{node}: the probe's cgroup is not told (on the node: /proc/1/cgroup)"
        )
    require(
        "kubepods.slice" in cgroup,
        at=f"{node}: the cgroup of a pod",
        expected="under kubepods.slice, made by systemd",
        seen=cgroup,
        likely="the cgroup driver is cgroupfs, in the runtime, in cri-dockerd or in the kubelet",
        look=f"on {node}: grep -i cgroup /etc/containerd/config.toml /etc/docker/daemon.json; "
        "grep cgroupDriver /etc/kubernetes/kubelet.json",
    )


def test_cgroup_drivers_agree(facts: Facts, node: str) -> None:
    """The pod's cgroup (the kubelet's work) and what is in it (the runtime's) are made one way."""
    cgroup = value_or_skip(facts.view(node).runtime).cgroup
    if not cgroup:
        raise InconclusiveError(
            f"{node}: the probe's cgroup is not told (on the node: /proc/1/cgroup)"
        )
    parent, _, leaf = cgroup.rpartition("/")
    ways = {
        "kubelet": "systemd" if "kubepods" in parent and ".slice" in parent else "cgroupfs",
        "runtime": "systemd" if leaf.endswith(".scope") else "cgroupfs",
    }
    require(
        len(set(ways.values())) == 1,
        at=f"{node}: the cgroup of a pod's container",
        expected="made in one way: systemd's, or cgroupfs",
        seen=", ".join(f"{who}: {way}" for who, way in ways.items()) + f" ({cgroup})",
        likely="SystemdCgroup of the runtime and cgroupDriver of the kubelet differ",
        look=f"on {node}: grep -i cgroup /etc/containerd/config.toml /etc/docker/daemon.json; "
        "grep cgroupDriver /etc/kubernetes/kubelet.json",
    )


def test_logs_are_turned_over(facts: Facts, node: str) -> None:
    """No container's log grows without end: the kubelet sees to it, under Docker Docker itself."""
    logs = value_or_skip(facts.view(node).runtime).logs
    if logs:
        rule, file = {"max-size": logs.get("max-size"), "max-file": logs.get("max-file")}, DOCKER
        likely = "Docker's log-opts: cri-dockerd cannot have the kubelet turn its logs over"
    else:
        names = ("containerLogMaxSize", "containerLogMaxFiles")
        rule = {name: value_or_skip(facts.view(node).kubelet).get(name) for name in names}
        file, likely = "/etc/kubernetes/kubelet.json", "an override of the kubelet's configuration"
    size, count = rule.values()
    require(
        logs.get("driver") in ("local", "journald") or (size not in NO_LIMIT and count not in ONE),
        at=f"{node}: how logs of containers are turned over",
        expected="a largest size, and more than one file",
        seen=", ".join(f"{name} {value or 'not set'}" for name, value in rule.items()),
        likely=likely,
        look=f"on {node}: grep -i -e log -e max- {file}",
    )


def test_registry_mirrors_agree(facts: Facts, node: str) -> None:
    """All nodes get their images by the same mirrors, whatever their runtime."""
    mirrors = {
        name: view.runtime.mirrors
        for name, view in facts.views.items()
        if not isinstance(view.runtime, Unavailable)
    }
    own = value_or_skip(facts.view(node).runtime).mirrors
    want = sorted({mirror for each in mirrors.values() for mirror in each})
    require(
        own == want,
        at=f"{node}: registry mirrors",
        expected=", ".join(want) or "none",
        seen=", ".join(own) or "none",
        likely="the runtime of this node was not told of a mirror that others use",
        look=f"on {node}: cat /etc/containerd/certs.d/*/hosts.toml /etc/docker/daemon.json",
    )


@detects("kubelet-down", "cni-not-configured", "sandbox-image-missing")
def test_container_starts(live: RunHandle, node: str) -> None:
    """A container starts on the node."""
    if not live.run.node(node).is_silent:
        live.require_scheduled(own_pod(node), "test_pod_is_scheduled_to_each_node")
    likely = "the runtime cannot make the sandbox or get the image, or kubelet does not act"
    live.running(own_pod(node), likely)


def test_container_starts_in_time(live: RunHandle, node: str, record_property: Note) -> None:
    """Once the kubelet knows of a pod and has its image, its container runs within seconds."""
    live.require_running(own_pod(node), "test_container_starts")
    pod = live.running(own_pod(node), "")
    seconds = starting_seconds(pod, live.pod_monitor.events(own_pod(node)))
    if seconds > START_WARNING:
        record_property("warning", f"{node}: a container took {seconds:.0f} s to start")
    require(
        seconds <= START_SECONDS,
        at=f"{node}: pod {own_pod(node)}, from the kubelet's first look to its running container",
        expected=f"at most {START_SECONDS:.0f} s ({START_WARNING:.0f} s is good)",
        seen=f"{seconds:.0f} s",
        likely="the node's CPU or disk is used up, or its runtime is slow",
        look=f"on {node}: uptime; iostat -x 1 5; journalctl -u kubelet",
    )


@detects("image-unavailable")
def test_image_can_be_pulled(live: RunHandle, node: str) -> None:
    """The node can have an image from its registry, even if this one has been there for long."""
    if live.run.node(node).is_silent:
        raise InconclusiveError(f"{node}: {pod_diagnosis.of_node(live.run.node(node))}")
    likely = "the registry or its mirror is not reached from this node, or refuses it"
    try:
        live.running(pull_pod(node), likely)
    except CheckFailed:
        pod = live.cluster.get(live.path("pods", pull_pod(node)))
        if is_pulling(pod, live.pod_monitor.events(pull_pod(node))):
            raise
        judge = "test_container_starts"
        raise InconclusiveError(f"pod {pull_pod(node)} does not run (see {judge})") from None


@detects("kubelet-port-closed")
def test_exec_answers(facts: Facts, live: RunHandle, node: str) -> None:
    """A command runs in a pod of the node (API server -> kubelet -> runtime)."""
    live.require_running(own_pod(node), "test_container_starts")
    with kubelet_must_answer(facts, live, node, f"exec in pod {own_pod(node)}"):
        ran = live.shell(own_pod(node), "echo out; echo err >&2; exit 7")
    require(
        (ran.status, ran.stdout, ran.stderr) == (7, "out\n", "err\n"),
        at=f"{node}: exec in pod {own_pod(node)}",
        expected="exit status 7, 'out' and 'err' on their own streams",
        seen=f"exit status {ran.status}, {ran.stdout!r} and {ran.stderr!r}",
        likely="the stream between API server, kubelet and runtime is broken",
        look=f"on {node}: journalctl -u kubelet -n 50",
    )


@detects("kubelet-port-closed")
def test_logs_answer(facts: Facts, live: RunHandle, node: str) -> None:
    """What a pod of the node prints can be read through the API."""
    live.require_running(own_pod(node), "test_container_starts")
    with kubelet_must_answer(facts, live, node, f"log of pod {own_pod(node)}"):
        seen = live.cluster.logs(live.run.namespace, own_pod(node))
    want = log_line(live.run.id, node)
    require(
        want in seen.splitlines(),
        at=f"{node}: log of pod {own_pod(node)}",
        expected=want,
        seen=repr(seen[-200:]),
        likely="the runtime does not write logs where kubelet looks for them",
        look=f"on {node}: ls -l /var/log/pods",
    )


@detects("kubelet-port-closed")
def test_port_forward_answers(facts: Facts, live: RunHandle, node: str) -> None:
    """A port of a pod of the node can be reached through the API (port-forward)."""
    probe = live.net_probes().get(node)
    if not probe:
        raise InconclusiveError(f"{node}: no pod-network probe runs there")
    with kubelet_must_answer(facts, live, node, f"port-forward to pod {probe}"):
        seen = live.cluster.forward(live.run.namespace, probe, POD_PORT, "/hostname")
    require(
        seen == probe,
        at=f"{node}: port-forward to pod {probe}",
        expected=probe,
        seen=repr(seen[:200]),
        likely="the stream between API server, kubelet and runtime is broken",
        look=f"kubectl port-forward -n {live.run.namespace} {probe} 8080",
    )


@contextmanager
def kubelet_must_answer(facts: Facts, live: RunHandle, node: str, at: str) -> Iterator[None]:
    """Elsewhere a call that fails is a could-not-ask; here the call itself is what is judged.

    One that was silent when the facts were collected is not waited for as long again.
    """
    usual = live.cluster.answer_seconds
    try:
        with live.cluster.request_timeout(
            HASTE_SECONDS if node in causes.deaf_nodes(facts) else usual
        ):
            yield
    except InconclusiveError as problem:
        raise CheckFailed(
            at=f"{node}: {at}",
            expected="an answer of the node's kubelet, by way of the API server",
            seen=problem,
            likely="TCP 10250 from the API server to the node is closed, or kubelet's certificate "
            "or its authorization of the API server is wrong",
            look=f"on {node}: journalctl -u kubelet -n 50; ss -ltnp | grep 10250",
        ) from None
