# SPDX-License-Identifier: Apache-2.0
"""Across the layers: closed to strangers. What a living cluster can be asked of the CIS benchmark.

What a closed node looks like stands in `cis_rules`.
"""

import base64
import json
from typing import Any

import pytest

from conformance import cis_rules
from conformance.api.client import ApiStatusError
from conformance.cis_rules import FileRule, FlagRule
from conformance.deploy.live import RunHandle
from conformance.facts.model import Facts
from conformance.manifests import base
from conformance.manifests.base import own_pod
from conformance.outcome import InconclusiveError, Unavailable, require, value_or_skip

pytestmark = pytest.mark.hardening

Json = dict[str, Any]


# ---- how programs run ----


def test_program_is_closed(facts: Facts, host: str, program: str) -> None:
    """The control plane's programs have the flags of the benchmark."""
    programs = value_or_skip(facts.view(host).programs)
    if program not in programs:
        pytest.skip(f"{host}: no process {program}")
    flags = programs[program].flags
    if "config-file" in flags:
        pytest.skip(f"{host}: {program} reads its flags from {flags['config-file']}")
    look = f"on {host}: systemctl cat {program}"
    require_flags(cis_rules.PROGRAMS[program], flags, f"{host}: flags of {program}", look)


def test_kubelet_is_closed(facts: Facts, node: str) -> None:
    """The kubelet's live configuration is the benchmark's, renewal of certificates included."""
    config = value_or_skip(facts.view(node).kubelet)
    look = f"kubectl get --raw /api/v1/nodes/{node}/proxy/configz"
    require_flags(cis_rules.KUBELET, config, f"{node}: the kubelet's configuration", look)


def test_service_is_not_root(facts: Facts, host: str, service: str) -> None:
    """Etcd and the control plane run as users of their own, who own nothing else."""
    programs = value_or_skip(facts.view(host).programs)
    units = facts.view(host).units
    if service not in programs:
        pytest.skip(f"{host}: no process {service}")
    if isinstance(units, Unavailable) or units.get(service, None) is None:
        pytest.skip(f"{host}: whether {service} is a service of the node is not told")
    if units[service].load != "loaded":
        pytest.skip(f"{host}: {service} runs in a pod")
    user = programs[service].user
    require(
        user != "root",
        at=f"{host}: user of process {service}",
        expected="a user of its own",
        seen=user,
        likely=f"no User= in {service}.service",
        look=f"on {host}: systemctl cat {service}; ps -o user= -C {service}",
    )


def test_files_are_closed(facts: Facts, host: str, file_rule: FileRule) -> None:
    """Keys, configuration and data are for those who need them."""
    files = [file for file in value_or_skip(facts.view(host).files) if file_rule.applies(file)]
    if not files:
        pytest.skip(f"{host}: no file like {', '.join(file_rule.globs)}")
    wrong = [file for file in files if not file_rule.obeyed(file)]
    first = wrong[0].path if wrong else ""
    require(
        not wrong,
        at=f"{host}: modes and owners of {file_rule.name}",
        expected=f"mode {file_rule.most:o} at most, of {' or '.join(file_rule.owners)}: "
        f"{file_rule.why}",
        seen="\n".join(f"{file.mode} {file.owner} {file.path}" for file in wrong),
        likely="a step that writes the file without a mode, or a hand that copied it",
        look=f"on {host}: ls -l {first}; chmod {file_rule.most:o} {first}",
    )


# ---- what is written down, and how ----


def test_audit_log_grows(facts: Facts, control_node: str) -> None:
    """Who asks for secrets is written down at once, even if refused."""
    audit = value_or_skip(facts.view(control_node).audit)
    if audit is None:
        pytest.skip(f"{control_node}: no kube-apiserver runs there")
    require(
        bool(audit.path) and audit.after != audit.before,
        at=f"{control_node}: the API server's audit log",
        expected="a file that grows by a stranger's request for secrets",
        seen=f"{audit.path}: {audit.before} bytes before, {audit.after} after"
        if audit.path
        else "no --audit-log-path",
        likely="no audit policy, one that leaves out secrets, or a log that cannot be written",
        look=f"on {control_node}: ls -l {audit.path or '/var/log/kubernetes'}; "
        "systemctl cat kube-apiserver | grep audit",
    )


