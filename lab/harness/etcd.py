# SPDX-License-Identifier: Apache-2.0
"""etcd as its members tell of it, asked on a node with the certificate for health."""

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
    """One member as the cluster lists it."""

    number: int
    name: str
    learner: bool


def url(node: Node) -> str:
    """Return the address of a node's member."""
    return f"https://{node.address}:2379"


def members(node: Node) -> dict[str, Member]:
    """Return all members by their name, as the one on a node lists them."""
    answer = json.loads(node.run(f"{ETCDCTL} --endpoints {url(node)} member list"))
    found = [
        Member(int(each["ID"]), str(each.get("name", "")), bool(each.get("isLearner")))
        for each in answer["members"]
    ]
    return {member.name: member for member in found}


def healthy(asked: Node, nodes: list[Node]) -> list[str]:
    """Return the names of those nodes whose member is healthy, asked from one of them."""
    endpoints = ",".join(url(node) for node in nodes)
    answer = asked.run(f"{ETCDCTL} --endpoints {endpoints} endpoint health || true")
    told: list[dict[str, Any]] = json.loads(answer)
    good = {each["endpoint"] for each in told if each["health"]}
    return [node.name for node in nodes if url(node) in good]


def leader(nodes: list[Node]) -> Node:
    """Return the node whose member leads."""
    endpoints = ",".join(url(node) for node in nodes)
    answer = json.loads(nodes[0].run(f"{ETCDCTL} --endpoints {endpoints} endpoint status"))
    by_url = {url(node): node for node in nodes}
    for each in answer:
        if each["Status"]["leader"] == each["Status"]["header"]["member_id"]:
            return by_url[each["Endpoint"]]
    raise AssertionError(f"no member says it leads: {answer}")
