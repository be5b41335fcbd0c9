# SPDX-License-Identifier: Apache-2.0
"""The judges of the house: three of the control plane, both runtimes, and how closed all is."""

import pytest

from conformance import cis_rules
from tests.conformance import healthy
from tests.conformance.alteration import Case, Cases, Json, Replay

CASES = Cases(healthy.HA_NODES)
breaks = CASES.breaks
FIRST, SECOND, THIRD, PLAIN, DOCKER = healthy.HA_NODES
CONTROL = (FIRST, SECOND, THIRD)
API_1 = f"https://{healthy.HA_NODES[SECOND].address}:6443"
VIP = f"https://{healthy.VIP}:6443"
SERVICE = f"https://{healthy.API}"


def on(test: str, *nodes: str) -> set[str]:
    """The test's names on these nodes."""
    return {f"{test}[{node}]" for node in nodes}


# ---- ways to the API ----


def answer(facts: Json, url: str, **changes: int | str) -> None:
    """Every node gets that answer at that URL."""
    for view in facts["views"].values():
        view["api"][url] |= changes


@breaks(
    *{f"test_api_server_answers[{node}->{API_1}]" for node in healthy.HA_NODES},
    says=(API_1, "HTTP 500", "not ready"),
)
def _api_server_is_not_ready(facts: Json) -> None:
    answer(facts, API_1, token=500)


@breaks(
    *{f"test_api_server_answers[{node}->{API_1}]" for node in healthy.HA_NODES},
    says=(API_1, "HTTP 401", "service-accounts.pub"),
)
def _api_server_knows_its_own_key_only(facts: Json) -> None:
    answer(facts, API_1, token=401)


@breaks(f"test_api_server_answers[{PLAIN}->{API_1}]", says=(PLAIN, "not for this address"))
def _certificate_for_another_address(facts: Json) -> None:
    facts["views"][PLAIN]["api"][API_1] |= {"token": 0, "problem": "curl: (60) no alternative"}


@breaks(
    *{f"test_api_server_knows_no_anonymous[{node}->{API_1}]" for node in healthy.HA_NODES},
    says=(API_1, "HTTP 200", "--anonymous-auth=false"),
)
def _api_server_tells_everybody(facts: Json) -> None:
    answer(facts, API_1, anonymous=200)


@breaks(*on("test_api_endpoint_answers", *healthy.HA_NODES), says=(VIP, "holds the address"))
def _endpoint_is_mute(facts: Json) -> None:
    answer(facts, VIP, token=0, anonymous=0, problem="curl: (28) timed out")


@breaks(*on("test_api_service_answers", DOCKER), says=(DOCKER, "kube-proxy"))
def _service_of_the_api_is_mute(facts: Json) -> None:
    silent = {"token": 0, "anonymous": 0, "problem": "curl: (28) timed out"}
    facts["views"][DOCKER]["api"][SERVICE] |= silent


@breaks("test_api_service_leads_to_every_server", says=("192.0.2.11", "advertises"))
def _api_server_is_not_listed(facts: Json) -> None:
    facts["api_addresses"].remove(healthy.HA_NODES[SECOND].address)


@breaks("test_api_refuses_strangers", says=("HTTP 200", "system:anonymous"))
def _api_tells_its_secrets(facts: Json) -> None:
    facts["anonymous"] = 200


# ---- who leads, who holds the address ----


@breaks("test_one_node_holds_the_endpoint", says=(FIRST, THIRD, "112"))
def _two_hold_the_endpoint(facts: Json) -> None:
    facts["views"][THIRD]["links"]["eth0"]["addresses"].append(f"{healthy.VIP}/32")


@breaks(f"test_units_are_active[{THIRD}]", says=("kubelet-approver activating (auto-restart)",))
def _unit_starts_again_and_again(facts: Json) -> None:
    facts["views"][THIRD]["units"]["kubelet-approver"] = {
        "load": "loaded",
        "active": "activating",
        "sub": "auto-restart",
        "file": "enabled",
    }


@breaks("test_one_node_holds_the_endpoint", says=("no node", "keepalived"))
def _nobody_holds_the_endpoint(facts: Json) -> None:
    facts["views"][FIRST]["links"]["eth0"]["addresses"].pop()


@breaks("test_one_node_holds_the_endpoint", says=("192.0.2.10 on", "another load balancer"))
def _one_node_goes_by_the_first_server(facts: Json) -> None:
    facts["views"][PLAIN]["endpoint"] = f"https://{healthy.HA_NODES[FIRST].address}:6443"


