# SPDX-License-Identifier: Apache-2.0
"""Layer 2, the container runtime: containers start on every node; exec and logs work."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from conformance.api.pods import is_pulling, starting_seconds
from conformance.codes import Code
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

# Sockets of the runtimes for the kubelet.
SOCKETS = {
    "containerd": ("/run/containerd/containerd.sock",),
    "docker": ("/run/cri-dockerd.sock", "/run/cri-dockerd/cri-dockerd.sock"),
    "cri-o": ("/run/crio/crio.sock",),
}
DOCKER = "/etc/docker/daemon.json"
START_SECONDS, START_WARNING = 40.0, 5.0  # Kubernetes' objective with a present image: 5 s
# Values of the largest size and of the number of files that disable rotation.
NO_LIMIT, ONE = (None, "", "0", "-1"), (None, "", "0", "1")

Note = Callable[[str, object], None]  # pytest's record_property


def test_node_runs_expected_runtime(facts: Facts, expected: Expectation, node: str) -> None:
    """The container runtime of the node is the deployed one."""
    name = expected.runtime(node)
    if name not in expected.versions:
        pytest.skip("no --expect sets the node's runtime and its version")
    want = f"{name}://{expected.versions[name]}"
    seen = facts.status(node).runtime.replace("://v", "://")
    require(
        seen == want,
        at=f"{node}: containerRuntimeVersion",
        expected=want,
        seen=seen,
        likely="the image's own runtime is used, or an upgrade has not reached this node",
        look=f"on {node}: systemctl status {name}; {name} --version",
        code=Code.VERSION_UNEXPECTED,
    )


def test_kubelet_uses_the_reported_runtime(facts: Facts, node: str) -> None:
    """The kubelet's endpoint is the socket of the runtime that the node reports."""
    name, _, _ = facts.status(node).runtime.partition("://")
    if name not in SOCKETS:
        pytest.skip(f"{node}: the socket of its runtime ({name or 'not reported'}) is unknown")
    endpoint = value_or_skip(facts.view(node).kubelet).get("containerRuntimeEndpoint", "")
    require(
        endpoint.removeprefix("unix://").replace("/var/run/", "/run/") in SOCKETS[name],
        at=f"{node}: containerRuntimeEndpoint of the kubelet",
        expected=f"unix://{SOCKETS[name][0]}, the socket of {name}",
        seen=endpoint or "none",
        likely="the kubelet was configured for another runtime and has not been restarted since",
        look=f"on {node}: grep containerRuntimeEndpoint /etc/kubernetes/kubelet.json",
        code=Code.RUNTIME_ENDPOINT_WRONG,
    )


def test_pod_cgroups_are_managed_by_systemd(facts: Facts, node: str) -> None:
    """Systemd manages the cgroups of pods, so that the tree has only one manager."""
    cgroup = value_or_skip(facts.view(node).runtime).cgroup
    if not cgroup:
        raise InconclusiveError(
            f"{node}: the cgroup of the probe is unknown (on the node: /proc/1/cgroup)"
        )
    require(
        "kubepods.slice" in cgroup,
        at=f"{node}: cgroup of a pod",
        expected="below kubepods.slice, created by systemd",
        seen=cgroup,
        likely="the cgroup driver of the runtime, of cri-dockerd or of the kubelet is cgroupfs",
        look=f"on {node}: grep -i cgroup /etc/containerd/config.toml /etc/docker/daemon.json; "
        "grep cgroupDriver /etc/kubernetes/kubelet.json",
        code=Code.CGROUP_DRIVER_NOT_SYSTEMD,
    )


