# SPDX-License-Identifier: Apache-2.0
"""Hand-written facts of healthy clusters.

``facts()`` has one control-plane node and two workers. ``facts(HA_NODES)`` has three control-plane
nodes behind a virtual IP address, a worker with containerd and one with Docker.
"""

from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Node:
    """Properties in which nodes differ."""

    role: str
    address: str
    subnet: str
    mac: str
    group: str = "worker"
    runtime: str = "containerd"

    @property
    def pod(self) -> str:
        """Address of the probe pod on the node."""
        return f"{self.subnet}.5"


Nodes = dict[str, Node]


def _node(index: int, role: str, address: str, **rest: str) -> Node:
    mac = f"aa:00:00:00:00:{index:02d}"
    rest = {"group": "control"} | rest if role == "control" else rest
    subnet = f"10.244.{index}"
    return Node(role=role, address=f"192.0.2.{address}", subnet=subnet, mac=mac, **rest)


NODES: Nodes = {
    "demo-control-0": _node(1, "control", "10"),
    "demo-worker-0": _node(2, "worker", "20"),
    "demo-worker-1": _node(3, "worker", "21"),
}
HA_NODES: Nodes = {
    "demo-control-0": _node(1, "control", "10"),
    "demo-control-1": _node(2, "control", "11"),
    "demo-control-2": _node(3, "control", "12"),
    "demo-worker-0": _node(4, "worker", "20"),
    "demo-docker-0": _node(5, "worker", "21", group="docker", runtime="docker"),
}
VIP = "192.0.2.9"
WEB, DNS, API, PORT = "10.96.7.7", "10.96.0.10", "10.96.0.1", 30080
NAMESPACE = "conformance-replayed"
REFUSED = "can't connect: Connection refused"
TAKEN = "2026-11-23T12:00:00+00:00"
VERSIONS = {
    "kubernetes": "1.37.2", "etcd": "3.6.16", "containerd": "2.4.2", "docker": "29.8.1",
}  # fmt: skip


def facts(nodes: Nodes = NODES) -> Json:
    """Return new facts in the JSON format of ``--save-facts``."""
    return {
        "format": 1,
        "taken": TAKEN,
        "server": "v1.37.2",
        "nodes": {name: _status(name, node) for name, node in nodes.items()},
        "pods": [_pod(NAMESPACE, f"probe-{name}", name, node) for name, node in nodes.items()],
        "services": {
            "web": WEB, "web_port": 80, "node_port": PORT,
            "kubernetes": API, "dns": DNS, "namespace": NAMESPACE,
        },
        "views": {name: _view(name, nodes) for name in nodes},
        "expected": expected(nodes),
        "leaders": {
            lease: {
                "holder": f"demo-control-0_{lease}", "age": 1.5, "term": 15.0,
                "renewed": TAKEN, "moved": True,
            }
            for lease in ("kube-controller-manager", "kube-scheduler")
        },
        "dns": [
            _pod("kube-system", f"coredns-{name}", name, node)
            for name, node in list(nodes.items())[-2:]
        ],
        "api_addresses": [node.address for node in control(nodes).values()],
        "anonymous": 401,
        "governance": governance(nodes),
        "idle": {"seconds": 15.0, "problem": ""},
        "readiness": {"ping": "ok", "etcd": "ok"},
        "not_stored": "",
        "node_leases": {name: {"age": 4.0, "term": 40.0} for name in nodes},
        "seconds": {},
    }  # fmt: skip


def governance(nodes: Nodes) -> Json:
    """Return cluster-wide resources without problems."""
    return {
        "webhooks": [
            {
                "name": "policy: pods.policy.example", "kind": "validating",
                "service": "policy/webhook", "endpoints": 2, "asked_about": "CREATE pods",
            },
        ],
        "api_services": [
            {"name": "v1beta1.metrics.k8s.io", "service": "kube-system/metrics", "problem": ""},
        ],
        "bindings": [
            _binding("system:public-info-viewer", "system:unauthenticated", "/healthz"),
            _binding("system:basic-user", "system:authenticated"),
            _binding("system:discovery", "system:authenticated", "/api", "/version"),
        ],
        "storage_classes": [
            {"name": "cinder", "provisioner": "cinder.csi.openstack.org", "default": True},
            {"name": "fast", "provisioner": "cinder.csi.openstack.org", "default": False},
        ],
        "endings": [
            {
                "namespace": "busy", "seconds": 40.0,
                "reasons": {"NamespaceContentRemaining": "pods. has 3 resource instances"},
            },
        ],
        "kubelets": dict.fromkeys(nodes, ""),
    }  # fmt: skip


