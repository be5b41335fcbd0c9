# SPDX-License-Identifier: Apache-2.0
"""Which cluster a fault is put into: those of `make demo` and `make demo-ha` that stand."""

import os

from conformance.facts import expected
from lab.faultinjection.catalog import Fault
from lab.faultinjection.context import Context
from lab.faultinjection.journal import Journal
from lab.harness import controller
from lab.harness.cluster import KNOWN, VARIABLE, Cluster

JOURNAL = "fault.json"


class NoClusterError(LookupError):
    """There is no cluster to break. The message says what to do."""


def context(cluster: Cluster) -> Context:
    """The cluster with its journal."""
    return Context(cluster, Journal(cluster.directory / JOURNAL))


def choose(fault: Fault, named: str = "") -> Cluster:
    """The cluster that is named, else the smallest that stands and has what the fault needs.

    Raises:
        NoClusterError: there is none.
    """
    if os.geteuid() != 0:
        raise NoClusterError("faults are injected as root: the lab is root's")
    named = named or os.environ.get(VARIABLE, "")
    found = [read(named)] if named else standing()
    for cluster in found:
        if fits(cluster, fault):
            return cluster
    which = named or " or ".join(each.name for each in found) or "no cluster that stands"
    needs = {"quorum": "three servers of the control plane", "docker": "a worker with Docker"}
    wanted = needs.get(fault.needs, "a cluster")
    raise NoClusterError(
        f"{fault.name} needs {wanted}, not {which}: run `make demo-ha` or `make demo`"
    )


def fits(cluster: Cluster, fault: Fault) -> bool:
    """Has it what the fault needs?"""
    if fault.needs == "quorum":
        return len(cluster.control) >= 3
    if fault.needs == "docker":
        return any(node.runtime == "docker" for node in cluster.workers)
    return True


def standing() -> list[Cluster]:
    """The known clusters that answer, or that have a fault in them; the smallest first."""
    there = [read(name) for name in KNOWN if (controller.STATE / name / "expect.json").exists()]
    found = [each for each in there if context(each).journal.fault or answers(each)]
    return sorted(found, key=lambda each: len(each.nodes))


def answers(cluster: Cluster) -> bool:
    """Does its API say that it is ready?"""
    words = ["--kubeconfig", str(cluster.directory / "kubeconfig"), "--request-timeout", "5s"]
    said = controller.inside("kubectl", *words, "get", "--raw", "/readyz", check=False)
    return said.strip() == b"ok"


def read(name: str) -> Cluster:
    """The cluster as its demonstration wrote it down.

    Raises:
        NoClusterError: it did not.
    """
    file = controller.STATE / name / "expect.json"
    try:
        return Cluster(name, expected.read(file))
    except expected.ExpectationError as problem:
        raise NoClusterError(f"no cluster {name!r}: {problem}") from None
