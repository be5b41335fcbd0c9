# SPDX-License-Identifier: Apache-2.0
"""Checks that were renamed: results from before a rename have their current names when read."""

from typing import Any

RENAMED = {
    "test_account_may_do_what_its_role_says": "test_account_has_only_the_rights_of_its_role",
    "test_api_refuses_strangers": "test_api_refuses_anonymous_clients",
    "test_default_storage_class_is_there": "test_default_storage_class_exists",
    "test_everybody_has_no_great_rights": "test_all_clients_have_limited_rights",
    "test_kubelet_refuses_strangers": "test_kubelet_refuses_anonymous_clients",
    "test_pod_that_asks_too_much_waits": "test_pod_that_requests_too_much_waits",
    "test_pod_without_wishes_runs": "test_unconstrained_pod_runs",
    "test_pods_ask_the_clusters_dns": "test_pods_use_the_clusters_dns",
    "test_stranger_is_refused": "test_etcd_refuses_anonymous_clients",
    "test_strangers_have_no_rights": "test_anonymous_clients_have_no_rights",
    "test_webhooks_can_be_asked": "test_webhooks_have_endpoints",
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
