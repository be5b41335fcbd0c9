# SPDX-License-Identifier: Apache-2.0
"""Manifests that all checks share: namespace, Lease, probes, Services, pods for the scheduler.

All objects are created at once when the run begins, so that pods start in parallel.

The run ID is part of the namespace's name and a label of every object. Objects outside the
namespace are in ``cluster_scoped``; deleting the namespace deletes all others.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conformance.api.core_resources import HOSTNAME
from conformance.facts.model import NodeStatus

Manifest = dict[str, Any]

RUN_LABEL = "heatgen-conformance/run"
APP_LABEL = "heatgen-conformance/app"
UNMATCHED_LABEL = "heatgen-conformance/unmatched"  # no node has it
CORDON = "heatgen-conformance/cordoned-by"  # annotation of a node: the run that cordoned it

NET_PROBE, HOST_PROBE = "probe-net", "probe-host"
WEB, SCALED = "web", "scaled"  # Services; the endpoints of `web` are the pod-network probes
WEB_PORT, POD_PORT = 80, 8080
DEFAULT_SCHEDULED, OVERSIZED = "default-scheduled", "oversized-{}"
NODE_SELECTOR, UNMATCHED_SELECTOR = "node-selector", "unmatched-selector"
UNTOLERATED, TOLERATED = "untolerated-taint", "tolerated-taint"
ENCRYPTED = "encryption-check"  # a Secret, to check encryption at rest
CLUSTER_CA = "cluster-ca"
LEASE = "holder"
LEASE_SECONDS = 60

TOLERATE_ALL: list[Manifest] = [{"operator": "Exists"}]
PROBE = Path(__file__).parents[1] / "collect" / "probe"
PRIVILEGED = {
    f"pod-security.kubernetes.io/{mode}": "privileged" for mode in ("enforce", "warn", "audit")
}
TOKEN_SECONDS = 600  # the minimum that the API accepts


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of the suite on one cluster."""

    id: str
    image: str
    """Container image of all pods."""
    nodes: list[NodeStatus] = field(default_factory=list)
    api_servers: list[str] = field(default_factory=list)
    """URL of each API server."""
    quick: bool = False
    """Skip slow checks."""

    @property
    def namespace(self) -> str:
        """Namespace of the run's objects."""
        return f"conformance-{self.id}"

    @property
    def plain_namespace(self) -> str:
        """Namespace without pod security labels, to which the cluster's defaults apply."""
        return f"{self.namespace}-plain"

    def node(self, name: str) -> NodeStatus:
        """Return a registered node."""
        return next(node for node in self.nodes if node.name == name)

    def tainted(self) -> NodeStatus | None:
        """Return a Ready node with a taint that repels pods, if any."""
        return next((node for node in self.nodes if node.ready and tolerations_for(node)), None)

    def schedulable_node(self) -> NodeStatus | None:
        """Return a Ready node that accepts any pod: the last, which is rarely chosen by chance."""
        free = self.schedulable_nodes()
        return free[-1] if free else None

    def schedulable_nodes(self) -> list[NodeStatus]:
        """Return the Ready nodes that accept any pod."""
        return [n for n in self.nodes if n.ready and not n.unschedulable and not tolerations_for(n)]


def tolerations_for(node: NodeStatus) -> list[Manifest]:
    """Return tolerations for exactly the taints that repel ordinary pods."""
    return [
        {"key": taint.key, "operator": "Exists", "effect": taint.effect}
        for taint in node.taints
        if taint.effect != "PreferNoSchedule"
    ]


def probe(app: str, node: str) -> str:
    """Return the name of a node's probe."""
    return f"{app}-{node}"


def own_pod(node: str) -> str:
    """Return the name of the pod that the scheduler must place on this node."""
    return f"on-{node}"


def log_line(run: str, node: str) -> str:
    """Return the line that the node's own pod logs when it starts."""
    return f"conformance {run} on {node}"


# ---- namespace and Lease ----


def namespace(run: Run) -> Manifest:
    """Return the run's namespace; it admits privileged pods, for the host probe."""
    return _namespace(run.namespace, {RUN_LABEL: run.id, **PRIVILEGED})


def plain_namespace(run: Run) -> Manifest:
    """Return a namespace without pod security labels, for one check."""
    return _namespace(run.plain_namespace, {RUN_LABEL: run.id})


def _namespace(name: str, labels: dict[str, str]) -> Manifest:
    metadata = {"name": name, "labels": labels}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def lease(run: Run, holder: str, now: str) -> Manifest:
    """Return the Lease that a running suite renews; ``now``: RFC 3339 with microseconds."""
    spec = {"holderIdentity": holder, "leaseDurationSeconds": LEASE_SECONDS, "renewTime": now}
    return namespaced(run, "coordination.k8s.io/v1", "Lease", LEASE, spec=spec)