def _binding(role: str, subject: str, *urls: str) -> Json:
    rights = [{"verbs": ["get"], "objects": list(urls)}] if urls else []
    return {
        "name": role, "namespace": "", "role": role, "subject": subject, "rights": rights,
    }  # fmt: skip


def expected(nodes: Nodes = NODES) -> Json:
    """Return the ``conformance`` output of the stack of this cluster."""
    several = len(control(nodes)) > 1
    address = VIP if several else "192.0.2.10"
    return {
        "version": 1,
        "cluster": "demo",
        "nodes": {
            name: {
                "role": node.role, "address": node.address,
                "group": node.group, "runtime": node.runtime,
            }
            for name, node in nodes.items()
        },
        "api": {
            "endpoint": f"https://{address}:6443",
            "servers": servers(nodes),
            "load_balancer": "vip" if several else "none",
        },
        "versions": VERSIONS,
        "networks": {
            "nodes": "192.0.2.0/24", "pods": "10.244.0.0/16", "services": "10.96.0.0/16",
            "dns": DNS,
        },
        "blocks": {"runtime": "containerd", "kvstore": "etcd", "network": "flannel"},
        "etcd": {
            "endpoints": [_etcd_url(node) for node in control(nodes).values()],
            "ca": "/etc/etcd/pki/ca.crt",
            "certificate": "/etc/etcd/pki/health.crt",
            "key": "/etc/etcd/pki/health.key",
            "backup_interval": "6h",
            "backup_status": "/var/backups/etcd/status.json",
        },
        "flannel": {"backend": "vxlan", "prefix": "/coreos.com/network", "port": 8472, "vni": 1,
                    "metadata_service": "deny"},
        "taints": {"docker": ["dedicated=builds:NoSchedule"]},
        "storage": {"default_class": "cinder"},
    }  # fmt: skip


def control(nodes: Nodes) -> Nodes:
    """Return the control-plane nodes."""
    return {name: node for name, node in nodes.items() if node.role == "control"}


def servers(nodes: Nodes) -> list[str]:
    """Return the URL of each API server."""
    return [f"https://{node.address}:6443" for node in control(nodes).values()]


def _etcd_url(node: Node) -> str:
    return f"https://{node.address}:2379"


def _pod(namespace: str, pod: str, name: str, node: Node) -> Json:
    return {"namespace": namespace, "name": pod, "node": name, "address": node.pod}


def _status(name: str, node: Node) -> Json:
    on_control = node.role == "control"
    taint = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule", "value": ""}
    return {
        "name": name,
        "address": node.address,
        "roles": ["control-plane"] if on_control else [],
        "labels": {"kubernetes.io/hostname": name},
        "taints": [taint] if on_control else [],
        "ready": True,
        "reasons": {},
        "kubelet": "v1.37.2",
        "runtime": f"{node.runtime}://{VERSIONS[node.runtime]}",
        "milli_cpu": 2000,
        "memory": 2 * 2**30,
        "unschedulable": False,
    }


