# SPDX-License-Identifier: Apache-2.0
"""Checks on facts with three control-plane nodes and both runtimes, including hardening."""

import pytest

from conformance import cis_rules
from conformance.codes import Code
from tests.conformance import healthy
from tests.conformance.alteration import Case, Cases, Json, Replay

CASES = Cases(healthy.HA_NODES)
breaks = CASES.breaks
FIRST, SECOND, THIRD, PLAIN, DOCKER = healthy.HA_NODES
CONTROL = (FIRST, SECOND, THIRD)
API_1 = f"https://{healthy.HA_NODES[SECOND].address}:6443"
VIP = f"https://{healthy.VIP}:6443"
SERVICE = f"https://{healthy.API}"


def on(code: Code, check: str, *nodes: str) -> dict[str, Code]:
    """Return the failures of a check on these nodes, all with the same code."""
    return {f"{check}[{node}]": code for node in nodes}


# ---- paths to the API ----


def answer(facts: Json, url: str, **changes: int | str) -> None:
    """Change the answer that every node gets at the URL."""
    for view in facts["views"].values():
        view["api"][url] |= changes


EVERY_NODE_TO_API_1 = [f"{node}->{API_1}" for node in healthy.HA_NODES]


@breaks(
    on(Code.API_NOT_READY, "test_api_server_answers", *EVERY_NODE_TO_API_1),
    at=API_1,
    values=("HTTP 500",),
)
def _api_server_is_not_ready(facts: Json) -> None:
    answer(facts, API_1, token=500)


@breaks(
    on(Code.API_TOKEN_REJECTED, "test_api_server_answers", *EVERY_NODE_TO_API_1),
    at=API_1,
    values=("HTTP 401",),
)
def _api_server_knows_its_own_key_only(facts: Json) -> None:
    answer(facts, API_1, token=401)


@breaks(
    {f"test_api_server_answers[{PLAIN}->{API_1}]": Code.API_CERTIFICATE_INVALID},
    at=PLAIN,
    values=("curl: (60) no alternative",),
)
def _certificate_for_another_address(facts: Json) -> None:
    facts["views"][PLAIN]["api"][API_1] |= {"token": 0, "problem": "curl: (60) no alternative"}


@breaks(
    on(
        Code.ANONYMOUS_REQUEST_ADMITTED,
        "test_api_server_needs_credentials",
        *EVERY_NODE_TO_API_1,
    ),
    at=API_1,
    values=("HTTP 200",),
)
def _api_server_admits_anonymous_requests(facts: Json) -> None:
    answer(facts, API_1, anonymous=200)


@breaks(on(Code.API_UNREACHABLE, "test_api_endpoint_answers", *healthy.HA_NODES), at=VIP)
def _endpoint_does_not_answer(facts: Json) -> None:
    answer(facts, VIP, token=0, anonymous=0, problem="curl: (28) timed out")


@breaks({f"test_api_service_answers[{DOCKER}]": Code.API_UNREACHABLE}, at=f"{DOCKER}: {SERVICE}")
def _service_of_the_api_does_not_answer(facts: Json) -> None:
    silent = {"token": 0, "anonymous": 0, "problem": "curl: (28) timed out"}
    facts["views"][DOCKER]["api"][SERVICE] |= silent


@breaks({"test_api_service_has_all_endpoints": Code.API_ENDPOINTS_WRONG}, values=("192.0.2.11",))
def _api_server_is_not_listed(facts: Json) -> None:
    facts["api_addresses"].remove(healthy.HA_NODES[SECOND].address)


@breaks(
    {"test_api_refuses_anonymous_clients": Code.ANONYMOUS_REQUEST_ADMITTED}, values=("HTTP 200",)
)
def _api_returns_secrets(facts: Json) -> None:
    facts["anonymous"] = 200


# ---- leaders and the virtual address ----