@breaks("test_leader_is_alive[kube-scheduler]", says=("renewed 90 s ago", "kube-scheduler"))
def _leader_is_dead(facts: Json) -> None:
    facts["leaders"]["kube-scheduler"]["age"] = 90.0


@breaks("test_leader_is_alive[kube-controller-manager]", says=("held by stranger_1",))
def _stranger_leads(facts: Json) -> None:
    facts["leaders"]["kube-controller-manager"]["holder"] = "stranger_1"


@breaks("test_dns_is_spread", says=(PLAIN, "rollout restart"))
def _dns_on_one_node(facts: Json) -> None:
    for pod in facts["dns"]:
        pod["node"] = PLAIN


@breaks("test_dns_is_spread", says=("at least 2",))
def _dns_runs_once(facts: Json) -> None:
    del facts["dns"][1:]


# ---- etcd's members and clients ----


@breaks(*on("test_members_count_the_same_elections", *CONTROL), says=(f"{THIRD} says 9",))
def _member_holds_elections_alone(facts: Json) -> None:
    for part in ("status", "later"):
        facts["views"][THIRD]["etcd"][part]["term"] = 9


@breaks(*on("test_member_knows_the_common_leader", *CONTROL), says=(f"{THIRD} says 9",))
def _member_follows_another_leader(facts: Json) -> None:
    for part in ("status", "later"):
        facts["views"][THIRD]["etcd"][part]["leader"] = "9"


@breaks(
    *on("test_members_are_the_expected_ones", *CONTROL),
    *on("test_no_learner_is_left", *CONTROL),
    *on("test_voters_are_odd", *CONTROL),
    says=("learner",),
)
def _successor_is_still_a_learner(facts: Json) -> None:
    for name in CONTROL:
        facts["views"][name]["etcd"]["members"][2]["learner"] = True


@breaks(
    *on("test_members_are_the_expected_ones", *CONTROL),
    *on("test_voters_are_odd", *CONTROL),
    says=("was not removed",),
)
def _replaced_member_is_still_listed(facts: Json) -> None:
    dead = {"id": "99", "name": "old", "client_urls": ["https://192.0.2.12:2379"], "learner": False}
    for name in CONTROL:
        facts["views"][name]["etcd"]["members"].append(dead)


@breaks(
    *on("test_clients_read_their_own_only", SECOND),
    says=("flanneld may read /registry/", "auth status"),
)
def _flannel_reads_secrets(facts: Json) -> None:
    facts["views"][SECOND]["etcd"]["rights"]["flanneld /registry/"] = "allowed"


@breaks(
    *on("test_clients_read_their_own_only", SECOND),
    says=("stranger may read /coreos.com/network/",),
)
def _unknown_name_reads_the_network(facts: Json) -> None:
    facts["views"][SECOND]["etcd"]["rights"]["stranger /coreos.com/network/"] = "allowed"


@breaks(
    *on("test_clients_read_their_own_only", SECOND),
    says=("kube-apiserver may not read /registry/",),
)
def _apiserver_is_locked_out(facts: Json) -> None:
    facts["views"][SECOND]["etcd"]["rights"]["kube-apiserver /registry/"] = "denied"


@breaks(*on("test_secrets_rest_encrypted", FIRST), says=("readable", "--encryption-provider"))
def _secrets_rest_in_plain(facts: Json) -> None:
    facts["views"][FIRST]["etcd"]["at_rest"] = {"size": 290, "prefix": "", "plain": True}


# ---- runtimes ----


@breaks(*on("test_node_runs_expected_runtime", DOCKER), says=("docker://29.8.1", "containerd://"))
def _docker_node_runs_containerd(facts: Json) -> None:
    facts["nodes"][DOCKER]["runtime"] = "containerd://2.4.2"
    endpoint = facts["views"][PLAIN]["kubelet"]["containerRuntimeEndpoint"]
    facts["views"][DOCKER]["kubelet"]["containerRuntimeEndpoint"] = endpoint


@breaks(*on("test_kubelet_speaks_to_the_runtime", DOCKER), says=("cri-dockerd.sock", "dockershim"))
def _kubelet_speaks_to_a_shim_of_old(facts: Json) -> None:
    view = facts["views"][DOCKER]
    view["kubelet"]["containerRuntimeEndpoint"] = "unix:///run/dockershim.sock"


@breaks(*on("test_containers_are_in_slices", DOCKER), says=("cgroupfs", "daemon.json"))
def _docker_makes_cgroups_itself(facts: Json) -> None:
    facts["views"][DOCKER]["runtime"]["cgroup"] = "/kubepods/besteffort/pod0/0badcafe"


@breaks(*on("test_logs_are_turned_over", DOCKER), says=("max-size not set", "cri-dockerd"))
def _docker_logs_grow(facts: Json) -> None:
    del facts["views"][DOCKER]["runtime"]["logs"]["max-size"]


