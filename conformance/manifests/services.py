# SPDX-License-Identifier: Apache-2.0
"""Services of the network checks. Their endpoints are the probes and each node's own pod."""

from typing import Any

from conformance.facts.model import NodeStatus
from conformance.manifests import base
from conformance.manifests.base import Manifest, Run

MOST_TARGETS = 12  # nodes that have their own Service, which all nodes query
HAIRPIN, NO_ENDPOINTS, HEADLESS = "hairpin", "no-endpoints", "headless"
SESSION_AFFINITY, EXTERNAL_LOCAL = "session-affinity", "external-local"
UDP_SWITCH = "udp-switch"  # a check changes its selector
UDP_PORT = 8081  # agnhost netexec's own


def manifests(run: Run) -> list[Manifest]:
    """Return the Services; they have no pods of their own."""
    udp = {"port": UDP_PORT, "targetPort": UDP_PORT, "protocol": "UDP"}
    return [
        *(_service(run, name, base.own_pod(node.name)) for name, node in targets(run).items()),
        _service(run, HAIRPIN, base.NET_PROBE, internalTrafficPolicy="Local"),
        _service(run, SESSION_AFFINITY, base.NET_PROBE, sessionAffinity="ClientIP"),
        _service(
            run, EXTERNAL_LOCAL, base.NET_PROBE, type="NodePort", externalTrafficPolicy="Local"
        ),
        _service(run, HEADLESS, base.NET_PROBE, clusterIP="None"),
        _service(run, NO_ENDPOINTS, NO_ENDPOINTS),
        _service(run, UDP_SWITCH, backends(run)[0], ports=[udp]),
    ]


def targets(run: Run) -> dict[str, NodeStatus]:
    """Return nodes by the Service of their own pod; not every node name is valid for a Service."""
    return {f"direct-{index}": node for index, node in enumerate(run.nodes[:MOST_TARGETS])}


def backends(run: Run) -> tuple[str, str]:
    """Return the applications that the Service ``udp-switch`` selects first, and then."""
    first, last = (base.own_pod(run.nodes[index].name) for index in (0, -1))
    return first, last if last != first else base.NET_PROBE


def selector(run: Run, app: str) -> dict[str, str]:
    """Return the label selector of an application."""
    return {base.APP_LABEL: base.labels_of(run, app)[base.APP_LABEL]}


def _service(run: Run, name: str, app: str, **options: Any) -> Manifest:
    service = base.service(run, name, app, "ClusterIP")
    return service | {"spec": service["spec"] | {"selector": selector(run, app)} | options}
