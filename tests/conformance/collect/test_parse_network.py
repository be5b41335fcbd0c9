# SPDX-License-Identifier: Apache-2.0
"""What the probes print of the ways between nodes, and what is made of it."""

import base64
import json

from conformance.collect.parse_network import parse_forward, parse_lease_seconds, paths_of
from conformance.collect.parse_node import ProbeOutput, Section
from conformance.facts.network import Answer, Frames, Own, Ping, Queries, Requests
from conformance.outcome import Unavailable

SAID = """\
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
"""


def printed(said: str) -> ProbeOutput:
    """A node that told this of the network."""
    return ProbeOutput("here", {"network": Section(said, 0, "")})


def test_lines_become_paths() -> None:
    """Each kind of line, in any order."""
    told = paths_of(printed(SAID))
    assert told.own == Own("10.244.1.5", 1400)
    assert told.neighbour == Ping(5, 5, 0.121, 0.08)
    assert told.host_pings == {"a": Ping(5, 0, None, None)}
    assert told.frames == {
        "a": Frames(1400, 3, 3, ""),
        "b": Frames(1400, 3, 0, "ping: local error: message too long, mtu=1350"),
    }
    assert told.direct == {
        "a": Answer("on-a", 1, 20, ""),
        "b": Answer("", 2, 3010, "no answer in 3 s"),
    }
    assert isinstance(told.nobody, Answer)
    assert told.nobody.problem.endswith("Connection refused")
    assert told.sticky == ["probe-net-1", "-"]
    assert told.requests == Requests(20, 1, 4010, "no answer in 4 s")
    assert told.queries == {
        "10.96.0.10": Queries([10, 0], 0, ""),
        "10.244.2.3": Queries([], 1, "no answer in 8 s"),
    }
    assert told.lease_seconds is None


def test_a_ping_that_cannot_is_no_fault() -> None:
    """Without a ping that forbids to break up packets there is no way to ask: a skip."""
    told = paths_of(printed("no_frames the node's ping cannot\n"))
    assert told.frames == Unavailable("here: the node's ping cannot", permanent=True)


def test_chains_are_followed_from_forward() -> None:
    """Rules of FORWARD and of what it jumps to, and no others."""
    text = (
        "-P INPUT ACCEPT\n-P FORWARD DROP\n-N FLANNEL-FWD\n-A INPUT -j KUBE-FIREWALL\n"
        "-A FORWARD -j FLANNEL-FWD\n-A FLANNEL-FWD -s 10.244.0.0/16 -j ACCEPT\n"
    )
    assert parse_forward(text) == [
        "-P FORWARD DROP",
        "-A FORWARD -j FLANNEL-FWD",
        "-A FLANNEL-FWD -s 10.244.0.0/16 -j ACCEPT",
    ]


def test_leases_end_by_subnet() -> None:
    """What etcd says of each lease: the seconds, and the keys that go with it."""
    key = base64.b64encode(b"/coreos.com/network/subnets/10.244.1.0-24").decode()
    lines = [json.dumps({"id": 7, "ttl": 86000, "keys": [key]}), json.dumps({"id": 8, "ttl": -1})]
    assert parse_lease_seconds("\n".join(lines)) == {"10.244.1.0/24": 86000}
