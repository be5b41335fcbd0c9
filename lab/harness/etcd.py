# SPDX-License-Identifier: Apache-2.0
"""State of etcd, read with etcdctl on a node, with the certificate for health checks."""

import json
from dataclasses import dataclass
from typing import Any

from lab.harness.cluster import Node

PKI = "/etc/etcd/pki"
ETCDCTL = (
    "/opt/heatgen/bin/etcdctl --command-timeout 5s --write-out json"
    f" --cacert {PKI}/ca.crt --cert {PKI}/health.crt --key {PKI}/health.key"
)


@dataclass(frozen=True)
class Member:
    """A member in the list of members."""

    number: int
    name: str
    learner: bool


def url(node: Node) -> str:
    """Return the client URL of the member on a node."""
    return f"https://{node.address}:2379"


def members(node: Node) -> dict[str, Member]:
    """Return all members by name, as the member on a node lists them."""
    listed = json.loads(node.run(f"{ETCDCTL} --endpoints {url(node)} member list"))
    found = [
        Member(int(each["ID"]), str(each.get("name", "")), bool(each.get("isLearner")))
        for each in listed["members"]
    ]
    return {member.name: member for member in found}


def healthy(client: Node, nodes: list[Node]) -> list[str]:
    """Return the names of the nodes whose member is healthy; run etcdctl on the node `client`."""
    endpoints = ",".join(url(node) for node in nodes)
    output = client.run(f"{ETCDCTL} --endpoints {endpoints} endpoint health || true")
    states: list[dict[str, Any]] = json.loads(output)
    found = {each["endpoint"] for each in states if each["health"]}
    return [node.name for node in nodes if url(node) in found]


def leader(nodes: list[Node]) -> Node:
    """Return the node with the leader."""
    endpoints = ",".join(url(node) for node in nodes)
    states = json.loads(nodes[0].run(f"{ETCDCTL} --endpoints {endpoints} endpoint status"))
    by_url = {url(node): node for node in nodes}
    for each in states:
        if each["Status"]["leader"] == each["Status"]["header"]["member_id"]:
            return by_url[each["Endpoint"]]
    raise AssertionError(f"etcd has no leader: {states}")
