# SPDX-License-Identifier: Apache-2.0
"""Everything a run puts on the cluster, as plain manifests.

All of it is made up front, in one go, so that starting pods overlaps with everything else; the
tests then look at what became of it.

The run's id is in the namespace's name, in a label of every object, and nothing lies outside that
namespace: deleting it is all the tidying there is.
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
NOWHERE = "heatgen-conformance/nowhere"
CORDON = "heatgen-conformance/cordoned-by"  # on a node: the run that cordoned it

NET_PROBE, HOST_PROBE = "probe-net", "probe-host"
WEB, SCALED = "web", "scaled"  # services; `web` is answered by the pod-network probes
WEB_PORT, POD_PORT = 80, 8080
DEFAULT_SCHEDULED, OVERSIZED = "default-scheduled", "oversized-{}"
NODE_SELECTOR, UNMATCHED_SELECTOR = "node-selector", "unmatched-selector"
UNTOLERATED, TOLERATED = "untolerated-taint", "tolerated-taint"
ENCRYPTED = "encryption-check"  # a Secret, to see how it is stored in etcd
CLUSTER_CA = "cluster-ca"
LEASE = "holder"
LEASE_SECONDS = 60

TOLERATE_ALL: list[Manifest] = [{"operator": "Exists"}]
PROBE = Path(__file__).parents[1] / "collect" / "probe"
PRIVILEGED = {
    f"pod-security.kubernetes.io/{mode}": "privileged" for mode in ("enforce", "warn", "audit")
}
TOKEN_SECONDS = 600  # the least that the API gives


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of the suite on one cluster: its id, its image, the nodes and API servers it found.

    quick: is it a short one, that leaves out what takes long?
    """

    id: str
    image: str
    nodes: list[NodeStatus] = field(default_factory=list)
    api_servers: list[str] = field(default_factory=list)
    quick: bool = False

    @property
    def namespace(self) -> str:
        """The namespace that holds all the run makes."""
        return f"conformance-{self.id}"

    @property
    def plain_namespace(self) -> str:
        """The namespace without any label about pods, in which the cluster's defaults hold."""
        return f"{self.namespace}-plain"

    def node(self, name: str) -> NodeStatus:
        """A registered node."""
        return next(node for node in self.nodes if node.name == name)

    def tainted(self) -> NodeStatus | None:
        """A Ready node that refuses pods by a NoSchedule taint, if there is one."""
        return next((node for node in self.nodes if node.ready and tolerations_for(node)), None)

    def schedulable_node(self) -> NodeStatus | None:
        """A Ready node that takes any pod: the last, so that chance seldom picks it."""
        free = self.schedulable_nodes()
        return free[-1] if free else None

    def schedulable_nodes(self) -> list[NodeStatus]:
        """The Ready nodes that take any pod."""
        return [n for n in self.nodes if n.ready and not n.unschedulable and not tolerations_for(n)]


def tolerations_for(node: NodeStatus) -> list[Manifest]:
    """Tolerations for exactly the taints that keep ordinary pods off the node."""
    return [
        {"key": taint.key, "operator": "Exists", "effect": taint.effect}
        for taint in node.taints
        if taint.effect != "PreferNoSchedule"
    ]


def probe(app: str, node: str) -> str:
    """The name of a node's probe."""
    return f"{app}-{node}"


def own_pod(node: str) -> str:
    """The name of the pod that the scheduler has to put on this very node."""
    return f"on-{node}"


def log_line(run: str, node: str) -> str:
    """What the node's own pod prints when it starts."""
    return f"conformance {run} on {node}"


# ---- what comes first: the namespace and who holds it ----


def namespace(run: Run) -> Manifest:
    """The run's namespace; privileged, because the host probe is."""
    return _namespace(run.namespace, {RUN_LABEL: run.id, **PRIVILEGED})


def plain_namespace(run: Run) -> Manifest:
    """A namespace as any user would make it, for one test; swept like the other."""
    return _namespace(run.plain_namespace, {RUN_LABEL: run.id})


