# SPDX-License-Identifier: Apache-2.0
"""A member answers over plain HTTP, at its usual port and at one that nobody planned."""

from lab.faultinjection import etcd_members
from lab.faultinjection.context import Context, Victims, hit

KIND = "real"
SAYS = ("plain HTTP", "2479")
COMPANIONS: dict[str, str] = {}


def inject(context: Context) -> Victims:
    """Have the last server's member listen there, too."""
    node = context.control[-1]
    at = node.address
    urls = f"https://127.0.0.1:2379,https://{at}:2379,http://{at}:2379,http://{at}:2479"
    etcd_members.change(node, {"ETCD_LISTEN_CLIENT_URLS": urls})
    etcd_members.settle(context)
    return hit(node)


def heal(context: Context) -> None:
    """Let it listen as it was made."""
    etcd_members.restore(context.control[-1])