@breaks(
    {"test_one_node_has_the_virtual_address": Code.VIP_HOLDER_WRONG},
    at=healthy.VIP,
    values=(f"{FIRST}, {THIRD}",),
)
def _two_hold_the_endpoint(facts: Json) -> None:
    facts["views"][THIRD]["links"]["eth0"]["addresses"].append(f"{healthy.VIP}/32")


@breaks(
    {f"test_units_are_active[{THIRD}]": Code.UNIT_NOT_ACTIVE},
    at=THIRD,
    values=("kubelet-approver activating (auto-restart)",),
)
def _unit_restarts_repeatedly(facts: Json) -> None:
    facts["views"][THIRD]["units"]["kubelet-approver"] = {
        "load": "loaded",
        "active": "activating",
        "sub": "auto-restart",
        "file": "enabled",
    }


@breaks(
    {"test_one_node_has_the_virtual_address": Code.VIP_HOLDER_WRONG},
    at=healthy.VIP,
    values=("no node",),
)
def _no_node_holds_the_endpoint(facts: Json) -> None:
    facts["views"][FIRST]["links"]["eth0"]["addresses"].pop()


@breaks(
    {"test_one_node_has_the_virtual_address": Code.API_ADDRESS_INCONSISTENT},
    values=("192.0.2.10 on",),
)
def _one_node_uses_the_first_server(facts: Json) -> None:
    facts["views"][PLAIN]["endpoint"] = f"https://{healthy.HA_NODES[FIRST].address}:6443"


@breaks(
    {"test_leader_is_alive[kube-scheduler]": Code.LEADER_NOT_ACTIVE},
    at="lease kube-scheduler",
    values=("90 s",),
)
def _leader_is_dead(facts: Json) -> None:
    facts["leaders"]["kube-scheduler"]["age"] = 90.0


@breaks(
    {"test_leader_is_alive[kube-controller-manager]": Code.LEADER_NOT_ACTIVE},
    at="lease kube-controller-manager",
    values=("unknown_1",),
)
def _leader_on_an_unknown_host(facts: Json) -> None:
    facts["leaders"]["kube-controller-manager"]["holder"] = "unknown_1"


@breaks({"test_dns_is_spread": Code.DNS_NOT_SPREAD}, at="k8s-app=kube-dns", values=(PLAIN,))
def _dns_on_one_node(facts: Json) -> None:
    for pod in facts["dns"]:
        pod["node"] = PLAIN


@breaks({"test_dns_is_spread": Code.DNS_NOT_SPREAD}, at="k8s-app=kube-dns")
def _dns_runs_once(facts: Json) -> None:
    del facts["dns"][1:]


# ---- etcd members and clients ----


@breaks(
    on(Code.ETCD_MEMBERS_DISAGREE, "test_members_have_the_same_raft_term", *CONTROL),
    values=(f"{THIRD} reports 9",),
)
def _member_holds_elections_alone(facts: Json) -> None:
    for part in ("status", "later"):
        facts["views"][THIRD]["etcd"][part]["term"] = 9


@breaks(
    on(Code.ETCD_MEMBERS_DISAGREE, "test_member_knows_the_common_leader", *CONTROL),
    values=(f"{THIRD} reports 9",),
)
def _member_follows_another_leader(facts: Json) -> None:
    for part in ("status", "later"):
        facts["views"][THIRD]["etcd"][part]["leader"] = "9"


@breaks(
    {
        **on(Code.ETCD_MEMBERS_UNEXPECTED, "test_members_are_the_expected_ones", *CONTROL),
        **on(Code.ETCD_LEARNER_NOT_PROMOTED, "test_no_member_is_a_learner", *CONTROL),
        **on(Code.ETCD_VOTERS_EVEN, "test_number_of_voters_is_odd", *CONTROL),
    }
)
def _successor_is_still_a_learner(facts: Json) -> None:
    for name in CONTROL:
        facts["views"][name]["etcd"]["members"][2]["learner"] = True


