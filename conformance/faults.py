# SPDX-License-Identifier: Apache-2.0
"""What a cluster's faults are called, and which of them a check says it sees.

A check that bears `@detects("vxlan-one-way")` is red when that fault is in the cluster;
`lab/faultinjection/faults/` injects each one for real and holds it to its word.
"""

from collections.abc import Callable
from typing import TypeVar

import pytest

Check = TypeVar("Check", bound=Callable[..., object])

# By name, in the order of the layers that break: what is wrong, in one line.
FAULTS = {
    "vxlan-blocked": "UDP 8472 is dropped between all nodes",
    "vxlan-one-way": "UDP 8472 is dropped in one direction between two nodes",
    "vxlan-blocked-between-subnets": "UDP 8472 is dropped only between nodes of different subnets",
    "mtu-too-big": "flannel.1 and pods have a greater MTU than the underlay can carry",
    "vxlan-checksum-offload": "cross-node connections to a ClusterIP lose their first packets",
    "ip-forward-off": "a node forwards no packets (net.ipv4.ip_forward is 0)",
    "forward-policy-drop": "a node's FORWARD chain drops what flannel's rules would let through",
    "bridge-netfilter-off": "a node's bridge hides packets from the services' rules",
    "stale-fdb": "a node sends frames for another node's pods to a MAC that is gone",
    "duplicate-pod-subnet": "two nodes give their pods addresses of one subnet",
    "lease-missing": "a node's lease is gone from flannel's store while it is Ready",
    "wrong-interface": "a lease names an address outside the nodes' private network",
    "subnet-env-missing": "flanneld has not written subnet.env, by which pods get a network",
    "cni-not-configured": "a node has no CNI configuration",
    "pod-addresses-dropped": "the cloud's port security drops packets from pods' addresses",
    "kube-proxy-down": "kube-proxy does not run on a node; its old rules are still there",
    "stale-udp-conntrack": "UDP to a service goes on to a backend that is gone",
    "conntrack-full": "a node's table of connections is full",
    "hairpin-off": "a pod cannot reach itself through its own service",
    "node-port-closed": "NodePorts are closed between nodes by a security group",
    "dns-down": "no replica of the cluster's DNS runs, or none can be reached",
    "dns-slow": "one replica of the cluster's DNS answers seconds late",
    "etcd-member-down": "one member of etcd is down, and there is a quorum",
    "etcd-no-quorum": "etcd has no leader: most members are down",
    "etcd-no-space": "etcd's alarm NOSPACE: it refuses writes",
    "etcd-near-quota": "etcd's database is near its quota, or mostly holes",
    "etcd-slow-disk": "a member of etcd waits long for its disk",
    "etcd-diverged": "etcd's members do not agree: an even number, a stuck learner, other data",
    "etcd-open": "etcd answers without a client certificate, or over plain HTTP",
    "scheduler-down": "no kube-scheduler runs",
    "controller-manager-down": "no kube-controller-manager runs",
    "kubelet-down": "a node's kubelet does not run",
    "disk-pressure": "a node's disk is full",
    "image-unavailable": "a node cannot get an image",
    "sandbox-image-missing": "a node has no sandbox image, and cannot get it",
    "leftover-taint": "a node bears a taint or a cordon that somebody forgot",
    "apiserver-down": "one of several API servers does not answer",
    "idle-connections-dropped": "a load balancer drops idle connections and says nothing",
    "clock-skew": "a node's clock is off",
    "certificate-expiring": "a certificate has ended, or is about to",
    "kubelet-port-closed": "TCP 10250 from the API server to a node is closed",
    "version-skew": "a kubelet's version is too far from the API server's",
    "webhook-without-endpoints": "an admission webhook that must be asked cannot be",
    "storage-class-missing": "there is no default StorageClass where one is expected",
    "anonymous-rights": "a role is bound to everybody, or to strangers",
    "node-missing": "a node that the stack has made is not in the cluster",
    "namespace-stuck": "a namespace is stuck while it is deleted",
}


def detects(*faults: str) -> Callable[[Check], Check]:
    """Mark a check: it is red when one of these faults is in the cluster.

    Raises:
        ValueError: one of them is not in `FAULTS`.
    """
    unknown = sorted(set(faults) - set(FAULTS))
    if unknown:
        raise ValueError(f"no such fault: {', '.join(unknown)}")
    return pytest.mark.detects(*faults)