def _view(name: str, nodes: Nodes) -> Json:
    node = nodes[name]
    others = [other for at, other in nodes.items() if at != name]
    names = {"kubernetes.default.svc": API, f"web.{NAMESPACE}.svc": WEB}
    on_control = node.role == "control"
    return {
        "subnet_env": {"network": "10.244.0.0/16", "subnet": f"{node.subnet}.1/24", "mtu": 1450},
        "links": _links(name, node, len(control(nodes)) > 1),
        "routes": [
            {"to": f"{o.subnet}.0/24", "via": f"{o.subnet}.0", "device": "flannel.1"}
            for o in others
        ],
        "forwards": [{"mac": o.mac, "address": o.address} for o in others],
        "neighbours": [
            {"address": f"{o.subnet}.0", "mac": o.mac, "state": "PERMANENT"} for o in others
        ],
        "sysctls": {"net/ipv4/ip_forward": "1", "net/bridge/bridge-nf-call-iptables": "1"},
        "units": _units(node),
        "flanneld": True,
        "leases": _leases(nodes) if on_control else None,
        "etcd": _etcd(node, nodes) if on_control else None,
        "pod_pings": _pings(nodes),
        "host_pings": _pings(nodes),
        "web_from_pod": _answer(),
        "web_from_host": _answer(),
        "node_ports": {peer: _answer() for peer in nodes},
        "nameservers": [DNS],
        "upstream_nameservers": ["198.51.100.53"],
        "lookups": {
            name: {"addresses": [address], "ms": 2, "problem": ""}
            for name, address in names.items()
        },
        "api": _api(nodes),
        "endpoint": f"https://{VIP if len(control(nodes)) > 1 else '192.0.2.10'}:6443",
        "programs": _programs(node),
        "listeners": _listeners(node),
        "files": _files(node),
        "ports": _ports(node),
        "certificates": {
            "/var/lib/kubelet/pki/kubelet-client-current.pem": _certificate(
                f"O=system:nodes,CN=system:node:{name}", "CN=kubernetes"
            )
        },
        "kubelet": _kubelet(node),
        "kubelet_doors": {"anonymous": 401, "read_only": 0},
        "audit": {"path": AUDIT, "before": 4096, "after": 4608} if on_control else None,
        "runtime": _runtime(node),
        "components": [
            {"name": name, "pid": pid, "started": 900, "rss": 65536, "fds": 40, "threads": 12}
            for pid, name in enumerate(("flanneld", "kube-proxy", "kubelet"), 700)
        ],
        "machine": _machine(node),
        "paths": _paths(name, nodes),
        "backups": _backups() if on_control else None,
    }


def _backups() -> Json:
    now = 1_795_000_000.0
    return {
        "now": now, "since": now - 900_000, "taken": now - 7200, "rehearsed": now - 40_000,
        "interval": 21600.0, "count": 8, "problem": "", "rehearsal_problem": "",
    }  # fmt: skip


# ---- os, network, services ----


def _machine(node: Node) -> Json:
    began = 1_795_000_000.0
    disk = {
        "bytes": {"size": 40 * 2**30, "free": 30 * 2**30},
        "files": {"size": 2**20, "free": 2**19},
    }
    paths = ["/", "/var/lib/kubelet", *(["/var/lib/etcd"] if node.role == "control" else [])]
    life = {
        "subject": "CN=etcd",
        "not_before": "2026-11-23T11:00:00+00:00",
        "not_after": "2027-11-23T11:00:00+00:00",
    }
    return {
        "clock": {
            "began": began + 0.3, "ended": began + 5.3, "asked": began, "answered": began + 5.4,
        },
        "disks": dict.fromkeys(paths, disk),
        "kernel": {
            "vm/overcommit_memory": "1",
            "vm/panic_on_oom": "0",
            "kernel/hostname": "lab-server",
            "kernel/panic": "10",
            "kernel/pid_max": "32768",
            "kernel/threads-max": "65536",
            "tasks": "900",
            "kernel/panic_on_oops": "1",
            "kernel/keys/root_maxkeys": "1000000",
            "kernel/keys/root_maxbytes": "25000000",
            "fs/inotify/max_user_instances": "8192",
            "fs/inotify/max_user_watches": "524288",
            "net/netfilter/nf_conntrack_count": "400",
            "net/netfilter/nf_conntrack_max": "131072",
        },
        "failed_units": [],
        "lives": {"/etc/kubernetes/pki/ca.crt": life},
        "deployments": [
            {"version": "43.20261101", "booted": True, "staged": False, "unlocked": "none"},
            {"version": "43.20261001", "booted": False, "staged": False, "unlocked": "none"},
        ],
        "generations": {"etc": 17, "var": 17},
    }  # fmt: skip


def _units(node: Node) -> Json:
    unit = {"load": "loaded", "active": "active", "sub": "running", "file": "enabled"}
    absent = {"load": "not-found", "active": "inactive", "sub": "dead", "file": ""}
    idle = {"load": "loaded", "active": "inactive", "sub": "dead", "file": "disabled"}
    on_control, docker = node.role == "control", node.runtime == "docker"
    here = {"kubelet", "containerd", "flanneld", "flannel-resync", "kube-proxy"}
    here |= {"docker", "cri-docker"} if docker else set()
    if on_control:
        here |= {"etcd", *SERVICES, "keepalived", "apiserver-liveness", "kubelet-approver"}
    units = {name: unit if name in here else absent for name in (*here, "docker", "etcd")}
    return units | ({} if on_control else {"keepalived": idle})


