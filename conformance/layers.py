# SPDX-License-Identifier: Apache-2.0
"""Layers of a cluster, bottom-up, and what the checks of each layer cover."""

LAYERS = {
    "os": "nodes: present, Ready, healthy",
    "runtime": "containers run and respond to exec and logs",
    "kvstore": "etcd: healthy, consistent, closed to unauthorized clients",
    "network": "pods reach each other; routes and leases agree on every node",
    "orchestration": "control plane, scheduling and workloads",
    "services": "Services and DNS respond on every node",
    "hardening": "exposed ports, RBAC, file modes, certificates, audit log",
}