@breaks(
    {
        **on(Code.ETCD_MEMBERS_UNEXPECTED, "test_members_are_the_expected_ones", *CONTROL),
        **on(Code.ETCD_VOTERS_EVEN, "test_number_of_voters_is_odd", *CONTROL),
    },
    values=("old",),
)
def _replaced_member_is_still_listed(facts: Json) -> None:
    dead = {"id": "99", "name": "old", "client_urls": ["https://192.0.2.12:2379"], "learner": False}
    for name in CONTROL:
        facts["views"][name]["etcd"]["members"].append(dead)


ETCD_RIGHTS = f"test_etcd_clients_read_only_their_prefix[{SECOND}]"


@breaks({ETCD_RIGHTS: Code.ETCD_RIGHTS_TOO_WIDE}, at=SECOND, values=("flanneld", "/registry/"))
def _flannel_reads_secrets(facts: Json) -> None:
    facts["views"][SECOND]["etcd"]["rights"]["flanneld /registry/"] = "allowed"


@breaks(
    {ETCD_RIGHTS: Code.ETCD_RIGHTS_TOO_WIDE},
    at=SECOND,
    values=("unknown-client", "/coreos.com/network/"),
)
def _unknown_name_reads_the_network(facts: Json) -> None:
    rights = facts["views"][SECOND]["etcd"]["rights"]
    rights["unknown-client /coreos.com/network/"] = "allowed"


@breaks({ETCD_RIGHTS: Code.ETCD_CLIENT_REJECTED}, at=SECOND, values=("kube-apiserver",))
def _apiserver_is_locked_out(facts: Json) -> None:
    facts["views"][SECOND]["etcd"]["rights"]["kube-apiserver /registry/"] = "denied"


@breaks({f"test_secrets_are_encrypted_in_etcd[{FIRST}]": Code.SECRETS_NOT_ENCRYPTED}, at=FIRST)
def _secrets_are_not_encrypted(facts: Json) -> None:
    facts["views"][FIRST]["etcd"]["at_rest"] = {"size": 290, "prefix": "", "plain": True}


# ---- runtimes ----


@breaks(
    {f"test_node_runs_expected_runtime[{DOCKER}]": Code.VERSION_UNEXPECTED},
    at=DOCKER,
    values=("docker://29.8.1", "containerd://2.4.2"),
)
def _docker_node_runs_containerd(facts: Json) -> None:
    facts["nodes"][DOCKER]["runtime"] = "containerd://2.4.2"
    endpoint = facts["views"][PLAIN]["kubelet"]["containerRuntimeEndpoint"]
    facts["views"][DOCKER]["kubelet"]["containerRuntimeEndpoint"] = endpoint


@breaks(
    {f"test_kubelet_uses_the_reported_runtime[{DOCKER}]": Code.RUNTIME_ENDPOINT_WRONG},
    at=DOCKER,
    values=("cri-dockerd.sock", "dockershim.sock"),
)
def _kubelet_uses_the_old_shim(facts: Json) -> None:
    view = facts["views"][DOCKER]
    view["kubelet"]["containerRuntimeEndpoint"] = "unix:///run/dockershim.sock"


@breaks(
    {f"test_pod_cgroups_are_managed_by_systemd[{DOCKER}]": Code.CGROUP_DRIVER_NOT_SYSTEMD},
    at=DOCKER,
    values=("/kubepods/besteffort/pod0/0badcafe",),
)
def _docker_creates_cgroups_itself(facts: Json) -> None:
    facts["views"][DOCKER]["runtime"]["cgroup"] = "/kubepods/besteffort/pod0/0badcafe"


LOGS_UNLIMITED = Code.CONTAINER_LOGS_UNLIMITED


@breaks(
    {f"test_container_logs_are_rotated[{DOCKER}]": LOGS_UNLIMITED}, at=DOCKER, values=("max-size",)
)
def _docker_logs_grow(facts: Json) -> None:
    del facts["views"][DOCKER]["runtime"]["logs"]["max-size"]


