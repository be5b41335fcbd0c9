# SPDX-License-Identifier: Apache-2.0
"""Across the layers: a service by UDP goes over to other pods, also for a client of before."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from conformance.deploy.live import RunHandle
from conformance.facts.model import Facts
from conformance.faults import detects
from conformance.manifests import services
from conformance.outcome import InconclusiveError, require
from conformance.support import causes
from conformance.support.prerequisites import require_kubelets

pytestmark = pytest.mark.services

AT_ONCE = 16
NO_BASH = 127


@detects("stale-udp-conntrack")
def test_udp_leaves_a_backend_that_is_gone(facts: Facts, live: RunHandle) -> None:
    """A client that keeps its port hears the new pod soon after the service went over to it."""
    first, last = services.backends(live.run)
    for name in (first, last):
        if name.startswith("on-"):
            live.require_running(name, "test_container_starts")
    service = live.path("services", services.UDP_SWITCH)
    address = live.cluster.get(service)["spec"]["clusterIP"]
    clients = sorted(live.host_probes().keys() - causes.deaf_nodes(facts).keys())
    before = ask(live, f"begin {live.run.id} {address} {services.UDP_PORT} {first}", clients)
    asked = [node for node, said in before.items() if said == first]
    if not asked:
        raise InconclusiveError(f"no node was answered by UDP at {address}: {before}")
    live.cluster.patch(service, {"spec": {"selector": services.selector(live.run, last)}})
    after = ask(live, f"end {live.run.id} {last}", asked)
    stale = {node: said for node, said in after.items() if not is_from(said, last)}
    require(
        not stale,
        at=f"{', '.join(stale)}: a service by UDP at {address} that went over to another pod",
        expected=f"answers of {last} to the port that had asked before",
        seen=", ".join(f"{node}: {said}" for node, said in stale.items()) + " (- is no answer)",
        likely="kube-proxy did not delete what conntrack knew of the pod that is gone",
        look=f"on {', '.join(stale)}: conntrack -L -p udp -d {address}; journalctl -u kube-proxy",
    )
    if unasked := sorted(set(before) - set(asked)):
        raise InconclusiveError(f"{', '.join(unasked)}: no answer by UDP at {address} before")
    require_kubelets(facts)


def is_from(said: str, app: str) -> bool:
    """Is the answer a pod's of that application? Those of a DaemonSet bear a suffix."""
    return said == app or said.startswith(f"{app}-")


def ask(live: RunHandle, words: str, nodes: list[str]) -> dict[str, str]:
    """The last answer that each node's client had, all asked side by side."""
    probes = live.host_probes()
    chosen = [node for node in nodes if node in probes]
    if not chosen:
        raise InconclusiveError("no node runs a probe from which to ask")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        ran = pool.map(lambda node: live.shell(probes[node], f"sh /probe/udp.sh {words}"), chosen)
        told = dict(zip(chosen, ran, strict=True))
    if all(each.status == NO_BASH for each in told.values()):
        pytest.skip("no node has bash, by which a client can keep its port")
    return {node: each.stdout.strip() or "-" for node, each in told.items()}
