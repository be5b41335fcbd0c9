# SPDX-License-Identifier: Apache-2.0
"""A member serves plain HTTP, on its normal port and on an additional one."""

from lab.faultinjection import etcd_members
from lab.faultinjection.context import Context, Victims

KIND = "real"
MESSAGE_CONTAINS = ("plain HTTP", "2479")
COMPANIONS: dict[str, str] = {}


def inject(context: Context) -> Victims:
    """Add plain HTTP listeners to the last member."""
    node = context.control[-1]
    host = node.address
    urls = f"https://127.0.0.1:2379,https://{host}:2379,http://{host}:2379,http://{host}:2479"
    etcd_members.configure(node, {"ETCD_LISTEN_CLIENT_URLS": urls})
    etcd_members.await_settled(context)
    return Victims.of(node)


def heal(context: Context) -> None:
    """Restore the original listeners."""
    etcd_members.restore(context.control[-1])
