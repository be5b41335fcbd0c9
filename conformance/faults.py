# SPDX-License-Identifier: Apache-2.0
"""Names of cluster faults, and the marker that declares which faults a check detects.

A check with ``@detects("vxlan-one-way")`` fails when that fault is present.
``lab/faultinjection/faults/`` injects each fault into a real cluster and verifies the declarations.
"""

from collections.abc import Callable
from typing import TypeVar

import pytest

Check = TypeVar("Check", bound=Callable[..., object])

FAULTS = {
    "vxlan-blocked": "UDP 8472 is dropped between all nodes",
    "vxlan-one-way": "UDP 8472 is dropped in one direction between two nodes",
    "vxlan-blocked-between-subnets": "UDP 8472 is dropped only between nodes of different subnets",
    "vxlan-lossy": "a node loses a third of the packets to pods of other nodes",
    "vxlan-slow": "packets of a node to pods of other nodes are delayed",
    "mtu-too-big": "the MTU of flannel.1 and pods is larger than the underlay supports",
    "vxlan-checksum-offload": "cross-node connections to a ClusterIP lose their first packets",
    "ip-forward-off": "a node does not forward packets (net.ipv4.ip_forward is 0)",
    "forward-policy-drop": "the FORWARD chain of a node drops packets that flannel accepts",
    "bridge-netfilter-off": "bridged packets on a node bypass the rules of Services",
    "stale-fdb": "a node sends frames for pods of another node to an outdated MAC",
    "duplicate-pod-subnet": "two nodes assign pod addresses from the same subnet",
    "lease-missing": "a Ready node has no flannel lease",
    "wrong-interface": "a flannel lease has an address outside the node network",
    "subnet-env-missing": "flanneld has not written subnet.env, which the CNI plugin needs",
    "cni-not-configured": "a node has no CNI configuration",
    "pod-addresses-dropped": "port security of the cloud drops packets from pod addresses",
    "metadata-open": "pods of a node can reach the metadata service of the cloud",
    "kube-proxy-down": "kube-proxy does not run on a node; its old rules remain",
    "stale-udp-conntrack": "UDP to a Service still goes to a deleted backend",
    "conntrack-full": "the connection tracking table of a node is full",
    "hairpin-off": "a pod cannot reach itself through its own Service",
    "node-port-closed": "a security group blocks NodePorts between nodes",
    "dns-down": "no replica of the cluster DNS runs or is reachable",
    "dns-slow": "one replica of the cluster DNS responds seconds late",
    "dns-loop": "the kubelet passes the stub of systemd-resolved to pods as their name server",
    "etcd-member-down": "one etcd member is down; the others have a quorum",
    "etcd-no-quorum": "etcd has no leader: most members are down",
    "etcd-no-space": "etcd has raised the alarm NOSPACE and refuses writes",
    "etcd-near-quota": "the etcd database is near its quota, or mostly free pages",
    "etcd-slow-disk": "the disk of an etcd member is slow",
    "etcd-diverged": "inconsistent etcd members: an even number, a stuck learner, different data",
    "etcd-open": "etcd responds without a client certificate, or over plain HTTP",
    "backup-overdue": "a control-plane node takes no backups of etcd any more",
    "backup-damaged": "the newest backup of a control-plane node is damaged on its disk",
    "scheduler-down": "no kube-scheduler runs",
    "controller-manager-down": "no kube-controller-manager runs",
    "kubelet-down": "the kubelet of a node does not run",
    "disk-pressure": "the disk of a node is full",
    "image-unavailable": "a node cannot pull an image",
    "sandbox-image-missing": "a node has no sandbox image and cannot pull it",
    "leftover-taint": "a node has a leftover taint or is still cordoned",
    "apiserver-down": "one of several API servers does not respond",
    "idle-connections-dropped": "a load balancer drops idle connections silently",
    "clock-skew": "a node's clock is off",
    "certificate-expiring": "a certificate has expired or expires soon",
    "kubelet-port-closed": "TCP 10250 from the API server to a node is blocked",
    "version-skew": "the version of a kubelet is too far from that of the API server",
    "webhook-without-endpoints": "a mandatory admission webhook is unreachable",
    "storage-class-missing": "the expected default StorageClass is missing",
    "anonymous-rights": "a role is bound to all users or to anonymous users",
    "node-missing": "a node created by the stack is not in the cluster",
    "etc-outdated": "the /etc of a node's booted system is older than the state of the cluster",
    "credentials-readable": "all users of a node can read the server's password for Heat",
    "namespace-stuck": "a namespace is stuck in termination",
}
"""Faults by name, ordered by the layer that breaks, each with a one-line description."""


def detects(*faults: str) -> Callable[[Check], Check]:
    """Mark a check as one that fails when one of these faults is present.

    Raises:
        ValueError: if one of them is not in ``FAULTS``.
    """
    unknown = sorted(set(faults) - set(FAULTS))
    if unknown:
        raise ValueError(f"no such fault: {', '.join(unknown)}")
    return pytest.mark.detects(*faults)