@breaks(*on("test_logs_are_turned_over", PLAIN), says=("containerLogMaxFiles 1",))
def _kubelet_keeps_one_log(facts: Json) -> None:
    facts["views"][PLAIN]["kubelet"]["containerLogMaxFiles"] = "1"


@breaks(*on("test_registry_mirrors_agree", DOCKER), says=("mirror.example", "none"))
def _docker_without_the_mirror(facts: Json) -> None:
    facts["views"][DOCKER]["runtime"]["mirrors"] = []


@breaks(*on("test_docker_shares_the_lease", DOCKER), says=("172.17.0.1/16", "docker.env"))
def _docker_has_a_network_of_its_own(facts: Json) -> None:
    facts["views"][DOCKER]["links"]["docker0"]["addresses"] = ["172.17.0.1/16"]


@breaks(*on("test_docker_shares_the_lease", DOCKER), says=("beside cni0's",))
def _docker_gives_pods_addresses_again(facts: Json) -> None:
    lease = healthy.HA_NODES[DOCKER].subnet
    facts["views"][DOCKER]["links"]["docker0"]["addresses"] = [f"{lease}.1/24"]


@breaks(*on("test_docker_shares_the_lease", DOCKER), says=("MTU 1450", "MTU 1500"))
def _docker_sends_too_much(facts: Json) -> None:
    facts["views"][DOCKER]["links"]["docker0"]["mtu"] = 1500


# ---- doors ----


@breaks(*on("test_kubelet_refuses_strangers", PLAIN), says=("10250", "HTTP 200"))
def _kubelet_tells_everybody(facts: Json) -> None:
    facts["views"][PLAIN]["kubelet_doors"]["anonymous"] = 200


@breaks(*on("test_ports_without_authentication_are_shut", PLAIN), says=("10255", "readOnlyPort"))
def _read_only_port_is_open(facts: Json) -> None:
    facts["views"][PLAIN]["kubelet_doors"]["read_only"] = 200


@breaks(*on("test_ports_without_authentication_are_shut", FIRST), says=("192.0.2.10:10257",))
def _controller_manager_listens_to_others(facts: Json) -> None:
    facts["views"][FIRST]["listeners"].append({"address": "192.0.2.10", "port": 10257})


@breaks(*on("test_ports_without_authentication_are_shut", DOCKER), says=("0.0.0.0:2375", "Docker"))
def _docker_listens_to_the_world(facts: Json) -> None:
    facts["views"][DOCKER]["listeners"].append({"address": "0.0.0.0", "port": 2375})


@breaks(f"test_old_tls_is_refused[{FIRST}:api]", says=("TLSv1.1", "192.0.2.10:6443"))
def _old_tls_is_spoken(facts: Json) -> None:
    old = facts["views"][FIRST]["ports"]["api"]["old"]
    old |= {"agreed": "TLSv1.1 ECDHE-RSA-AES128-SHA", "refused": ""}


@breaks(f"test_weak_ciphers_are_refused[{SECOND}:etcd]", says=("AES128-SHA", "cipher-suites"))
def _weak_ciphers_are_spoken(facts: Json) -> None:
    weak = facts["views"][SECOND]["ports"]["etcd"]["weak"]
    weak |= {"agreed": "TLSv1.2 ECDHE-RSA-AES128-SHA", "refused": ""}


@breaks(f"test_certificate_is_its_authoritys[{PLAIN}:kubelet]", says=("self-signed", "cluster's"))
def _kubelet_signs_for_itself(facts: Json) -> None:
    certificate = facts["views"][PLAIN]["ports"]["kubelet"]["certificate"]
    certificate["distrust"] = "18 (self-signed certificate)"


@breaks(f"test_certificate_lives_on[{THIRD}:peer]", says=("12.0 days", "heatgen rotate"))
def _certificate_ends_soon(facts: Json) -> None:
    certificate = facts["views"][THIRD]["ports"]["peer"]["certificate"]
    certificate["not_after"] = "2026-12-05T12:00:00+00:00"


@breaks(*on("test_kubelets_own_certificate_lives_on", PLAIN), says=("0.5 days", "kubectl get csr"))
def _kubelet_certificate_is_not_renewed(facts: Json) -> None:
    certificate = facts["views"][PLAIN]["certificates"][cis_rules.KUBELET_CLIENT]
    certificate |= {"not_before": "2026-11-01T00:00:00+00:00"}
    certificate |= {"not_after": "2026-11-24T00:00:00+00:00"}


