# SPDX-License-Identifier: Apache-2.0
"""The services by which paths are followed. Their pods are the probes and each node's own pod."""

from typing import Any

from conformance.facts.model import NodeStatus
from conformance.manifests import base
from conformance.manifests.base import Manifest, Run

MOST_TARGETS = 12  # nodes with a service of their own, that all nodes ask
HAIRPIN, NO_ENDPOINTS, HEADLESS = "hairpin", "no-endpoints", "headless"
SESSION_AFFINITY, EXTERNAL_LOCAL = "session-affinity", "external-local"
UDP_SWITCH = "udp-switch"  # its pods are replaced by others
UDP_PORT = 8081  # agnhost netexec's own


def manifests(run: Run) -> list[Manifest]:
    """Nothing but services: no pod is made for them."""
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
    """The nodes by the service that leads to their own pod. A node's name may be no service's."""
    return {f"direct-{index}": node for index, node in enumerate(run.nodes[:MOST_TARGETS])}


def backends(run: Run) -> tuple[str, str]:
    """The application to which the service `udp-switch` leads first, and then."""
    first, last = (base.own_pod(run.nodes[index].name) for index in (0, -1))
    return first, last if last != first else base.NET_PROBE


def selector(run: Run, app: str) -> dict[str, str]:
    """What chooses the pods of an application."""
    return {base.APP_LABEL: base.labels_of(run, app)[base.APP_LABEL]}


def _service(run: Run, name: str, app: str, **wishes: Any) -> Manifest:
    made = base.service(run, name, app, "ClusterIP")
    return made | {"spec": made["spec"] | {"selector": selector(run, app)} | wishes}
