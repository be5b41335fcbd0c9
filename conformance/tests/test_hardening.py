# SPDX-License-Identifier: Apache-2.0
"""Across the layers: the rules of the CIS benchmark that can be checked on a running cluster.

The rules are data in ``cis_rules``.
"""

import base64
import json
from typing import Any

import pytest

from conformance import cis_rules
from conformance.api.client import ApiStatusError
from conformance.cis_rules import FileRule, FlagRule
from conformance.codes import Code
from conformance.deploy.live import RunHandle
from conformance.facts.model import Facts
from conformance.faults import detects
from conformance.manifests import base
from conformance.manifests.base import own_pod
from conformance.outcome import InconclusiveError, Unavailable, require, value_or_skip

pytestmark = pytest.mark.hardening

Json = dict[str, Any]


# ---- flags, users and files ----


def test_control_plane_flags_follow_the_benchmark(facts: Facts, host: str, program: str) -> None:
    """The flags of the control-plane components follow the benchmark."""
    programs = value_or_skip(facts.view(host).programs)
    if program not in programs:
        pytest.skip(f"{host}: no process {program}")
    flags = programs[program].flags
    if "config-file" in flags:
        pytest.skip(f"{host}: {program} reads its flags from {flags['config-file']}")
    look = f"on {host}: systemctl cat {program}"
    require_flags(cis_rules.PROGRAMS[program], flags, f"{host}: flags of {program}", look)


def test_kubelet_configuration_follows_the_benchmark(facts: Facts, node: str) -> None:
    """The kubelet's active configuration follows the benchmark and renews certificates."""
    config = value_or_skip(facts.view(node).kubelet)
    look = f"kubectl get --raw /api/v1/nodes/{node}/proxy/configz"
    require_flags(cis_rules.KUBELET, config, f"{node}: the kubelet's configuration", look)


def test_service_is_not_root(facts: Facts, host: str, service: str) -> None:
    """Etcd and the control-plane components run as separate users, not as root."""
    programs = value_or_skip(facts.view(host).programs)
    units = facts.view(host).units
    if service not in programs:
        pytest.skip(f"{host}: no process {service}")
    if isinstance(units, Unavailable) or units.get(service, None) is None:
        pytest.skip(f"{host}: it is unknown whether {service} is a systemd service")
    if units[service].load != "loaded":
        pytest.skip(f"{host}: {service} runs in a pod")
    user = programs[service].user
    require(
        user != "root",
        at=f"{host}: user of process {service}",
        expected="a separate user",
        seen=user,
        likely=f"no User= in {service}.service",
        look=f"on {host}: systemctl cat {service}; ps -o user= -C {service}",
        code=Code.SERVICE_RUNS_AS_ROOT,
    )


@detects("credentials-readable")
def test_files_have_restrictive_modes(facts: Facts, host: str, file_rule: FileRule) -> None:
    """Files with keys, configuration and data have restrictive modes and the right owners."""
    files = [file for file in value_or_skip(facts.view(host).files) if file_rule.applies(file)]
    if not files:
        pytest.skip(f"{host}: no file matches {', '.join(file_rule.globs)}")
    wrong = [file for file in files if not file_rule.is_met(file)]
    first = wrong[0].path if wrong else ""
    require(
        not wrong,
        at=f"{host}: modes and owners of {file_rule.name}",
        expected=f"mode {file_rule.most:o} at most, owner {' or '.join(file_rule.owners)}: "
        f"{file_rule.why}",
        seen="\n".join(f"{file.mode} {file.owner} {file.path}" for file in wrong),
        likely="a step writes the file without setting its mode, or it was copied manually",
        look=f"on {host}: ls -l {first}; chmod {file_rule.most:o} {first}",
        code=Code.FILE_MODE_INSECURE,
    )


# ---- audit log and encryption ----


def test_requests_are_audited(facts: Facts, control_node: str) -> None:
    """The audit log contains a request for Secrets at once, even if it was rejected."""
    audit = value_or_skip(facts.view(control_node).audit)
    if audit is None:
        pytest.skip(f"{control_node}: no kube-apiserver runs there")
    require(
        bool(audit.path) and audit.after != audit.before,
        at=f"{control_node}: the API server's audit log",
        expected="a file that grows with an anonymous request for Secrets",
        seen=f"{audit.path}: {audit.before} bytes before, {audit.after} after"
        if audit.path
        else "no --audit-log-path",
        likely="no audit policy, a policy that omits Secrets, or a log that cannot be written",
        look=f"on {control_node}: ls -l {audit.path or '/var/log/kubernetes'}; "
        "systemctl cat kube-apiserver | grep audit",
        code=Code.AUDIT_LOG_NOT_WRITTEN,
    )