@breaks(*on("test_kubelets_own_certificate_lives_on", PLAIN), says=("another node",))
def _kubelet_has_anothers_certificate(facts: Json) -> None:
    certificate = facts["views"][PLAIN]["certificates"][cis_rules.KUBELET_CLIENT]
    certificate["subject"] = f"O=system:nodes,CN=system:node:{DOCKER}"


@breaks(*on("test_etcd_has_its_own_authority", FIRST), says=("CN=kubernetes", "for all"))
def _one_authority_for_all(facts: Json) -> None:
    facts["views"][FIRST]["ports"]["etcd"]["certificate"]["issuer"] = "CN=kubernetes"


# ---- programs, files, the log ----


@breaks(f"test_program_is_closed[{FIRST}-kube-apiserver]", says=("profiling is false", "not given"))
def _apiserver_shows_profiles(facts: Json) -> None:
    del facts["views"][FIRST]["programs"]["kube-apiserver"]["flags"]["profiling"]


@breaks(f"test_program_is_closed[{FIRST}-kube-apiserver]", says=("lacks AlwaysAllow",))
def _apiserver_allows_all(facts: Json) -> None:
    flags = facts["views"][FIRST]["programs"]["kube-apiserver"]["flags"]
    flags["authorization-mode"] = "Node,RBAC,AlwaysAllow"


@breaks(f"test_program_is_closed[{FIRST}-kube-apiserver]", says=("audit-log-maxsize at least 1",))
def _audit_log_is_never_turned_over(facts: Json) -> None:
    facts["views"][FIRST]["programs"]["kube-apiserver"]["flags"]["audit-log-maxsize"] = "0"


@breaks(f"test_program_is_closed[{SECOND}-etcd]", says=("peer-client-cert-auth",))
def _any_peer_may_join(facts: Json) -> None:
    facts["views"][SECOND]["programs"]["etcd"]["flags"]["peer-client-cert-auth"] = "false"


@breaks(*on("test_kubelet_is_closed", PLAIN), says=("rotateCertificates", "false"))
def _kubelet_renews_nothing(facts: Json) -> None:
    facts["views"][PLAIN]["kubelet"]["rotateCertificates"] = "false"


@breaks(f"test_service_is_not_root[{THIRD}-etcd]", says=("root", "User="))
def _etcd_is_root(facts: Json) -> None:
    facts["views"][THIRD]["programs"]["etcd"]["user"] = "root"


@breaks(f"test_files_are_closed[{FIRST}-keys]", says=("644 root /etc/kubernetes/pki/issuer.key",))
def _key_is_for_all_to_read(facts: Json) -> None:
    set_file(facts, FIRST, "/etc/kubernetes/pki/issuer.key", mode="644")


@breaks(f"test_files_are_closed[{PLAIN}-configuration]", says=("666 root", "chmod"))
def _configuration_is_for_all_to_change(facts: Json) -> None:
    set_file(facts, PLAIN, "/etc/kubernetes/kubelet.json", mode="666")


@breaks(f"test_files_are_closed[{PLAIN}-cni]", says=("666 root", "/etc/cni/net.d"))
def _cni_configuration_is_for_all_to_change(facts: Json) -> None:
    set_file(facts, PLAIN, "/etc/cni/net.d/10-flannel.conflist", mode="666")


@breaks(f"test_files_are_closed[{FIRST}-etcd-data]", says=("700 nobody /var/lib/etcd",))
def _etcd_data_is_anothers(facts: Json) -> None:
    set_file(facts, FIRST, "/var/lib/etcd", owner="nobody")


@breaks(f"test_files_are_closed[{DOCKER}-sockets]", says=("777 root /run/cri-dockerd.sock",))
def _socket_is_for_all(facts: Json) -> None:
    set_file(facts, DOCKER, "/run/cri-dockerd.sock", mode="777")


def set_file(facts: Json, node: str, path: str, **changes: str) -> None:
    """Change what was seen of one file."""
    (file,) = [file for file in facts["views"][node]["files"] if file["path"] == path]
    file |= changes


@breaks(*on("test_audit_log_grows", SECOND), says=("4096 bytes before, 4096 after",))
def _audit_log_stands_still(facts: Json) -> None:
    facts["views"][SECOND]["audit"]["after"] = 4096


@breaks(*on("test_audit_log_grows", SECOND), says=("no --audit-log-path",))
def _nothing_is_written_down(facts: Json) -> None:
    facts["views"][SECOND]["audit"] = {"path": "", "before": -1, "after": -1}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_alteration_turns_its_own_checks_red(replay: Replay, case: Case) -> None:
    """Exactly the declared checks fail, none is in error, and the message names place and cause."""
    CASES.judge(replay, case)