def test_secrets_rest_encrypted(facts: Facts, etcd_node: str) -> None:
    """A Secret lies in etcd under a key; its plain word is nowhere in the raw value."""
    etcd = value_or_skip(facts.view(etcd_node).etcd)
    if etcd is None:
        pytest.skip(f"{etcd_node}: no process etcd (see test_member_is_healthy)")
    rest = value_or_skip(etcd.at_rest)
    if not rest.size:
        raise InconclusiveError(f"{etcd_node}: the run's Secret was not found in etcd")
    require(
        rest.prefix.startswith("k8s:enc:") and not rest.plain,
        at=f"{etcd_node}: the run's Secret, read raw from etcd",
        expected="a value that begins with k8s:enc:, without the Secret's word in it",
        seen=f"{rest.size} bytes, {rest.prefix or 'no such beginning'}, the word is "
        f"{'readable' if rest.plain else 'not readable'}",
        likely="no --encryption-provider-config, or identity is the first of its providers",
        look=f"on {etcd_node}: systemctl cat kube-apiserver | grep encryption; then that file",
    )


# ---- pods and tokens: tried for real ----

# What `baseline` refuses, each as (what the pod's spec wishes, its container's security context).
UNWELCOME: dict[str, tuple[Json, Json]] = {
    "privileged": ({}, {"privileged": True}),
    "capability": ({}, {"capabilities": {"add": ["SYS_ADMIN"]}}),
    "host-network": ({"hostNetwork": True}, {}),
    "host-processes": ({"hostPID": True}, {}),
    "host-path": ({"volumes": [{"name": "root", "hostPath": {"path": "/"}}]}, {}),
}


def test_unwelcome_pods_are_refused(live: RunHandle) -> None:
    """In a fresh namespace no pod gets at its node; an ordinary one is welcome there."""
    with live.plain_namespace():
        try:
            live.cluster.create(base.dry_run_pod(live.run, {}), dryRun="All")
        except ApiStatusError as refusal:
            raise InconclusiveError(f"not even an ordinary pod is admitted: {refusal}") from None
        admitted = [what for what in UNWELCOME if is_admitted(live, *UNWELCOME[what])]
    require(
        not admitted,
        at="pods in a fresh namespace without labels (tried, not made)",
        expected="refused by Pod Security (baseline) or another policy",
        seen=f"admitted: {', '.join(admitted)}",
        likely="no defaults for PodSecurity (--admission-control-config-file), or a lax policy",
        look="kubectl create namespace x; kubectl -n x run p --image=p --privileged "
        "--dry-run=server; on a server: systemctl cat kube-apiserver | grep admission",
    )


def is_admitted(live: RunHandle, wishes: Json, security: Json) -> bool:
    """Would such a pod be admitted?"""
    try:
        live.cluster.create(base.dry_run_pod(live.run, wishes, security), dryRun="All")
    except ApiStatusError as refusal:
        if refusal.code != 403:
            raise
        return False
    return True


def test_tokens_are_bound_and_expire(live: RunHandle) -> None:
    """A token as pods get it is bound to its pod, and ends within a day."""
    pod = live.cluster.get(live.path("pods", own_pod(live.run.nodes[0].name)))
    bound = {"kind": "Pod", "apiVersion": "v1", "name": pod["metadata"]["name"]}
    claims = token_claims(live, bound | {"uid": pod["metadata"]["uid"]})
    hours = (claims.get("exp", float("inf")) - claims.get("iat", 0)) / 3600
    held = claims.get("kubernetes.io", {}).get("pod", {}).get("name")
    require(
        hours <= cis_rules.TOKEN_HOURS and held == bound["name"],
        at=f"a token for pod {bound['name']}, as the kubelet asks for it",
        expected=f"bound to the pod, at most {cis_rules.TOKEN_HOURS:.0f} hours",
        seen=f"bound to {held or 'no pod'}, {hours:.0f} hours",
        likely="--service-account-extend-token-expiration is on, as it is by default",
        look="on a server: systemctl cat kube-apiserver | grep service-account",
    )


POD_TOKEN_SECONDS = 3607  # what the admission plug-in writes into pods; the server knows it by this


def token_claims(live: RunHandle, bound: Json) -> Json:
    """What a new token says of itself; the token is forgotten at once."""
    body = {"spec": {"expirationSeconds": POD_TOKEN_SECONDS, "boundObjectRef": bound}}
    path = f"{live.path('serviceaccounts', 'probe')}/token"
    token = json.loads(live.cluster.request("POST", path, body))["status"]["token"]
    words = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(words + "=" * (-len(words) % 4)))
    return dict(claims)


# ---- what several of them need ----


def require_flags(wanted: list[FlagRule], given: dict[str, str], at: str, look: str) -> None:
    """Every flag is as its rule wants it."""
    wrong = [rule for rule in wanted if not rule.obeyed(given.get(rule.flag))]
    require(
        not wrong,
        at=at,
        expected="; ".join(f"{rule.flag} {rule.must} ({rule.why})" for rule in wrong),
        seen="; ".join(f"{rule.flag} {given.get(rule.flag) or 'not given'}" for rule in wrong),
        likely="a default of upstream's, or an override of cluster.yaml",
        look=look,
    )