def test_secrets_are_encrypted_in_etcd(facts: Facts, etcd_node: str) -> None:
    """A Secret is encrypted in etcd: its raw value does not contain the plain text."""
    etcd = value_or_skip(facts.view(etcd_node).etcd)
    if etcd is None:
        pytest.skip(f"{etcd_node}: no process etcd (see test_member_is_healthy)")
    rest = value_or_skip(etcd.at_rest)
    if not rest.size:
        raise InconclusiveError(f"{etcd_node}: the run's Secret was not found in etcd")
    require(
        rest.prefix.startswith("k8s:enc:") and not rest.plain,
        at=f"{etcd_node}: the run's Secret, read raw from etcd",
        expected="a value that starts with k8s:enc: and does not contain the plain text",
        seen=f"{rest.size} bytes, {rest.prefix or 'no such prefix'}, the plain text is "
        f"{'readable' if rest.plain else 'not readable'}",
        likely="no --encryption-provider-config, or identity is the first of its providers",
        look=f"on {etcd_node}: systemctl cat kube-apiserver | grep encryption; then that file",
        code=Code.SECRETS_NOT_ENCRYPTED,
    )


# ---- admission and tokens ----

# Pods that "baseline" rejects: changes of the pod spec, security context of its container.
PRIVILEGED: dict[str, tuple[Json, Json]] = {
    "privileged": ({}, {"privileged": True}),
    "capability": ({}, {"capabilities": {"add": ["SYS_ADMIN"]}}),
    "host-network": ({"hostNetwork": True}, {}),
    "host-processes": ({"hostPID": True}, {}),
    "host-path": ({"volumes": [{"name": "root", "hostPath": {"path": "/"}}]}, {}),
}


def test_privileged_pods_are_rejected(live: RunHandle) -> None:
    """A new namespace admits ordinary pods, but no pod that has access to its node."""
    with live.plain_namespace():
        try:
            live.cluster.create(base.dry_run_pod(live.run, {}), dryRun="All")
        except ApiStatusError as refusal:
            raise InconclusiveError(f"even an ordinary pod is rejected: {refusal}") from None
        admitted = [what for what in PRIVILEGED if is_admitted(live, *PRIVILEGED[what])]
    require(
        not admitted,
        at="pods in a new namespace without labels (dry run)",
        expected="rejected by Pod Security (baseline) or another policy",
        seen=f"admitted: {', '.join(admitted)}",
        likely="no defaults for PodSecurity (--admission-control-config-file), or a lax policy",
        look="kubectl create namespace x; kubectl -n x run p --image=p --privileged "
        "--dry-run=server; on a server: systemctl cat kube-apiserver | grep admission",
        code=Code.PRIVILEGED_POD_ADMITTED,
    )


def is_admitted(live: RunHandle, changes: Json, security: Json) -> bool:
    """Return whether the API would admit a pod with these changes."""
    try:
        live.cluster.create(base.dry_run_pod(live.run, changes, security), dryRun="All")
    except ApiStatusError as refusal:
        if refusal.code != 403:
            raise
        return False
    return True


def test_tokens_are_bound_and_expire(live: RunHandle) -> None:
    """A token, as the kubelet requests it for a pod, is bound to the pod and expires in a day."""
    pod = live.cluster.get(live.path("pods", own_pod(live.run.nodes[0].name)))
    bound = {"kind": "Pod", "apiVersion": "v1", "name": pod["metadata"]["name"]}
    claims = token_claims(live, bound | {"uid": pod["metadata"]["uid"]})
    hours = (claims.get("exp", float("inf")) - claims.get("iat", 0)) / 3600
    held = claims.get("kubernetes.io", {}).get("pod", {}).get("name")
    require(
        hours <= cis_rules.TOKEN_HOURS and held == bound["name"],
        at=f"a token for pod {bound['name']}, as the kubelet requests it",
        expected=f"bound to the pod, at most {cis_rules.TOKEN_HOURS:.0f} hours",
        seen=f"bound to {held or 'no pod'}, {hours:.0f} hours",
        likely="--service-account-extend-token-expiration is on, which is the default",
        look="on a server: systemctl cat kube-apiserver | grep service-account",
        code=Code.TOKEN_NOT_BOUND,
    )


POD_TOKEN_SECONDS = 3607  # set by the admission plug-in; the server recognizes pod tokens by it


def token_claims(live: RunHandle, bound: Json) -> Json:
    """Return the claims of a new token; the token itself is not stored."""
    body = {"spec": {"expirationSeconds": POD_TOKEN_SECONDS, "boundObjectRef": bound}}
    path = f"{live.path('serviceaccounts', 'probe')}/token"
    token = json.loads(live.cluster.request("POST", path, body))["status"]["token"]
    words = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(words + "=" * (-len(words) % 4)))
    return dict(claims)


# ---- helpers ----


def require_flags(rules: list[FlagRule], given: dict[str, str], at: str, look: str) -> None:
    """Require that every flag meets its rule."""
    wrong = [rule for rule in rules if not rule.is_met(given.get(rule.flag))]
    require(
        not wrong,
        at=at,
        expected="; ".join(f"{rule.flag} {rule.must} ({rule.why})" for rule in wrong),
        seen="; ".join(f"{rule.flag} {given.get(rule.flag) or 'not given'}" for rule in wrong),
        likely="an upstream default, or an override in cluster.yaml",
        look=look,
        code=Code.SETTING_INSECURE,
    )