def _namespace(name: str, labels: dict[str, str]) -> Manifest:
    metadata = {"name": name, "labels": labels}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def lease(run: Run, holder: str, now: str) -> Manifest:
    """The sign that the run is alive; `now` is an RFC 3339 time with microseconds."""
    spec = {"holderIdentity": holder, "leaseDurationSeconds": LEASE_SECONDS, "renewTime": now}
    return namespaced(run, "coordination.k8s.io/v1", "Lease", LEASE, spec=spec)


def first_manifests(run: Run, authority: str = "") -> list[Manifest]:
    """What pods need first: an account of their own (the default one is made late), the scripts.

    And the cluster's authority, which a controller would bring later, and the Secret whose rest in
    etcd is looked at; its word is no secret.
    """
    scripts = {file.name: file.read_text() for file in sorted(PROBE.glob("*.sh"))}
    return [
        account(run, run.namespace),
        namespaced(run, "v1", "ConfigMap", "probe", data=scripts),
        namespaced(run, "v1", "ConfigMap", CLUSTER_CA, data={"ca.crt": authority}),
        namespaced(run, "v1", "Secret", ENCRYPTED, stringData={"value": secret_value(run)}),
    ]


def secret_value(run: Run) -> str:
    """What the run's Secret says."""
    return f"plain-word-of-{run.id}"


def account(run: Run, namespace: str) -> Manifest:
    """The account of the run's pods; it has no rights, and its token is given to none unasked."""
    made = namespaced(run, "v1", "ServiceAccount", "probe") | {
        "automountServiceAccountToken": False
    }
    return made | {"metadata": made["metadata"] | {"namespace": namespace}}


# ---- what a namespace without labels must and must not take ----


def dry_run_pod(run: Run, wishes: Manifest, security: Manifest | None = None) -> Manifest:
    """A pod for the plain namespace, only ever tried (dry run).

    Args:
        run: the run.
        wishes: merged into its spec.
        security: its container's security context.
    """
    spec = pod_spec(run, ["/agnhost", "pause"])
    container = spec["containers"][0] | {"securityContext": security or {}}
    pod = bare_pod(run, "dry-run", spec | {"containers": [container], **wishes})
    return pod | {"metadata": pod["metadata"] | {"namespace": run.plain_namespace}}


# ---- what the tests look at ----


def manifests(run: Run) -> list[Manifest]:
    """The probes, the services, and a pod for each thing that the scheduler must honour."""
    return [
        *_probes(run),
        service(run, WEB, NET_PROBE, "NodePort"),
        service(run, SCALED, SCALED, "ClusterIP"),
        _deployment(run),
        *_placed(run),
    ]


def _probes(run: Run) -> Iterator[Manifest]:
    """Both probes of every node, put there by name: facts need no scheduler and no controller.

    A node that is not Ready may still run what has no network of its own; on one whose kubelet is
    silent nothing would start, nor ever go away.
    """
    for node in run.nodes:
        if node.ready:
            yield _probe(run, NET_PROBE, node.name, _net_probe(run))
        if not node.is_silent:
            yield _probe(run, HOST_PROBE, node.name, _host_probe(run))


def _placed(run: Run) -> Iterator[Manifest]:
    for node in run.nodes:
        if node.is_silent:
            continue  # such a pod would outlive the run
        yield bare_pod(run, own_pod(node.name), _says_hello(run, node.name) | only_on(node.name))
    yield bare_pod(run, DEFAULT_SCHEDULED, sleeper(run))
    if chosen := run.schedulable_node():
        wanted = {"nodeSelector": {HOSTNAME: chosen.labels.get(HOSTNAME, chosen.name)}}
        yield bare_pod(run, NODE_SELECTOR, sleeper(run) | wanted)
    yield bare_pod(run, UNMATCHED_SELECTOR, sleeper(run) | {"nodeSelector": {NOWHERE: run.id}})
    if tainted := run.tainted():
        there = only_on(tainted.name)
        yield bare_pod(run, UNTOLERATED, sleeper(run) | there | {"tolerations": []})
        tolerant = {"tolerations": tolerations_for(tainted)}
        yield bare_pod(run, TOLERATED, sleeper(run) | there | tolerant)
    for resource, amount in oversized_requests(run).items():
        yield bare_pod(run, OVERSIZED.format(resource), sleeper(run, {resource: amount}))


