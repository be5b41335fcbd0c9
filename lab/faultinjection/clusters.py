# SPDX-License-Identifier: Apache-2.0
"""Select the cluster for a fault: a running cluster of a demonstration."""

import os

from conformance.facts import expected
from lab.faultinjection.catalog import Fault
from lab.faultinjection.context import Context
from lab.faultinjection.journal import Journal
from lab.harness import controller
from lab.harness.cluster import KNOWN, VARIABLE, Cluster

JOURNAL = "fault.json"
# What a cluster lacks, and the command that creates one which has it.
MISSING = {
    "quorum": ("three control-plane nodes", "make demo-ha"),
    "docker": ("a worker with Docker", "make demo-ha"),
    "kernel": ("a worker with its own kernel", "lab/lab demo vm"),
    "ostree": ("a worker that boots with ostree", "lab/lab demo ostree"),
}


class NoClusterError(LookupError):
    """No suitable cluster. The message contains the command to create one."""


def context(cluster: Cluster) -> Context:
    """Return the cluster with its journal."""
    return Context(cluster, Journal(cluster.directory / JOURNAL))


def select(fault: Fault, name: str = "") -> Cluster:
    """Return the named cluster, or the smallest running one that meets the fault's requirements.

    Raises:
        NoClusterError: there is no such cluster.
    """
    if os.geteuid() != 0:
        raise NoClusterError("fault injection requires root, which owns the lab")
    name = name or os.environ.get(VARIABLE, "")
    found = [read(name)] if name else running()
    for cluster in found:
        if meets_requirements(cluster, fault):
            return cluster
    candidates = name or " or ".join(each.name for each in found) or "no running cluster"
    required, command = MISSING.get(fault.needs, ("a cluster", "make demo-ha` or `make demo"))
    raise NoClusterError(f"{fault.name} requires {required}; found {candidates}: run `{command}`")


def meets_requirements(cluster: Cluster, fault: Fault) -> bool:
    """Return whether the cluster has what the fault needs."""
    if fault.needs == "quorum":
        return len(cluster.control) >= 3
    if fault.needs == "docker":
        return any(node.runtime == "docker" for node in cluster.workers)
    if fault.needs == "kernel":
        return bool(cluster.machines)
    if fault.needs == "ostree":
        return any(node.group == "ostree" for node in cluster.machines)
    return True


def running() -> list[Cluster]:
    """Return the known clusters that are ready or contain a fault, the smallest first."""
    known = [read(name) for name in KNOWN if (controller.STATE / name / "expect.json").exists()]
    found = [each for each in known if context(each).journal.fault or is_ready(each)]
    return sorted(found, key=lambda each: len(each.nodes))


def is_ready(cluster: Cluster) -> bool:
    """Return whether the API server reports that it is ready."""
    options = ["--kubeconfig", str(cluster.directory / "kubeconfig"), "--request-timeout", "5s"]
    response = controller.inside("kubectl", *options, "get", "--raw", "/readyz", check=False)
    return response.strip() == b"ok"


def read(name: str) -> Cluster:
    """Return the cluster as described by the `expect.json` of its demo.

    Raises:
        NoClusterError: the file is missing or invalid.
    """
    file = controller.STATE / name / "expect.json"
    try:
        return Cluster(name, expected.read(file))
    except expected.ExpectationError as problem:
        raise NoClusterError(f"no cluster {name!r}: {problem}") from None
