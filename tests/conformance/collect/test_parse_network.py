# SPDX-License-Identifier: Apache-2.0
"""Parser of the probe's output about network paths."""

import base64
import json

from conformance.collect.parse_network import parse_forward, parse_lease_seconds, paths_of
from conformance.collect.parse_node import ProbeOutput, Section
from conformance.facts.network import Answer, Frames, MetadataAccess, Own, Ping, Queries, Requests
from conformance.outcome import Unavailable

OUTPUT = """\
own 10.244.1.5 1400
neighbour 10.244.1.6 5 5 0.121 0.080
pod_to_host a 5 5 0.2 0.1
host_to_host a 5 0 - -
frames a 1400 3 3 \n\
frames b 1400 3 0 ping: local error: message too long, mtu=1350
seen_as a 10.244.1.5
direct a 1 20 ok on-a
direct b 2 3010 failed no answer in 3 s
itself - 1 10 ok probe-net-1
nobody - 1 0 failed wget: can't connect to remote host (10.96.1.1): Connection refused
sticky probe-net-1
sticky -
requests 20 1 4010 no answer in 4 s
query 10.96.0.10 10 ok
query 10.96.0.10 0 ok
query 10.244.2.3 8010 failed no answer in 8 s
outside a 1 10 ok 192.0.2.10:40000
metadata_from_pod failed wget: can't connect to remote host (169.254.169.254): Connection refused
metadata_from_host ok
"""


def probe_output(network: str) -> ProbeOutput:
    """Return the output of a probe with this section ``network``."""
    return ProbeOutput("here", {"network": Section(network, 0, "")})


def test_lines_are_parsed_by_kind() -> None:
    """Every kind of line, in any order."""
    found = paths_of(probe_output(OUTPUT))
    assert found.own == Own("10.244.1.5", 1400)
    assert found.neighbour == Ping(5, 5, 0.121, 0.08)
    assert found.host_pings == {"a": Ping(5, 0, None, None)}
    assert found.frames == {
        "a": Frames(1400, 3, 3, ""),
        "b": Frames(1400, 3, 0, "ping: local error: message too long, mtu=1350"),
    }
    assert found.direct == {
        "a": Answer("on-a", 1, 20, ""),
        "b": Answer("", 2, 3010, "no answer in 3 s"),
    }
    assert isinstance(found.nobody, Answer)
    assert found.nobody.problem.endswith("Connection refused")
    assert found.metadata == MetadataAccess(
        "wget: can't connect to remote host (169.254.169.254): Connection refused", ""
    )
    assert found.sticky == ["probe-net-1", "-"]
    assert found.requests == Requests(20, 1, 4010, "no answer in 4 s")
    assert found.queries == {
        "10.96.0.10": Queries([10, 0], 0, ""),
        "10.244.2.3": Queries([], 1, "no answer in 8 s"),
    }
    assert found.lease_seconds is None


def test_frames_are_unavailable_without_a_suitable_ping() -> None:
    """If ping cannot set Don't Fragment, the fact is permanently unavailable."""
    found = paths_of(probe_output("no_frames the node's ping cannot\n"))
    assert found.frames == Unavailable("here: the node's ping cannot", permanent=True)


def test_chains_reached_from_forward_are_returned() -> None:
    """Rules of FORWARD and of the chains it jumps to, and no others."""
    text = (
        "-P INPUT ACCEPT\n-P FORWARD DROP\n-N FLANNEL-FWD\n-A INPUT -j KUBE-FIREWALL\n"
        "-A FORWARD -j FLANNEL-FWD\n-A FLANNEL-FWD -s 10.244.0.0/16 -j ACCEPT\n"
    )
    assert parse_forward(text) == [
        "-P FORWARD DROP",
        "-A FORWARD -j FLANNEL-FWD",
        "-A FLANNEL-FWD -s 10.244.0.0/16 -j ACCEPT",
    ]


def test_lease_seconds_are_keyed_by_subnet() -> None:
    """The subnet is in the key of the lease; leases without keys are ignored."""
    key = base64.b64encode(b"/coreos.com/network/subnets/10.244.1.0-24").decode()
    lines = [json.dumps({"id": 7, "ttl": 86000, "keys": [key]}), json.dumps({"id": 8, "ttl": -1})]
    assert parse_lease_seconds("\n".join(lines)) == {"10.244.1.0/24": 86000}
