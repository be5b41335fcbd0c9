# SPDX-License-Identifier: Apache-2.0
"""Across the layers: a UDP service switches to other pods, also for existing clients."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from conformance.codes import Code
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
def test_udp_clients_switch_to_the_new_backend(facts: Facts, live: RunHandle) -> None:
    """A client that keeps its port reaches the new pod soon after the service has switched."""
    first, last = services.backends(live.run)
    for name in (first, last):
        if name.startswith("on-"):
            live.require_running(name, "test_container_starts")
    service = live.path("services", services.UDP_SWITCH)
    address = live.cluster.get(service)["spec"]["clusterIP"]
    clients = sorted(live.host_probes().keys() - causes.unreachable_kubelets(facts).keys())
    before = run_clients(
        live, f"begin {live.run.id} {address} {services.UDP_PORT} {first}", clients
    )
    answered = [node for node, answer in before.items() if answer == first]
    if not answered:
        raise InconclusiveError(f"no node got an answer by UDP from {address}: {before}")
    live.cluster.patch(service, {"spec": {"selector": services.selector(live.run, last)}})
    after = run_clients(live, f"end {live.run.id} {last}", answered)
    stale = {node: answer for node, answer in after.items() if not is_from(answer, last)}
    require(
        not stale,
        at=f"{', '.join(stale)}: UDP service at {address} that switched to another pod",
        expected=f"answers of {last} on the port that the client used before",
        seen=", ".join(f"{node}: {answer}" for node, answer in stale.items()) + " (- is no answer)",
        likely="kube-proxy did not delete the conntrack entries of the removed pod",
        look=f"on {', '.join(stale)}: conntrack -L -p udp -d {address}; journalctl -u kube-proxy",
        code=Code.SERVICE_BACKENDS_STALE,
    )
    if silent := sorted(set(before) - set(answered)):
        raise InconclusiveError(f"{', '.join(silent)}: no answer by UDP from {address} before")
    require_kubelets(facts)


def is_from(answer: str, app: str) -> bool:
    """Return whether a pod of the application answered; pods of a DaemonSet have a suffix."""
    return answer == app or answer.startswith(f"{app}-")


def run_clients(live: RunHandle, arguments: str, nodes: list[str]) -> dict[str, str]:
    """Run the clients on all nodes in parallel; return the last answer that each received."""
    probes = live.host_probes()
    chosen = [node for node in nodes if node in probes]
    if not chosen:
        raise InconclusiveError("no node runs a probe that can send requests")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        ran = pool.map(
            lambda node: live.shell(probes[node], f"sh /probe/udp.sh {arguments}"), chosen
        )
        results = dict(zip(chosen, ran, strict=True))
    if all(each.status == NO_BASH for each in results.values()):
        pytest.skip("no node has bash, which a client needs to keep its port")
    return {node: each.stdout.strip() or "-" for node, each in results.items()}