@breaks(
    {f"test_container_logs_are_rotated[{PLAIN}]": LOGS_UNLIMITED},
    at=PLAIN,
    values=("containerLogMaxFiles 1",),
)
def _kubelet_keeps_one_log(facts: Json) -> None:
    facts["views"][PLAIN]["kubelet"]["containerLogMaxFiles"] = "1"


@breaks(
    {f"test_registry_mirrors_agree[{DOCKER}]": Code.REGISTRY_MIRRORS_DIFFER},
    at=DOCKER,
    values=("mirror.example",),
)
def _docker_without_the_mirror(facts: Json) -> None:
    facts["views"][DOCKER]["runtime"]["mirrors"] = []


DOCKER_BRIDGE = {f"test_docker0_uses_the_lease[{DOCKER}]": Code.BRIDGE_ADDRESS_WRONG}


@breaks(DOCKER_BRIDGE, at=f"{DOCKER}: docker0", values=("172.17.0.1/16",))
def _docker_has_a_network_of_its_own(facts: Json) -> None:
    facts["views"][DOCKER]["links"]["docker0"]["addresses"] = ["172.17.0.1/16"]


@breaks(DOCKER_BRIDGE, at=f"{DOCKER}: docker0")
def _docker_uses_addresses_of_pods(facts: Json) -> None:
    lease = healthy.HA_NODES[DOCKER].subnet
    facts["views"][DOCKER]["links"]["docker0"]["addresses"] = [f"{lease}.1/24"]


@breaks(DOCKER_BRIDGE, at=f"{DOCKER}: docker0", values=("MTU 1450", "MTU 1500"))
def _docker_has_a_larger_mtu(facts: Json) -> None:
    facts["views"][DOCKER]["links"]["docker0"]["mtu"] = 1500


# ---- ports ----


@breaks(
    {f"test_kubelet_refuses_anonymous_clients[{PLAIN}]": Code.KUBELET_OPEN},
    at=PLAIN,
    values=("10250", "HTTP 200"),
)
def _kubelet_answers_anonymous_clients(facts: Json) -> None:
    facts["views"][PLAIN]["kubelet_doors"]["anonymous"] = 200


OPEN_PORT = Code.PORT_OPEN_WITHOUT_AUTHENTICATION


@breaks(
    {f"test_ports_without_authentication_are_closed[{PLAIN}]": OPEN_PORT},
    at=PLAIN,
    values=("10255",),
)
def _read_only_port_is_open(facts: Json) -> None:
    facts["views"][PLAIN]["kubelet_doors"]["read_only"] = 200


@breaks(
    {f"test_ports_without_authentication_are_closed[{FIRST}]": OPEN_PORT},
    at=FIRST,
    values=("192.0.2.10:10257",),
)
def _controller_manager_is_reachable(facts: Json) -> None:
    facts["views"][FIRST]["listeners"].append({"address": "192.0.2.10", "port": 10257})


@breaks(
    {f"test_ports_without_authentication_are_closed[{DOCKER}]": OPEN_PORT},
    at=DOCKER,
    values=("0.0.0.0:2375",),
)
def _docker_is_reachable(facts: Json) -> None:
    facts["views"][DOCKER]["listeners"].append({"address": "0.0.0.0", "port": 2375})


@breaks(
    {f"test_old_tls_is_refused[{FIRST}:api]": Code.OLD_TLS_ACCEPTED},
    at="192.0.2.10:6443",
    values=("TLSv1.1 ECDHE-RSA-AES128-SHA",),
)
def _old_tls_is_accepted(facts: Json) -> None:
    old = facts["views"][FIRST]["ports"]["api"]["old"]
    old |= {"agreed": "TLSv1.1 ECDHE-RSA-AES128-SHA", "refused": ""}


@breaks(
    {f"test_weak_ciphers_are_refused[{SECOND}:etcd]": Code.WEAK_CIPHERS_ACCEPTED},
    at=SECOND,
    values=("TLSv1.2 ECDHE-RSA-AES128-SHA",),
)
def _weak_ciphers_are_accepted(facts: Json) -> None:
    weak = facts["views"][SECOND]["ports"]["etcd"]["weak"]
    weak |= {"agreed": "TLSv1.2 ECDHE-RSA-AES128-SHA", "refused": ""}