def _links(name: str, node: Node, several: bool) -> Json:
    vip = [f"{VIP}/32"] if several and name == "demo-control-0" else []
    docker = node.runtime == "docker"
    links = {
        "eth0": _link("fa:00:00:00:00:01", 1500, f"{node.address}/24", *vip),
        "flannel.1": _link(node.mac, 1450, f"{node.subnet}.0/32") | {"vni": 1, "port": 8472},
        "cni0": _link("bb:00:00:00:00:01", 1450, f"{node.subnet}.1/{25 if docker else 24}"),
    }
    if docker:
        links["docker0"] = _link("cc:00:00:00:00:01", 1450, f"{node.subnet}.129/25")
    return links


def _pings(nodes: Nodes) -> Json:
    return {peer: {"sent": 3, "received": 3, "ms": 0.2, "least": 0.1} for peer in nodes}


def _paths(name: str, nodes: Nodes) -> Json:
    node = nodes[name]
    first = next(iter(control(nodes)))
    queries = {"ms": [2, 1, 1], "failed": 0, "problem": ""}
    servers = [DNS, *(node.pod for node in list(nodes.values())[-2:])]
    return {
        "own": {"address": node.pod, "mtu": 1450},
        "neighbour": {"sent": 5, "received": 5, "ms": 0.1, "least": 0.1},
        "hosts": _pings(nodes),
        "host_pings": _pings(nodes),
        "frames": {peer: {"size": 1450, "sent": 3, "received": 3, "problem": ""} for peer in nodes},
        "seen_as": dict.fromkeys(nodes, node.pod),
        "direct": {peer: _answer() for peer in nodes},
        "itself": _answer(),
        "nobody": _answer() | {"said": "", "problem": REFUSED},
        "sticky": ["probe-net-x"] * 15,
        "requests": {"count": 20, "failed": 0, "slowest": 30, "problem": ""},
        "queries": dict.fromkeys(servers, queries),
        "outside": {peer: _answer() | {"said": f"{node.address}:40000"} for peer in nodes},
        "forward": [
            "-P FORWARD DROP",
            '-A FORWARD -m comment --comment "flanneld forward" -j FLANNEL-FWD',
            '-A FLANNEL-FWD -s 10.244.0.0/16 -m comment --comment "flanneld forward" -j ACCEPT',
            '-A FLANNEL-FWD -d 10.244.0.0/16 -m comment --comment "flanneld forward" -j ACCEPT',
        ],
        "metadata": {"pod": REFUSED, "host": ""},
        "lease_seconds": {f"{each.subnet}.0/24": 86000 for each in nodes.values()}
        if name == first
        else None,
    }


def _answer() -> Json:
    return {"said": "probe-net-x", "tries": 1, "ms": 3, "problem": ""}


def _link(mac: str, mtu: int, *addresses: str) -> Json:
    return {
        "mac": mac, "mtu": mtu, "up": True, "addresses": list(addresses), "vni": None, "port": None,
    }  # fmt: skip


def _leases(nodes: Nodes) -> list[Json]:
    return [
        {
            "subnet": f"{node.subnet}.0/24", "public_ip": node.address,
            "backend": "vxlan", "mac": node.mac, "vni": 1,
        }
        for node in nodes.values()
    ]  # fmt: skip


# ---- etcd ----