def first_manifests(run: Run, authority: str = "") -> list[Manifest]:
    """Return the objects that pods need, and a Secret used to check encryption at rest.

    The service account and the CA bundle are created here, because controllers create the default
    ones with a delay. The value of the Secret is not sensitive.
    """
    scripts = {file.name: file.read_text() for file in sorted(PROBE.glob("*.sh"))}
    return [
        account(run, run.namespace),
        namespaced(run, "v1", "ConfigMap", "probe", data=scripts),
        namespaced(run, "v1", "ConfigMap", CLUSTER_CA, data={"ca.crt": authority}),
        namespaced(run, "v1", "Secret", ENCRYPTED, stringData={"value": secret_value(run)}),
    ]


def secret_value(run: Run) -> str:
    """Return the value of the run's Secret."""
    return f"plaintext-of-{run.id}"


def account(run: Run, namespace: str) -> Manifest:
    """Return the service account of the run's pods; without rights and without mounted tokens."""
    manifest = namespaced(run, "v1", "ServiceAccount", "probe")
    metadata = manifest["metadata"] | {"namespace": namespace}
    return manifest | {"automountServiceAccountToken": False, "metadata": metadata}


# ---- pods for the namespace without labels ----


def dry_run_pod(run: Run, options: Manifest, security: Manifest | None = None) -> Manifest:
    """Return a pod for the plain namespace that is only created with ``dryRun``.

    Args:
        run: the run.
        options: merged into the pod's spec.
        security: security context of the container.
    """
    spec = pod_spec(run, ["/agnhost", "pause"])
    container = spec["containers"][0] | {"securityContext": security or {}}
    pod = bare_pod(run, "dry-run", spec | {"containers": [container], **options})
    return pod | {"metadata": pod["metadata"] | {"namespace": run.plain_namespace}}


# ---- objects of the checks ----


def manifests(run: Run) -> list[Manifest]:
    """Return the probes, the Services, and a pod for each basic rule of the scheduler."""
    return [
        *_probes(run),
        service(run, WEB, NET_PROBE, "NodePort"),
        service(run, SCALED, SCALED, "ClusterIP"),
        _deployment(run),
        *_placed(run),
    ]


def _probes(run: Run) -> Iterator[Manifest]:
    """Yield both probes of every node, with ``nodeName``, so that facts need no scheduler.

    A node that is not Ready may still run host-network pods. A kubelet that does not respond would
    neither start pods nor confirm their deletion.
    """
    for node in run.nodes:
        if node.ready:
            yield _probe(run, NET_PROBE, node.name, _net_probe(run))
        if not node.is_silent:
            yield _probe(run, HOST_PROBE, node.name, _host_probe(run))


def _placed(run: Run) -> Iterator[Manifest]:
    for node in run.nodes:
        if node.is_silent:
            continue  # the pod would remain after the run
        yield bare_pod(run, own_pod(node.name), _logging_pod(run, node.name) | only_on(node.name))
    yield bare_pod(run, DEFAULT_SCHEDULED, sleeper(run))
    if chosen := run.schedulable_node():
        wanted = {"nodeSelector": {HOSTNAME: chosen.labels.get(HOSTNAME, chosen.name)}}
        yield bare_pod(run, NODE_SELECTOR, sleeper(run) | wanted)
    unmatched = {"nodeSelector": {UNMATCHED_LABEL: run.id}}
    yield bare_pod(run, UNMATCHED_SELECTOR, sleeper(run) | unmatched)
    if tainted := run.tainted():
        affinity = only_on(tainted.name)
        yield bare_pod(run, UNTOLERATED, sleeper(run) | affinity | {"tolerations": []})
        tolerant = {"tolerations": tolerations_for(tainted)}
        yield bare_pod(run, TOLERATED, sleeper(run) | affinity | tolerant)
    for resource, amount in oversized_requests(run).items():
        yield bare_pod(run, OVERSIZED.format(resource), sleeper(run, {resource: amount}))


def oversized_requests(run: Run) -> dict[str, str]:
    """Return one CPU and one GiB more than the largest allocatable amounts."""
    cpu = max((node.milli_cpu for node in run.nodes), default=0) + 1000
    memory = max((node.memory for node in run.nodes), default=0) + 2**30
    return {"cpu": f"{cpu}m", "memory": str(memory)}


def _net_probe(run: Run) -> Manifest:
    """Return a pod that serves HTTP; the host probe finds its process by its environment."""
    return pod_spec(
        run,
        ["/agnhost", "netexec", f"--http-port={POD_PORT}"],
        env={"CONFORMANCE_PROBE": run.id},
        script=True,
    )


