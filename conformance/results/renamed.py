# SPDX-License-Identifier: Apache-2.0
"""Checks that were renamed: results from before a rename have their current names when read."""

from typing import Any

RENAMED = {
    "test_account_may_do_what_its_role_says": "test_account_has_only_the_rights_of_its_role",
    "test_api_keeps_objects": "test_api_stores_objects",
    "test_api_refuses_strangers": "test_api_refuses_anonymous_clients",
    "test_api_server_knows_no_anonymous": "test_api_server_needs_credentials",
    "test_api_service_leads_to_every_server": "test_api_service_has_all_endpoints",
    "test_audit_log_grows": "test_requests_are_audited",
    "test_bridge_has_the_subnet": "test_bridge_has_the_gateway_address",
    "test_bridge_shows_packets_to_the_rules": "test_bridged_packets_pass_iptables",
    "test_budget_stops_an_eviction": "test_disruption_budget_prevents_eviction",
    "test_certificate_files_live_on": "test_certificate_files_do_not_expire_soon",
    "test_certificate_is_its_authoritys": "test_served_certificate_is_trusted",
    "test_certificate_lives_on": "test_served_certificate_does_not_expire_soon",
    "test_client_keeps_its_pod": "test_session_affinity_is_honoured",
    "test_clients_read_their_own_only": "test_etcd_clients_read_only_their_prefix",
    "test_clock_is_right": "test_clock_agrees_with_other_nodes",
    "test_connections_fit_their_table": "test_conntrack_table_has_free_entries",
    "test_containers_are_in_slices": "test_pod_cgroups_are_managed_by_systemd",
    "test_creating_is_admitted": "test_ordinary_objects_are_admitted",
    "test_database_is_far_from_its_quota": "test_etcd_database_is_below_its_quota",
    "test_database_is_not_mostly_holes": "test_etcd_database_is_not_fragmented",
    "test_database_is_written_in_time": "test_etcd_database_is_written_in_time",
    "test_default_storage_class_is_there": "test_default_storage_class_exists",
    "test_deployment_rolls_over": "test_deployment_rolling_update_keeps_pods_available",
    "test_docker_shares_the_lease": "test_docker0_uses_the_lease",
    "test_every_part_of_the_api_answers": "test_aggregated_apis_are_available",
    "test_every_replica_of_dns_answers": "test_every_dns_replica_answers",
    "test_everybody_has_no_great_rights": "test_all_clients_have_limited_rights",
    "test_files_are_closed": "test_files_have_restrictive_modes",
    "test_forward_chain_lets_pods_through": "test_forward_chain_accepts_pod_traffic",
    "test_higher_priority_comes_first": "test_higher_priority_preempts_lower",
    "test_idle_connection_lives": "test_idle_connection_still_works",
    "test_kernel_is_set_for_containers": "test_kernel_settings_are_as_kubelet_requires",
    "test_kube_proxy_comes_back": "test_kube_proxy_recovers",
    "test_kubelet_has_room": "test_disk_space_is_above_eviction_thresholds",
    "test_kubelet_is_closed": "test_kubelet_configuration_follows_the_benchmark",
    "test_kubelet_is_near_the_api_servers_version": "test_kubelet_version_fits_the_api_server",
    "test_kubelet_refuses_strangers": "test_kubelet_refuses_anonymous_clients",
    "test_kubelet_speaks_to_the_runtime": "test_kubelet_uses_the_reported_runtime",
    "test_kubelets_own_certificate_lives_on": "test_kubelet_client_certificate_is_valid",
    "test_leader_stays": "test_etcd_leader_is_stable",
    "test_lease_has_the_mac_of_the_vxlan_device": "test_lease_matches_the_device",
    "test_lease_names_the_nodes_network": "test_lease_address_is_in_the_node_network",
    "test_lease_names_the_vxlan_device": "test_lease_matches_the_device",
    "test_log_is_written_in_time": "test_etcd_log_is_written_in_time",
    "test_logs_are_turned_over": "test_container_logs_are_rotated",
    "test_member_keeps_up": "test_member_applies_entries_in_time",
    "test_members_count_the_same_elections": "test_members_have_the_same_raft_term",
    "test_mtu_leaves_room_for_vxlan": "test_mtu_leaves_room_for_encapsulation",
    "test_no_learner_is_left": "test_no_member_is_a_learner",
    "test_no_replica_of_dns_is_late": "test_every_dns_replica_answers_in_time",
    "test_no_request_fails": "test_service_answers_every_request",
    "test_no_taint_is_left_over": "test_node_has_no_unexpected_taint",
    "test_node_comes_back_from_a_reboot": "test_node_recovers_from_a_reboot",
    "test_node_has_vxlan_route_to_peer": "test_node_has_route_to_peer",
    "test_node_knows_the_way": "test_node_has_route_to_peer",
    "test_node_port_keeps_the_client_s_address": "test_node_port_preserves_the_client_address",
    "test_one_node_holds_the_endpoint": "test_one_node_has_the_virtual_address",
    "test_peers_are_near": "test_latency_between_etcd_members_is_low",
    "test_pod_is_seen_by_its_own_address": "test_pod_addresses_are_not_translated",
    "test_pod_that_asks_too_much_waits": "test_pod_that_requests_too_much_waits",
    "test_pod_without_wishes_runs": "test_unconstrained_pod_runs",
    "test_pods_are_about_as_quick_as_hosts": "test_pod_throughput_is_close_to_that_of_hosts",
    "test_pods_ask_the_clusters_dns": "test_pods_use_the_clusters_dns",
    "test_pods_have_the_mtu_of_others": "test_pods_have_the_same_mtu_on_all_nodes",
    "test_pods_live_on_without_their_kubelet": "test_pods_keep_running_without_kubelet",
    "test_port_speaks_tls": "test_port_accepts_modern_tls",
    "test_ports_without_authentication_are_shut": "test_ports_without_authentication_are_closed",
    "test_process_ids_suffice": "test_process_ids_are_available",
    "test_program_is_closed": "test_control_plane_flags_follow_the_benchmark",
    "test_resource_is_counted": "test_extended_resource_is_counted",
    "test_secrets_rest_encrypted": "test_secrets_are_encrypted_in_etcd",
    "test_stateful_set_keeps_its_names": "test_stateful_set_keeps_pod_names",
    "test_stranger_is_refused": "test_etcd_refuses_anonymous_clients",
    "test_strangers_have_no_rights": "test_anonymous_clients_have_no_rights",
    "test_subnet_env_is_the_lease": "test_subnet_env_matches_the_lease",
    "test_token_ends_with_its_account": "test_token_of_deleted_account_is_rejected",
    "test_token_for_another_is_refused": "test_token_for_another_audience_is_rejected",
    "test_toleration_lets_pods_in": "test_toleration_is_honoured",
    "test_udp_leaves_a_backend_that_is_gone": "test_udp_clients_switch_to_the_new_backend",
    "test_unwelcome_pods_are_refused": "test_privileged_pods_are_rejected",
    "test_voters_are_odd": "test_number_of_voters_is_odd",
    "test_way_is_about_as_quick_as_others": "test_latency_is_similar_on_all_paths",
    "test_webhooks_can_be_asked": "test_webhooks_have_endpoints",
    "test_what_is_owned_goes_with_its_owner": "test_owned_object_is_deleted_with_its_owner",
}
"""Former to current names."""


def current(name: str) -> str:
    """Return the current name of a check or test; a module and parameters are kept."""
    path, bracket, parameters = name.partition("[")
    module, separator, check = path.rpartition("::")
    return f"{module}{separator}{RENAMED.get(check, check)}{bracket}{parameters}"


def in_result(line: dict[str, Any]) -> dict[str, Any]:
    """Return a result as plain JSON with the current names of its test and check."""
    return line | {key: current(line[key]) for key in ("test", "check") if key in line}