def _etcd(node: Node, nodes: Nodes) -> Json:
    ids = {each.address: str(7 + index) for index, each in enumerate(control(nodes).values())}
    return {
        "endpoint": _etcd_url(node),
        "health": {"healthy": True, "problem": ""},
        "status": _member_status(ids[node.address], index=5000),
        "members": [
            {"id": ids[each.address], "name": name, "client_urls": [_etcd_url(each)],
             "learner": False}
            for name, each in control(nodes).items()
        ],
        "alarms": [],
        "doors": {"certificate": 200, "no_certificate": 0, "plain": 400},
        "rights": {
            "kube-apiserver /registry/": "allowed",
            "kube-apiserver /coreos.com/network/": "denied",
            "flanneld /registry/": "denied",
            "flanneld /coreos.com/network/": "allowed",
            "health /registry/": "denied",
            "health /coreos.com/network/": "denied",
            "stranger /registry/": "denied",
            "stranger /coreos.com/network/": "denied",
        },
        "at_rest": {"size": 310, "prefix": "k8s:enc:secretbox:v1:key1", "plain": False},
        "later": _member_status(ids[node.address], index=5040),
        "running": {
            "database": {"size": 40 * 2**20, "used": 18 * 2**20, "quota": 2 * 2**30},
            "writes": {"log": _writes(), "database": _writes()},
            "copies": {
                f"https://{each.address}:2380": {
                    "hash": 0xBADCAFE, "compacted": 900, "connect": 0.0004, "problem": "",
                }
                for each in control(nodes).values()
            },
            "entrances": {
                "127.0.0.1:2379": {"plain": 400, "stranger": 0},
                "127.0.0.1:2381": {"plain": 404, "stranger": 0},
                f"{node.address}:2379": {"plain": 400, "stranger": 0},
                f"{node.address}:2380": {"plain": 400, "stranger": 0},
            },
        },
    }  # fmt: skip


def _member_status(member: str, index: int) -> Json:
    return {
        "member": member, "leader": "7", "cluster": "1", "term": 2, "version": "3.6.16",
        "learner": False, "errors": [], "index": index, "applied": index,
    }  # fmt: skip


def _writes() -> Json:
    return {
        "bounds": [0.001, 0.128, 0.256, 0.512, 1.024],
        "counts": [20, 39, 40, 40, 40],
        "total": 40,
    }


# ---- hardening ----

AUDIT = "/var/log/kubernetes/audit.log"
SERVICES = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")


def _api(nodes: Nodes) -> Json:
    ready = {"token": 200, "anonymous": 401, "ms": 20, "problem": ""}
    vip = [f"https://{VIP}:6443"] if len(control(nodes)) > 1 else []
    return {url: dict(ready) for url in (*servers(nodes), *vip, f"https://{API}")}


def _programs(node: Node) -> Json:
    everywhere = {name: {"user": "root", "flags": {}} for name in ("kubelet", "kube-proxy")}
    everywhere["flanneld"] = {"user": "root", "flags": {"etcd-keyfile": "/etc/etcd/pki/f.key"}}
    if node.role != "control":
        return everywhere
    pki = "/etc/kubernetes/pki"
    apiserver = {
        "authorization-mode": "Node,RBAC",
        "enable-admission-plugins": "NodeRestriction",
        "client-ca-file": f"{pki}/ca.crt",
        "etcd-cafile": "/etc/etcd/pki/ca.crt",
        "etcd-certfile": "/etc/etcd/pki/apiserver.crt",
        "kubelet-certificate-authority": f"{pki}/ca.crt",
        "kubelet-client-certificate": f"{pki}/apiserver-kubelet-client.crt",
        "encryption-provider-config": "/etc/kubernetes/encryption.yaml",
        "profiling": "false",
        "tls-min-version": "VersionTLS12",
        "audit-policy-file": "/etc/kubernetes/audit.yaml",
        "audit-log-path": AUDIT,
        "audit-log-maxage": "30",
        "audit-log-maxbackup": "10",
        "audit-log-maxsize": "100",
    }
    manager = {
        "profiling": "false",
        "use-service-account-credentials": "true",
        "root-ca-file": f"{pki}/ca.crt",
        "service-account-private-key-file": f"{pki}/service-account.key",
    }
    flags = {
        "kube-apiserver": apiserver,
        "kube-controller-manager": manager,
        "kube-scheduler": {"profiling": "false"},
        "etcd": {"client-cert-auth": "true", "peer-client-cert-auth": "true"},
    }
    return everywhere | {name: {"user": name, "flags": each} for name, each in flags.items()}


def _listeners(node: Node) -> list[Json]:
    everywhere = [("127.0.0.1", 10248), ("127.0.0.1", 10249), ("::", 10250), ("::", 10256)]
    local = [("127.0.0.1", port) for port in (2381, 10257, 10259)]
    served = [("::", 6443), (node.address, 2379), ("127.0.0.1", 2379), (node.address, 2380)]
    own = [*local, *served] if node.role == "control" else []
    return [{"address": address, "port": port} for address, port in (*everywhere, *own)]


