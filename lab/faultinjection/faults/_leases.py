# SPDX-License-Identifier: Apache-2.0
"""Read and change the flannel leases in etcd."""

import json
from typing import Any

from lab.faultinjection.context import Context
from lab.harness.cluster import Node

PREFIX = "/coreos.com/network"
PKI = "/etc/etcd/pki"
ETCDCTL = (
    "/opt/heatgen/bin/etcdctl --endpoints https://127.0.0.1:2379 --command-timeout 5s "
    f"--cacert {PKI}/ca.crt --cert {PKI}/flannel.crt --key {PKI}/flannel.key"
)


def leases(context: Context) -> dict[str, dict[str, Any]]:
    """Return all leases by key."""
    printed = context.control[0].run(f"{ETCDCTL} get --prefix {PREFIX}/subnets/")
    lines = printed.splitlines()
    return {key: json.loads(value) for key, value in zip(lines[::2], lines[1::2], strict=True)}


def lease_of(context: Context, node: Node) -> tuple[str, dict[str, Any]]:
    """Return key and value of a node's lease."""
    return next(each for each in leases(context).items() if each[1]["PublicIP"] == node.address)


def delete(context: Context, key: str) -> None:
    """Delete a key, if it exists."""
    context.control[0].run(f"{ETCDCTL} del {key}")


def put(context: Context, key: str, value: dict[str, Any]) -> None:
    """Write a key that does not expire (without an etcd lease)."""
    text = json.dumps(value).encode()
    context.control[0].run(f"{ETCDCTL} put {key}", text=text)
