# SPDX-License-Identifier: Apache-2.0
"""Reading what the probes print: the good, the failed, the missing and the garbled."""

from conformance.collect import parse_node
from conformance.facts.model import Health, Lookup, Unit
from conformance.facts.network import Answer, Ping
from conformance.outcome import Unavailable
from tests.conformance.collect.sections import WEB, framed, view


def test_failed_command_is_unasked_with_its_reason() -> None:
    """A command that failed is no fact about the cluster; status and complaint are kept."""
    fact = view(framed("links", "", 1, "permission denied")).links
    assert fact == Unavailable("node: links: exit status 1: permission denied", permanent=False)


def test_missing_tool_is_unasked_for_good() -> None:
    """A node without the tool is not asked again: its tests skip."""
    fact = view(framed("links", "", 127, "the node has no ip")).links
    assert fact == Unavailable("node: links: the node has no ip", permanent=True)


def test_missing_and_garbled_sections_are_unasked() -> None:
    """What the probe did not tell, or told in an unknown form, is never taken for a good value."""
    told = view(framed("links", "{oh"))
    assert isinstance(told.links, Unavailable)
    assert "cannot read '{oh'" in told.links.unasked
    assert isinstance(told.routes, Unavailable)
    assert "told nothing about routes" in told.routes.unasked


def test_output_that_looks_like_a_frame_of_another_run_is_text() -> None:
    """Only this run's own marks frame; anything else is what a command printed."""
    text = "FLANNEL_NETWORK=a\nFLANNEL_SUBNET=b\nFLANNEL_MTU=1\n@@other end subnet_env 1 x"
    env = view(framed("subnet_env", text)).subnet_env
    assert env is not None
    assert not isinstance(env, Unavailable)
    assert env.subnet == "b"


def test_absent_subnet_env_is_an_answer() -> None:
    """A node without the file was asked, and has none."""
    assert view(framed("subnet_env", "", 2, "no such file")).subnet_env is None


def test_unhealthy_member_is_an_answer() -> None:
    """Unlike other commands, a failed health call says something about the cluster."""
    told = view(
        framed("etcd_process", "7"), framed("etcd_health", "", 1, "context deadline exceeded")
    )
    assert told.etcd is not None
    assert not isinstance(told.etcd, Unavailable)
    assert told.etcd.health == Health(False, "context deadline exceeded")
    assert isinstance(told.etcd.alarms, Unavailable)


def test_node_without_etcd_has_none() -> None:
    """No process, no member."""
    assert view(framed("etcd_process", "")).etcd is None


def test_network_lines_are_sorted_by_kind() -> None:
    """Answers come in any order, from host and pod alike."""
    told = view(
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
    assert told.pod_pings == {"a": Ping(3, 3, 0.2)}
    assert told.host_pings == {"a": Ping(3, 0, None)}
    assert told.web_from_host == Answer("web-1", 1, 4, "")
    assert told.web_from_pod == Answer("", 2, 7040, "no answer in 3 s")
    assert told.nameservers == ["10.96.0.10"]
    assert told.lookups == {
        "web.ns.svc": Lookup(["10.96.7.7"], 6, ""),
        "kubernetes.default.svc": Lookup([], 6010, "no answer in 6 s"),
    }


def test_pod_that_cannot_be_entered_leaves_the_hosts_answers() -> None:
    """What the pod would have told is unasked, with the reason; what the host told stands."""
    told = view(framed("network", "host_ping a 3 3 0.2\npod_problem no such process\n"))
    assert told.host_pings == {"a": Ping(3, 3, 0.2)}
    assert isinstance(told.pod_pings, Unavailable)
    assert "no such process" in told.pod_pings.unasked


def test_units_are_read_by_name() -> None:
    """The blocks of systemctl, in any order, with units that are not installed."""
    text = (
        "Id=etcd.service\nLoadState=loaded\nActiveState=active\nSubState=running\n\n"
        "SubState=dead\nId=docker.service\nLoadState=not-found\nActiveState=inactive"
    )
    assert parse_node.parse_units(text) == {
        "etcd": Unit("loaded", "active", "running"),
        "docker": Unit("not-found", "inactive", "dead"),
    }