def _host_probe(run: Run) -> Manifest:
    """Return a pod with the host's network and processes, and its root mounted read-only.

    No other pod has a token; it is used to query each API server.
    """
    spec = pod_spec(run, ["/agnhost", "pause"], script=True)
    container = spec["containers"][0]
    container["securityContext"] = {"privileged": True}
    container["volumeMounts"].append({"name": "host", "mountPath": "/host", "readOnly": True})
    container["volumeMounts"].append({"name": "access", "mountPath": "/access", "readOnly": True})
    spec["volumes"].append({"name": "host", "hostPath": {"path": "/"}})
    spec["volumes"].append({"name": "access", "projected": {"sources": _access()}})
    return spec | {"hostNetwork": True, "hostPID": True}


def _access() -> list[Manifest]:
    """Return volume sources: a token without rights, and the CA bundle."""
    token = {"path": "token", "expirationSeconds": TOKEN_SECONDS}
    authority = {"name": CLUSTER_CA, "items": [{"key": "ca.crt", "path": "ca.crt"}]}
    return [{"serviceAccountToken": token}, {"configMap": authority}]


def _logging_pod(run: Run, node: str) -> Manifest:
    shell = f"echo '{log_line(run.id, node)}'; exec /agnhost netexec --http-port={POD_PORT}"
    return pod_spec(run, ["sh", "-c", shell])


# ---- building blocks ----


def sleeper(run: Run, requests: dict[str, str] | None = None) -> Manifest:
    """Return the spec of a pod that sleeps, without tolerations."""
    return pod_spec(run, ["/agnhost", "pause"], requests=requests) | {"tolerations": []}


def only_on(node: str) -> Manifest:
    """Return node affinity to one node by its name, as pods of a DaemonSet have."""
    field_selector = {"key": "metadata.name", "operator": "In", "values": [node]}
    terms = {"nodeSelectorTerms": [{"matchFields": [field_selector]}]}
    return {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}}


def pod_spec(
    run: Run,
    command: list[str],
    env: dict[str, str] | None = None,
    requests: dict[str, str] | None = None,
    script: bool = False,
) -> Manifest:
    """Return the spec of a pod with one container.

    Args:
        run: the run.
        command: of the container.
        env: environment of the container.
        requests: override the small default requests.
        script: mount the probe's scripts.
    """
    container: Manifest = {
        "name": "main",
        "image": run.image,
        "imagePullPolicy": "IfNotPresent",
        "command": command,
        "env": [{"name": name, "value": value} for name, value in (env or {}).items()],
        "resources": {"requests": {"cpu": "1m", "memory": "4Mi"} | (requests or {})},
        "volumeMounts": [{"name": "probe", "mountPath": "/probe"}] if script else [],
    }
    return {
        "containers": [container],
        "volumes": [{"name": "probe", "configMap": {"name": "probe"}}] if script else [],
        "serviceAccountName": "probe",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 1,
        "tolerations": TOLERATE_ALL,
    }


def _probe(run: Run, app: str, node: str, spec: Manifest) -> Manifest:
    pod = bare_pod(run, probe(app, node), spec | {"nodeName": node})
    return pod | {"metadata": pod["metadata"] | {"labels": labels_of(run, app)}}


def _deployment(run: Run) -> Manifest:
    server = pod_spec(run, ["/agnhost", "netexec", f"--http-port={POD_PORT}"])
    template = {
        "metadata": {"labels": labels_of(run, SCALED)},
        "spec": server | {"tolerations": []},
    }
    spec = {"replicas": 1, "selector": {"matchLabels": {APP_LABEL: SCALED}}, "template": template}
    return namespaced(run, "apps/v1", "Deployment", SCALED, spec=spec)


def service(run: Run, name: str, app: str, kind: str) -> Manifest:
    """Return a Service of type ``kind`` that selects the pods of ``app``."""
    port = {"port": WEB_PORT, "targetPort": POD_PORT, "protocol": "TCP"}
    spec = {"type": kind, "selector": {APP_LABEL: app}, "ports": [port]}
    return namespaced(run, "v1", "Service", name, spec=spec)


def bare_pod(run: Run, name: str, spec: Manifest) -> Manifest:
    """Return a pod without a controller."""
    return namespaced(run, "v1", "Pod", name, spec=spec)


def namespaced(run: Run, api: str, kind: str, name: str, **rest: Any) -> Manifest:
    """Return an object in the run's namespace; ``rest``: its other fields."""
    metadata = {"name": name, "namespace": run.namespace, "labels": labels_of(run, name)}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **rest}


def labels_of(run: Run, app: str) -> dict[str, str]:
    """Return the labels of the run and of one application."""
    return {RUN_LABEL: run.id, APP_LABEL: app[:63].rstrip("-.")}