@breaks(
    {f"test_served_certificate_is_trusted[{PLAIN}:kubelet]": Code.CERTIFICATE_UNTRUSTED},
    at=PLAIN,
    values=("18 (self-signed certificate)",),
)
def _kubelet_signs_for_itself(facts: Json) -> None:
    certificate = facts["views"][PLAIN]["ports"]["kubelet"]["certificate"]
    certificate["distrust"] = "18 (self-signed certificate)"


@breaks(
    {f"test_served_certificate_does_not_expire_soon[{THIRD}:peer]": Code.CERTIFICATE_EXPIRING},
    at=f"{THIRD}: peer",
    values=("12.0 days",),
)
def _certificate_expires_soon(facts: Json) -> None:
    certificate = facts["views"][THIRD]["ports"]["peer"]["certificate"]
    certificate["not_after"] = "2026-12-05T12:00:00+00:00"


KUBELET_CERTIFICATE = f"test_kubelet_client_certificate_is_valid[{PLAIN}]"


@breaks({KUBELET_CERTIFICATE: Code.CERTIFICATE_EXPIRING}, at=PLAIN, values=("0.5 days",))
def _kubelet_certificate_is_not_renewed(facts: Json) -> None:
    certificate = facts["views"][PLAIN]["certificates"][cis_rules.KUBELET_CLIENT]
    certificate |= {"not_before": "2026-11-01T00:00:00+00:00"}
    certificate |= {"not_after": "2026-11-24T00:00:00+00:00"}


@breaks({KUBELET_CERTIFICATE: Code.CERTIFICATE_UNTRUSTED}, at=PLAIN, values=(DOCKER,))
def _kubelet_has_the_certificate_of_another_node(facts: Json) -> None:
    certificate = facts["views"][PLAIN]["certificates"][cis_rules.KUBELET_CLIENT]
    certificate["subject"] = f"O=system:nodes,CN=system:node:{DOCKER}"


@breaks(
    {f"test_etcd_has_its_own_authority[{FIRST}]": Code.ETCD_AUTHORITY_SHARED},
    at=FIRST,
    values=("CN=kubernetes",),
)
def _one_authority_for_all(facts: Json) -> None:
    facts["views"][FIRST]["ports"]["etcd"]["certificate"]["issuer"] = "CN=kubernetes"


# ---- programs, files, the audit log ----


API_SERVER_FLAGS = {
    f"test_control_plane_flags_follow_the_benchmark[{FIRST}-kube-apiserver]": Code.SETTING_INSECURE
}


@breaks(API_SERVER_FLAGS, at=f"{FIRST}: flags of kube-apiserver", values=("profiling is false",))
def _apiserver_exposes_profiles(facts: Json) -> None:
    del facts["views"][FIRST]["programs"]["kube-apiserver"]["flags"]["profiling"]


@breaks(API_SERVER_FLAGS, at=FIRST, values=("lacks AlwaysAllow",))
def _apiserver_allows_all(facts: Json) -> None:
    flags = facts["views"][FIRST]["programs"]["kube-apiserver"]["flags"]
    flags["authorization-mode"] = "Node,RBAC,AlwaysAllow"


@breaks(API_SERVER_FLAGS, at=FIRST, values=("audit-log-maxsize at least 1",))
def _audit_log_is_never_rotated(facts: Json) -> None:
    facts["views"][FIRST]["programs"]["kube-apiserver"]["flags"]["audit-log-maxsize"] = "0"


@breaks(
    {f"test_control_plane_flags_follow_the_benchmark[{SECOND}-etcd]": Code.SETTING_INSECURE},
    at=f"{SECOND}: flags of etcd",
    values=("peer-client-cert-auth",),
)
def _any_peer_may_join(facts: Json) -> None:
    facts["views"][SECOND]["programs"]["etcd"]["flags"]["peer-client-cert-auth"] = "false"


