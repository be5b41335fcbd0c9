# SPDX-License-Identifier: Apache-2.0
"""Workloads for checks of the controllers: one small object of each kind."""

from conformance.manifests.base import (
    APP_LABEL,
    TOLERATE_ALL,
    Manifest,
    Run,
    bare_pod,
    labels_of,
    namespaced,
    sleeper,
)
from conformance.manifests.scheduling import unstarted

ROLLING, ORDERED, INDEXED_JOB, BUDGETED = "rolling", "ordered", "indexed-job", "disruption-budget"
EVERY_NODE = "every-node"
REPLICAS = 2  # of the StatefulSet
COMPLETIONS = 2


def manifests(run: Run) -> list[Manifest]:
    """Return a Deployment, a DaemonSet, a StatefulSet, a Job, and a PodDisruptionBudget."""
    daemons = unstarted(run, tolerations=TOLERATE_ALL)
    return [
        namespaced(run, "apps/v1", "DaemonSet", EVERY_NODE, spec=_pods(run, EVERY_NODE, daemons)),
        namespaced(run, "apps/v1", "Deployment", ROLLING, spec=_rolling(run)),
        namespaced(run, "apps/v1", "StatefulSet", ORDERED, spec=_ordered(run)),
        namespaced(run, "batch/v1", "Job", INDEXED_JOB, spec=_indexed(run)),
        bare_pod(run, BUDGETED, sleeper(run)),
        namespaced(
            run, "policy/v1", "PodDisruptionBudget", BUDGETED,
            spec={"minAvailable": 1, "selector": {"matchLabels": {APP_LABEL: BUDGETED}}},
        ),
    ]  # fmt: skip


def owned(run: Run, name: str, owner: Manifest | None = None) -> Manifest:
    """Return a ConfigMap with or without an owner reference."""
    manifest = namespaced(run, "v1", "ConfigMap", name)
    if owner is None:
        return manifest
    reference = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
    }
    return manifest | {"metadata": manifest["metadata"] | {"ownerReferences": [reference]}}


def _rolling(run: Run) -> Manifest:
    """Return a Deployment that deletes the old pod only after the new one is ready."""
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    return {"replicas": 1, "strategy": strategy, **_pods(run, ROLLING)}


def _ordered(run: Run) -> Manifest:
    """Return a StatefulSet, whose pods are created in order."""
    return {"replicas": REPLICAS, "serviceName": ORDERED, **_pods(run, ORDERED)}


def _indexed(run: Run) -> Manifest:
    spec = sleeper(run) | {"restartPolicy": "Never"}
    spec["containers"][0]["command"] = ["sh", "-c", "echo done"]
    template = {"metadata": {"labels": labels_of(run, INDEXED_JOB)}, "spec": spec}
    return {
        "completions": COMPLETIONS,
        "parallelism": COMPLETIONS,
        "completionMode": "Indexed",
        "template": template,
    }


def _pods(run: Run, app: str, spec: Manifest | None = None) -> Manifest:
    template = {"metadata": {"labels": labels_of(run, app)}, "spec": spec or sleeper(run)}
    return {"selector": {"matchLabels": {APP_LABEL: app}}, "template": template}