def test_cgroup_drivers_agree(facts: Facts, node: str) -> None:
    """The kubelet (cgroup of a pod) and the runtime (cgroups in it) use the same driver."""
    cgroup = value_or_skip(facts.view(node).runtime).cgroup
    if not cgroup:
        raise InconclusiveError(
            f"{node}: the cgroup of the probe is unknown (on the node: /proc/1/cgroup)"
        )
    parent, _, leaf = cgroup.rpartition("/")
    drivers = {
        "kubelet": "systemd" if "kubepods" in parent and ".slice" in parent else "cgroupfs",
        "runtime": "systemd" if leaf.endswith(".scope") else "cgroupfs",
    }
    require(
        len(set(drivers.values())) == 1,
        at=f"{node}: cgroup of a pod's container",
        expected="one driver: systemd or cgroupfs",
        seen=", ".join(f"{user}: {driver}" for user, driver in drivers.items()) + f" ({cgroup})",
        likely="SystemdCgroup of the runtime and cgroupDriver of the kubelet differ",
        look=f"on {node}: grep -i cgroup /etc/containerd/config.toml /etc/docker/daemon.json; "
        "grep cgroupDriver /etc/kubernetes/kubelet.json",
        code=Code.CGROUP_DRIVERS_DIFFER,
    )


def test_container_logs_are_rotated(facts: Facts, node: str) -> None:
    """Container logs are rotated: by the kubelet, or by Docker itself."""
    logs = value_or_skip(facts.view(node).runtime).logs
    if logs:
        rule, file = {"max-size": logs.get("max-size"), "max-file": logs.get("max-file")}, DOCKER
        likely = "missing log-opts of Docker: with cri-dockerd the kubelet does not rotate logs"
    else:
        names = ("containerLogMaxSize", "containerLogMaxFiles")
        rule = {name: value_or_skip(facts.view(node).kubelet).get(name) for name in names}
        file, likely = "/etc/kubernetes/kubelet.json", "an override of the kubelet's configuration"
    size, count = rule.values()
    require(
        logs.get("driver") in ("local", "journald") or (size not in NO_LIMIT and count not in ONE),
        at=f"{node}: rotation of container logs",
        expected="a maximum size, and more than one file",
        seen=", ".join(f"{name} {value or 'not set'}" for name, value in rule.items()),
        likely=likely,
        look=f"on {node}: grep -i -e log -e max- {file}",
        code=Code.CONTAINER_LOGS_UNLIMITED,
    )


def test_registry_mirrors_agree(facts: Facts, node: str) -> None:
    """All nodes use the same registry mirrors, whatever their runtime."""
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
        likely="the runtime of this node is not configured with a mirror that others use",
        look=f"on {node}: cat /etc/containerd/certs.d/*/hosts.toml /etc/docker/daemon.json",
        code=Code.REGISTRY_MIRRORS_DIFFER,
    )


@detects("kubelet-down", "cni-not-configured", "sandbox-image-missing")
def test_container_starts(live: RunHandle, node: str) -> None:
    """A container starts on the node."""
    if not live.run.node(node).is_silent:
        live.require_scheduled(own_pod(node), "test_pod_is_scheduled_to_each_node")
    likely = "the runtime cannot create the sandbox or pull the image, or the kubelet is inactive"
    live.running(own_pod(node), likely)


def test_container_starts_in_time(live: RunHandle, node: str, record_property: Note) -> None:
    """A container runs within seconds after the kubelet has received its pod and has the image."""
    live.require_running(own_pod(node), "test_container_starts")
    pod = live.running(own_pod(node), "")
    seconds = starting_seconds(pod, live.pod_monitor.events(own_pod(node)))
    if seconds > START_WARNING:
        record_property("warning", f"{node}: a container took {seconds:.0f} s to start")
    require(
        seconds <= START_SECONDS,
        at=f"{node}: pod {own_pod(node)}, from its arrival at the kubelet to a running container",
        expected=f"at most {START_SECONDS:.0f} s (recommended: {START_WARNING:.0f} s)",
        seen=f"{seconds:.0f} s",
        likely="the CPU or disk of the node is overloaded, or its runtime is slow",
        look=f"on {node}: uptime; iostat -x 1 5; journalctl -u kubelet",
        code=Code.CONTAINER_START_SLOW,
    )