@breaks(
    {f"test_kubelet_configuration_follows_the_benchmark[{PLAIN}]": Code.SETTING_INSECURE},
    at=PLAIN,
    values=("rotateCertificates false",),
)
def _kubelet_renews_nothing(facts: Json) -> None:
    facts["views"][PLAIN]["kubelet"]["rotateCertificates"] = "false"


@breaks({f"test_service_is_not_root[{THIRD}-etcd]": Code.SERVICE_RUNS_AS_ROOT}, at=THIRD)
def _etcd_is_root(facts: Json) -> None:
    facts["views"][THIRD]["programs"]["etcd"]["user"] = "root"


FILE_MODE = Code.FILE_MODE_INSECURE


@breaks(
    {f"test_files_have_restrictive_modes[{FIRST}-keys]": FILE_MODE},
    at=FIRST,
    values=("644 root /etc/kubernetes/pki/issuer.key",),
)
def _key_is_world_readable(facts: Json) -> None:
    set_file(facts, FIRST, "/etc/kubernetes/pki/issuer.key", mode="644")


@breaks(
    {f"test_files_have_restrictive_modes[{PLAIN}-configuration]": FILE_MODE},
    at=PLAIN,
    values=("666 root /etc/kubernetes/kubelet.json",),
)
def _configuration_is_world_writable(facts: Json) -> None:
    set_file(facts, PLAIN, "/etc/kubernetes/kubelet.json", mode="666")


@breaks(
    {f"test_files_have_restrictive_modes[{PLAIN}-cni]": FILE_MODE},
    at=PLAIN,
    values=("666 root /etc/cni/net.d/10-flannel.conflist",),
)
def _cni_configuration_is_world_writable(facts: Json) -> None:
    set_file(facts, PLAIN, "/etc/cni/net.d/10-flannel.conflist", mode="666")


@breaks(
    {f"test_files_have_restrictive_modes[{FIRST}-etcd-data]": FILE_MODE},
    at=FIRST,
    values=("700 daemon /var/lib/etcd",),
)
def _etcd_data_has_another_owner(facts: Json) -> None:
    set_file(facts, FIRST, "/var/lib/etcd", owner="daemon")


@breaks(
    {f"test_files_have_restrictive_modes[{DOCKER}-sockets]": FILE_MODE},
    at=DOCKER,
    values=("777 root /run/cri-dockerd.sock",),
)
def _socket_is_world_writable(facts: Json) -> None:
    set_file(facts, DOCKER, "/run/cri-dockerd.sock", mode="777")


def set_file(facts: Json, node: str, path: str, **changes: str) -> None:
    """Change the facts about one file."""
    (file,) = [file for file in facts["views"][node]["files"] if file["path"] == path]
    file |= changes


AUDIT_LOG = {f"test_requests_are_audited[{SECOND}]": Code.AUDIT_LOG_NOT_WRITTEN}


@breaks(AUDIT_LOG, at=SECOND, values=("4096",))
def _audit_log_does_not_grow(facts: Json) -> None:
    facts["views"][SECOND]["audit"]["after"] = 4096


@breaks(AUDIT_LOG, at=SECOND, values=("--audit-log-path",))
def _audit_log_is_not_configured(facts: Json) -> None:
    facts["views"][SECOND]["audit"] = {"path": "", "before": -1, "after": -1}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_alteration_fails_its_checks(replay: Replay, case: Case) -> None:
    """Exactly the declared checks fail, with their codes and places."""
    CASES.verify(replay, case)


def test_leader_with_a_host_name_that_is_not_its_node(replay: Replay) -> None:
    """Nova truncates long names of servers; only the controllers use the host name."""
    facts = healthy.facts(healthy.HA_NODES)
    facts["leaders"]["kube-controller-manager"]["holder"] = "lab-server_1"
    verdicts = replay(facts)
    assert verdicts.exit_status == 0, verdicts.printed
    assert "test_leader_is_alive[kube-controller-manager]" in verdicts.passed
