# SPDX-License-Identifier: Apache-2.0
"""Hand-made facts of a sound cluster: one control-plane node, two workers; new ones each call."""

from typing import Any

Json = dict[str, Any]

NODES = {
    "demo-control-0": ("control", "192.0.2.10", "10.244.1", "aa:00:00:00:00:01"),
    "demo-worker-0": ("worker", "192.0.2.20", "10.244.2", "aa:00:00:00:00:02"),
    "demo-worker-1": ("worker", "192.0.2.21", "10.244.3", "aa:00:00:00:00:03"),
}
WEB, DNS, API, PORT = "10.96.7.7", "10.96.0.10", "10.96.0.1", 30080
NAMESPACE = "conformance-replayed"


def facts() -> Json:
    """The facts, as the JSON of `--save-facts`."""
    return {
        "format": 1,
        "taken": "2026-11-23T12:00:00+00:00",
        "server": "v1.37.2",
        "nodes": {name: _status(name) for name in NODES},
        "pods": [
            {"namespace": NAMESPACE, "name": f"probe-{name}", "node": name, "address": _pod(name)}
            for name in NODES
        ],
        "services": {
            "web": WEB, "web_port": 80, "node_port": PORT,
            "kubernetes": API, "dns": DNS, "namespace": NAMESPACE,
        },
        "views": {name: _view(name) for name in NODES},
        "expected": expected(),
        "seconds": {},
    }  # fmt: skip


def expected() -> Json:
    """The stack's `conformance` output for this cluster."""
    return {
        "version": 1,
        "cluster": "demo",
        "nodes": {name: {"role": node[0], "address": node[1]} for name, node in NODES.items()},
        "versions": {"kubernetes": "1.37.2", "etcd": "3.6.16", "containerd": "2.4.2"},
        "networks": {"pods": "10.244.0.0/16", "services": "10.96.0.0/16", "dns": DNS},
        "blocks": {"runtime": "containerd", "kvstore": "etcd", "network": "flannel"},
        "etcd": {
            "endpoints": ["https://192.0.2.10:2379"],
            "ca": "/etc/etcd/pki/ca.crt",
            "certificate": "/etc/etcd/pki/health.crt",
            "key": "/etc/etcd/pki/health.key",
        },
        "flannel": {"backend": "vxlan", "prefix": "/coreos.com/network", "port": 8472, "vni": 1},
    }


def _pod(name: str) -> str:
    return f"{NODES[name][2]}.5"


def _status(name: str) -> Json:
    role, address, _, _ = NODES[name]
    control = role == "control"
    taint = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule", "value": ""}
    return {
        "name": name,
        "address": address,
        "roles": ["control-plane"] if control else [],
        "labels": {"kubernetes.io/hostname": name},
        "taints": [taint] if control else [],
        "ready": True,
        "reasons": {},
        "kubelet": "v1.37.2",
        "runtime": "containerd://2.4.2",
        "milli_cpu": 2000,
        "memory": 2 * 2**30,
        "unschedulable": False,
    }


def _view(name: str) -> Json:
    role, _, subnet, mac = NODES[name]
    others = [other for other in NODES if other != name]
    names = {"kubernetes.default.svc": API, f"web.{NAMESPACE}.svc": WEB}
    unit = {"load": "loaded", "active": "active", "sub": "running"}
    absent = {"load": "not-found", "active": "inactive", "sub": "dead"}
    return {
        "subnet_env": {"network": "10.244.0.0/16", "subnet": f"{subnet}.1/24", "mtu": 1450},
        "links": {
            "flannel.1": _link(mac, 1450, f"{subnet}.0/32") | {"vni": 1, "port": 8472},
            "cni0": _link("bb:00:00:00:00:01", 1450, f"{subnet}.1/24"),
        },
        "routes": [
            {"to": f"{NODES[o][2]}.0/24", "via": f"{NODES[o][2]}.0", "device": "flannel.1"}
            for o in others
        ],
        "forwards": [{"mac": NODES[o][3], "address": NODES[o][1]} for o in others],
        "neighbours": [
            {"address": f"{NODES[o][2]}.0", "mac": NODES[o][3], "state": "PERMANENT"}
            for o in others
        ],
        "sysctls": {"net/ipv4/ip_forward": "1", "net/bridge/bridge-nf-call-iptables": "1"},
        "units": {"kubelet": unit, "containerd": unit, "flanneld": unit, "docker": absent},
        "flanneld": True,
        "leases": _leases() if role == "control" else None,
        "etcd": _etcd() if role == "control" else None,
        "pod_pings": _pings(),
        "host_pings": _pings(),
        "web_from_pod": _answer(),
        "web_from_host": _answer(),
        "node_ports": {peer: _answer() for peer in NODES},
        "nameservers": [DNS],
        "lookups": {
            name: {"addresses": [address], "ms": 2, "problem": ""}
            for name, address in names.items()
        },
    }


def _pings() -> Json:
    return {peer: {"sent": 3, "received": 3, "ms": 0.2} for peer in NODES}


def _answer() -> Json:
    return {"said": "probe-net-x", "tries": 1, "ms": 3, "problem": ""}


def _link(mac: str, mtu: int, address: str) -> Json:
    return {"mac": mac, "mtu": mtu, "up": True, "addresses": [address], "vni": None, "port": None}


def _leases() -> list[Json]:
    return [
        {"subnet": f"{subnet}.0/24", "public_ip": ip, "backend": "vxlan", "mac": mac, "vni": 1}
        for _, ip, subnet, mac in NODES.values()
    ]


def _etcd() -> Json:
    url = "https://192.0.2.10:2379"
    return {
        "endpoint": url,
        "health": {"healthy": True, "problem": ""},
        "status": {
            "member": "7", "leader": "7", "cluster": "1",
            "version": "3.6.16", "learner": False, "errors": [],
        },
        "members": [{"id": "7", "name": "demo-control-0", "client_urls": [url], "learner": False}],
        "alarms": [],
        "doors": {"certificate": 200, "no_certificate": 0, "plain": 400},
    }  # fmt: skip