@detects("image-unavailable")
def test_image_can_be_pulled(live: RunHandle, node: str) -> None:
    """The node can pull an image from its registry, even if the image is already present."""
    if live.run.node(node).is_silent:
        raise InconclusiveError(f"{node}: {pod_diagnosis.of_node(live.run.node(node))}")
    likely = "this node cannot reach the registry or its mirror, or the registry denies access"
    try:
        live.running(pull_pod(node), likely)
    except CheckFailed:
        pod = live.cluster.get(live.path("pods", pull_pod(node)))
        if is_pulling(pod, live.pod_monitor.events(pull_pod(node))):
            raise
        check = "test_container_starts"
        raise InconclusiveError(f"pod {pull_pod(node)} does not run (see {check})") from None


@detects("kubelet-port-closed")
def test_exec_answers(facts: Facts, live: RunHandle, node: str) -> None:
    """A command runs in a pod of the node (API server -> kubelet -> runtime)."""
    live.require_running(own_pod(node), "test_container_starts")
    with require_kubelet_answer(facts, live, node, f"exec in pod {own_pod(node)}"):
        ran = live.shell(own_pod(node), "echo out; echo err >&2; exit 7")
    require(
        (ran.status, ran.stdout, ran.stderr) == (7, "out\n", "err\n"),
        at=f"{node}: exec in pod {own_pod(node)}",
        expected="exit status 7, 'out' and 'err' on their own streams",
        seen=f"exit status {ran.status}, {ran.stdout!r} and {ran.stderr!r}",
        likely="the stream between API server, kubelet and runtime is broken",
        look=f"on {node}: journalctl -u kubelet -n 50",
        code=Code.KUBELET_STREAM_BROKEN,
    )


@detects("kubelet-port-closed")
def test_logs_answer(facts: Facts, live: RunHandle, node: str) -> None:
    """The output of a pod of the node can be read through the API."""
    live.require_running(own_pod(node), "test_container_starts")
    with require_kubelet_answer(facts, live, node, f"log of pod {own_pod(node)}"):
        seen = live.cluster.logs(live.run.namespace, own_pod(node))
    want = log_line(live.run.id, node)
    require(
        want in seen.splitlines(),
        at=f"{node}: log of pod {own_pod(node)}",
        expected=want,
        seen=repr(seen[-200:]),
        likely="the runtime does not write logs where the kubelet reads them",
        look=f"on {node}: ls -l /var/log/pods",
        code=Code.KUBELET_STREAM_BROKEN,
    )


@detects("kubelet-port-closed")
def test_port_forward_answers(facts: Facts, live: RunHandle, node: str) -> None:
    """A port of a pod of the node can be reached through the API (port-forward)."""
    probe = live.net_probes().get(node)
    if not probe:
        raise InconclusiveError(f"{node}: no pod-network probe runs there")
    with require_kubelet_answer(facts, live, node, f"port-forward to pod {probe}"):
        seen = live.cluster.forward(live.run.namespace, probe, POD_PORT, "/hostname")
    require(
        seen == probe,
        at=f"{node}: port-forward to pod {probe}",
        expected=probe,
        seen=repr(seen[:200]),
        likely="the stream between API server, kubelet and runtime is broken",
        look=f"kubectl port-forward -n {live.run.namespace} {probe} 8080",
        code=Code.KUBELET_STREAM_BROKEN,
    )


@contextmanager
def require_kubelet_answer(facts: Facts, live: RunHandle, node: str, at: str) -> Iterator[None]:
    """Turn an inconclusive call into a failure, as here the call itself is checked.

    A kubelet that did not answer during the collection of facts gets a shorter timeout.
    """
    usual = live.cluster.answer_seconds
    is_unreachable = node in causes.unreachable_kubelets(facts)
    try:
        with live.cluster.request_timeout(HASTE_SECONDS if is_unreachable else usual):
            yield
    except InconclusiveError as problem:
        raise CheckFailed(
            at=f"{node}: {at}",
            expected="an answer of the node's kubelet, through the API server",
            seen=problem,
            likely="TCP 10250 from the API server to the node is blocked, or the certificate of "
            "the kubelet or its authorization of the API server is wrong",
            look=f"on {node}: journalctl -u kubelet -n 50; ss -ltnp | grep 10250",
            code=Code.KUBELET_UNREACHABLE,
        ) from None