def oversized_requests(run: Run) -> dict[str, str]:
    """One CPU and one GiB more than the largest node has to give."""
    cpu = max((node.milli_cpu for node in run.nodes), default=0) + 1000
    memory = max((node.memory for node in run.nodes), default=0) + 2**30
    return {"cpu": f"{cpu}m", "memory": str(memory)}


def _net_probe(run: Run) -> Manifest:
    """Answers HTTP on the pod network; the host probe finds it by its environment."""
    return pod_spec(
        run,
        ["/agnhost", "netexec", f"--http-port={POD_PORT}"],
        env={"CONFORMANCE_PROBE": run.id},
        script=True,
    )


def _host_probe(run: Run) -> Manifest:
    """Sees what the node sees. The node's root is mounted read-only.

    It alone has a token, to ask each API server on its own.
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
    """A token without any rights, to ask each API server on its own; and the authority."""
    token = {"path": "token", "expirationSeconds": TOKEN_SECONDS}
    authority = {"name": CLUSTER_CA, "items": [{"key": "ca.crt", "path": "ca.crt"}]}
    return [{"serviceAccountToken": token}, {"configMap": authority}]


def _says_hello(run: Run, node: str) -> Manifest:
    shell = f"echo '{log_line(run.id, node)}'; exec /agnhost netexec --http-port={POD_PORT}"
    return pod_spec(run, ["sh", "-c", shell])


# ---- the bricks of it all ----


def sleeper(run: Run, requests: dict[str, str] | None = None) -> Manifest:
    """The spec of a pod that does nothing, and tolerates nothing."""
    return pod_spec(run, ["/agnhost", "pause"], requests=requests) | {"tolerations": []}


def only_on(node: str) -> Manifest:
    """Affinity to one node by its name, as a DaemonSet's pods have: the scheduler still decides."""
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
    """The spec of a pod of one container.

    Args:
        run: the run.
        command: what it runs, of the run's image.
        env: its environment.
        requests: resources beyond the very little that each asks for.
        script: are the probe's scripts mounted?
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
    of_pods = pod_spec(run, ["/agnhost", "netexec", f"--http-port={POD_PORT}"])
    template = {
        "metadata": {"labels": labels_of(run, SCALED)},
        "spec": of_pods | {"tolerations": []},
    }
    spec = {"replicas": 1, "selector": {"matchLabels": {APP_LABEL: SCALED}}, "template": template}
    return namespaced(run, "apps/v1", "Deployment", SCALED, spec=spec)


def service(run: Run, name: str, app: str, kind: str) -> Manifest:
    """A service of type `kind` that leads to the pods of `app`."""
    port = {"port": WEB_PORT, "targetPort": POD_PORT, "protocol": "TCP"}
    spec = {"type": kind, "selector": {APP_LABEL: app}, "ports": [port]}
    return namespaced(run, "v1", "Service", name, spec=spec)


def bare_pod(run: Run, name: str, spec: Manifest) -> Manifest:
    """A pod that nobody replaces."""
    return namespaced(run, "v1", "Pod", name, spec=spec)


def namespaced(run: Run, api: str, kind: str, name: str, **rest: Any) -> Manifest:
    """An object in the run's namespace; `rest` is what it has beside its metadata."""
    metadata = {"name": name, "namespace": run.namespace, "labels": labels_of(run, name)}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **rest}


def labels_of(run: Run, app: str) -> dict[str, str]:
    """By which the run's objects, and the pods of one application, are found."""
    return {RUN_LABEL: run.id, APP_LABEL: app[:63].rstrip("-.")}
