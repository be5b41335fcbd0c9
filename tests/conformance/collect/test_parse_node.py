# SPDX-License-Identifier: Apache-2.0
"""Parser of the probe's output: valid, failed, missing and malformed sections."""

from conformance.collect import parse_node
from conformance.facts.model import Health, Lookup, Unit
from conformance.facts.network import Answer, Ping
from conformance.outcome import Unavailable
from tests.conformance.collect.sections import WEB, framed, view


def test_failed_command_is_unavailable() -> None:
    """The reason contains the exit status and the error message."""
    fact = view(framed("links", "", 1, "permission denied")).links
    assert fact == Unavailable("node: links: exit status 1: permission denied", permanent=False)


def test_missing_tool_is_permanently_unavailable() -> None:
    """Checks of a node without the tool are skipped."""
    fact = view(framed("links", "", 127, "the node has no ip")).links
    assert fact == Unavailable("node: links: the node has no ip", permanent=True)


def test_missing_and_malformed_sections_are_unavailable() -> None:
    """The reason contains the malformed text, or the name of the missing section."""
    found = view(framed("links", "{oh"))
    assert isinstance(found.links, Unavailable)
    assert "{oh" in found.links.unasked
    assert isinstance(found.routes, Unavailable)
    assert "routes" in found.routes.unasked


def test_markers_of_other_runs_are_text() -> None:
    """Only markers with the ID of this run delimit sections."""
    text = "FLANNEL_NETWORK=a\nFLANNEL_SUBNET=b\nFLANNEL_MTU=1\n@@other end subnet_env 1 x"
    env = view(framed("subnet_env", text)).subnet_env
    assert env is not None
    assert not isinstance(env, Unavailable)
    assert env.subnet == "b"


def test_missing_subnet_env_is_none() -> None:
    """That the file does not exist is a fact."""
    assert view(framed("subnet_env", "", 2, "no such file")).subnet_env is None


def test_failed_health_check_is_a_result() -> None:
    """Unlike with other commands, its failure means that the member is unhealthy."""
    member = view(
        framed("etcd_process", "7"), framed("etcd_health", "", 1, "context deadline exceeded")
    ).etcd
    assert member is not None
    assert not isinstance(member, Unavailable)
    assert member.health == Health(False, "context deadline exceeded")
    assert isinstance(member.alarms, Unavailable)


def test_node_without_etcd_process_has_no_member() -> None:
    """Without a process the fact is null."""
    assert view(framed("etcd_process", "")).etcd is None


def test_network_lines_are_grouped_by_kind() -> None:
    """Lines of host and pod may be interleaved."""
    found = view(
        framed(
            "network",
            "pod_ping a 3 3 0.2\n"
            f"host_http {WEB} 1 4 ok web-1\n"
            "host_ping a 3 0 -\n"
            f"pod_http {WEB} 2 7040 failed no answer in 3 s\n"
            "nameserver 10.96.0.10\n"
            "lookup web.ns.svc 6 ok 10.96.7.7 \n"
            "lookup kubernetes.default.svc 6010 failed no answer in 6 s\n",
        )
    )
    assert found.pod_pings == {"a": Ping(3, 3, 0.2)}
    assert found.host_pings == {"a": Ping(3, 0, None)}
    assert found.web_from_host == Answer("web-1", 1, 4, "")
    assert found.web_from_pod == Answer("", 2, 7040, "no answer in 3 s")
    assert found.nameservers == ["10.96.0.10"]
    assert found.lookups == {
        "web.ns.svc": Lookup(["10.96.7.7"], 6, ""),
        "kubernetes.default.svc": Lookup([], 6010, "no answer in 6 s"),
    }


def test_upstream_nameservers_are_those_of_the_host_probe() -> None:
    """Name servers of pods with dnsPolicy Default are separate from those of the cluster."""
    found = view(framed("upstream_nameservers", "192.0.2.2\nfe80::1%eth0"))
    assert found.upstream_nameservers == ["192.0.2.2", "fe80::1%eth0"]


def test_missing_pod_does_not_affect_facts_of_the_host() -> None:
    """Facts of the pod-network probe are unavailable, with the reason."""
    found = view(framed("network", "host_ping a 3 3 0.2\npod_problem no such process\n"))
    assert found.host_pings == {"a": Ping(3, 3, 0.2)}
    assert isinstance(found.pod_pings, Unavailable)
    assert "no such process" in found.pod_pings.unasked


def test_units_are_keyed_by_name() -> None:
    """Properties may be in any order; units that are not installed are included."""
    text = (
        "Id=etcd.service\nLoadState=loaded\nActiveState=active\nSubState=running\n\n"
        "SubState=dead\nId=docker.service\nLoadState=not-found\nActiveState=inactive"
    )
    assert parse_node.parse_units(text) == {
        "etcd": Unit("loaded", "active", "running"),
        "docker": Unit("not-found", "inactive", "dead"),
    }