def _files(node: Node) -> list[Json]:
    socket = "/run/cri-dockerd.sock" if node.runtime == "docker" else "/run/containerd.sock"
    everywhere = [
        ("755", "root", "d", "/etc/kubernetes"),
        ("644", "root", "f", "/etc/kubernetes/kubelet.json"),
        ("600", "root", "f", "/etc/kubernetes/kubelet.kubeconfig"),
        ("644", "root", "f", "/etc/kubernetes/pki/ca.crt"),
        ("600", "root", "f", "/etc/kubernetes/pki/kubelet-client.key"),
        ("600", "root", "f", "/etc/cni/net.d/10-flannel.conflist"),
        ("600", "root", "f", "/var/lib/cloud/data/cfn-init-data"),
        ("644", "root", "f", "/var/lib/cloud/data/instance-id"),
        ("600", "root", "f", "/var/lib/cloud/instances/6d53/user-data.txt"),
        ("700", "root", "f", "/var/lib/cloud/instances/6d53/boothooks/part-001"),
        ("777", "root", "l", "/var/lib/kubelet/pki/kubelet-client-current.pem"),
        ("600", "root", "s", socket),
    ]
    own = [
        ("600", "kube-apiserver", "f", "/etc/kubernetes/encryption.yaml"),
        ("600", "root", "f", "/etc/kubernetes/pki/issuer.key"),
        ("600", "etcd", "f", "/etc/etcd/pki/server.key"),
        ("700", "etcd", "d", "/var/lib/etcd"),
        ("600", "etcd", "f", "/var/lib/etcd/member/snap/db"),
    ]
    files = [*everywhere, *own] if node.role == "control" else everywhere
    return [
        {"mode": mode, "owner": owner, "kind": kind, "path": path}
        for mode, owner, kind, path in files
    ]


def _ports(node: Node) -> Json:
    labels = {"kubelet": 10250}
    if node.role == "control":
        labels |= {"api": 6443, "etcd": 2379, "peer": 2380}
    return {
        label: {
            "address": f"{node.address}:{port}",
            "today": {"agreed": "TLSv1.3 TLS_AES_128_GCM_SHA256", "refused": ""},
            "old": {"agreed": "", "refused": "tlsv1 alert protocol version"},
            "weak": {"agreed": "", "refused": "sslv3 alert handshake failure"},
            "certificate": _certificate(
                f"CN={label}", "CN=etcd" if label in ("etcd", "peer") else "CN=kubernetes"
            ),
        }
        for label, port in labels.items()
    }


def _certificate(subject: str, issuer: str) -> Json:
    return {
        "subject": subject,
        "issuer": issuer,
        "not_before": "2026-11-23T11:00:00+00:00",
        "not_after": "2027-11-23T11:00:00+00:00",
        "distrust": "",
    }


def _kubelet(node: Node) -> Json:
    docker = node.runtime == "docker"
    return {
        "authentication.anonymous.enabled": "false",
        "authentication.webhook.enabled": "true",
        "authentication.x509.clientCAFile": "/etc/kubernetes/pki/ca.crt",
        "authorization.mode": "Webhook",
        "rotateCertificates": "true",
        "serverTLSBootstrap": "true",
        "makeIPTablesUtilChains": "true",
        "streamingConnectionIdleTimeout": "4h0m0s",
        "tlsMinVersion": "VersionTLS12",
        "cgroupDriver": "systemd",
        "containerLogMaxFiles": "5",
        "containerLogMaxSize": "10Mi",
        "containerRuntimeEndpoint": "unix:///run/cri-dockerd.sock"
        if docker
        else "unix:///run/containerd/containerd.sock",
    }


def _runtime(node: Node) -> Json:
    docker = node.runtime == "docker"
    logs = {"driver": "json-file", "max-size": "10m", "max-file": "3"}
    unit = "docker" if docker else "cri-containerd"
    return {
        "cgroup": f"/kubepods.slice/kubepods-besteffort.slice/{unit}-0badcafe.scope",
        "logs": logs if docker else {},
        "mirrors": ["http://mirror.example:5000"],
    }
