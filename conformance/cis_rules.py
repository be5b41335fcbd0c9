# SPDX-License-Identifier: Apache-2.0
"""Hardening rules as data: flags, file modes, ports, kernel settings, certificates, RBAC.

They follow the CIS Kubernetes Benchmark. The probes collect what the rules name; the checks in
``test_hardening``, ``test_exposure``, ``test_rbac`` and ``test_nodes`` apply them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from conformance.facts.security import FileMode

# ---- flags and configuration ----


@dataclass(frozen=True)
class Predicate:
    """A condition on the value of a flag; ``words`` describes it in messages."""

    words: str
    holds: Callable[[str], bool]

    def __str__(self) -> str:
        return self.words


IS_SET = Predicate("is set", lambda value: value != "")
NOT_SET = Predicate("is not set", lambda value: value == "")


def equals(wanted: str) -> Predicate:
    """Return the condition that the value equals ``wanted``."""
    return Predicate(f"is {wanted}", lambda value: value == wanted)


def differs_from(unwanted: str) -> Predicate:
    """Return the condition that the value differs from ``unwanted`` or is not set."""
    return Predicate(f"is not {unwanted}", lambda value: value != unwanted)


def one_of(*wanted: str) -> Predicate:
    """Return the condition that the value is one of these."""
    return Predicate(f"is one of {','.join(wanted)}", lambda value: value in wanted)


def has(item: str) -> Predicate:
    """Return the condition that a comma-separated list contains the item."""
    return Predicate(f"has {item}", lambda value: item in value.split(","))


def lacks(item: str) -> Predicate:
    """Return the condition that a comma-separated list does not contain the item."""
    return Predicate(f"lacks {item}", lambda value: item not in value.split(","))


def at_least(number: int) -> Predicate:
    """Return the condition that the value is a number of at least ``number``."""
    return Predicate(f"at least {number}", lambda value: int(value or 0) >= number)


@dataclass(frozen=True)
class FlagRule:
    """The required value of a flag or of a key in the kubelet's configuration."""

    flag: str
    must: Predicate
    why: str
    unset: str = ""
    """The default of the program, which applies if the flag is not given."""

    def is_met(self, given: str | None) -> bool:
        """Return whether the value meets the rule; ``None`` means that the flag is not given."""
        return self.must.holds(self.unset if given is None else given)


TLS_12 = one_of("VersionTLS12", "VersionTLS13")

PROGRAMS: dict[str, list[FlagRule]] = {
    "kube-apiserver": [
        FlagRule("authorization-mode", has("Node"), "kubelets can access only their own objects"),
        FlagRule("authorization-mode", has("RBAC"), "permissions are granted by roles"),
        FlagRule("authorization-mode", lacks("AlwaysAllow"), "every request is authorized"),
        FlagRule(
            "enable-admission-plugins",
            has("NodeRestriction"),
            "kubelets can modify only their own node and pods",
        ),
        FlagRule(
            "disable-admission-plugins", lacks("PodSecurity"), "Pod Security admission is enabled"
        ),
        FlagRule("token-auth-file", NOT_SET, "no static tokens"),
        FlagRule("client-ca-file", IS_SET, "clients authenticate with certificates"),
        FlagRule("etcd-cafile", IS_SET, "the certificate of etcd is verified"),
        FlagRule("etcd-certfile", IS_SET, "the API server authenticates to etcd"),
        FlagRule(
            "kubelet-certificate-authority", IS_SET, "the certificates of kubelets are verified"
        ),
        FlagRule("kubelet-client-certificate", IS_SET, "the API server authenticates to kubelets"),
        FlagRule("encryption-provider-config", IS_SET, "Secrets are encrypted in etcd"),
        FlagRule("profiling", equals("false"), "profiles expose internals of the server", "true"),
        FlagRule(
            "service-account-lookup",
            equals("true"),
            "tokens of deleted accounts are rejected",
            "true",
        ),
        FlagRule("tls-min-version", TLS_12, "at least TLS 1.2", "VersionTLS12"),
        FlagRule("audit-policy-file", IS_SET, "an audit policy is configured"),
        FlagRule("audit-log-path", IS_SET, "requests are logged"),
        FlagRule("audit-log-maxage", at_least(1), "the audit log is rotated", "0"),
        FlagRule("audit-log-maxbackup", at_least(1), "the audit log is rotated", "0"),
        FlagRule("audit-log-maxsize", at_least(1), "the audit log is rotated", "0"),
    ],
    "kube-controller-manager": [
        FlagRule("profiling", equals("false"), "profiles expose internals of the program", "true"),
        FlagRule(
            "use-service-account-credentials",
            equals("true"),
            "each controller has its own permissions",
        ),
        FlagRule("root-ca-file", IS_SET, "pods can verify the certificate of the API"),
        FlagRule("service-account-private-key-file", IS_SET, "tokens are signed"),
    ],
    "kube-scheduler": [
        FlagRule("profiling", equals("false"), "profiles expose internals of the program", "true"),
    ],
    "etcd": [
        FlagRule(
            "client-cert-auth", equals("true"), "clients authenticate with certificates", "false"
        ),
        FlagRule(
            "peer-client-cert-auth",
            equals("true"),
            "members authenticate with certificates",
            "false",
        ),
        FlagRule("auto-tls", differs_from("true"), "no self-signed certificates", "false"),
        FlagRule("peer-auto-tls", differs_from("true"), "no self-signed certificates", "false"),
    ],
}

KUBELET = [
    FlagRule(
        "authentication.anonymous.enabled",
        equals("false"),
        "anonymous requests are rejected",
        "true",
    ),
    FlagRule(
        "authentication.webhook.enabled", equals("true"), "tokens are verified by the API", "true"
    ),
    FlagRule("authentication.x509.clientCAFile", IS_SET, "clients authenticate with certificates"),
    FlagRule(
        "authorization.mode", equals("Webhook"), "requests are authorized by the API", "Webhook"
    ),
    FlagRule("readOnlyPort", equals("0"), "no port without authentication", "0"),
    FlagRule("rotateCertificates", equals("true"), "client certificates are renewed", "false"),
    FlagRule("serverTLSBootstrap", equals("true"), "the serving certificate is renewed", "false"),
    FlagRule(
        "makeIPTablesUtilChains",
        equals("true"),
        "the kubelet maintains its iptables chains",
        "true",
    ),
    FlagRule(
        "streamingConnectionIdleTimeout", differs_from("0s"), "idle streams are closed", "4h0m0s"
    ),
    FlagRule("tlsMinVersion", TLS_12, "at least TLS 1.2", "VersionTLS12"),
]

# Default eviction thresholds of the kubelet: the share of its disks that must be free.
EVICTION = {
    "nodefs.available": "10%", "nodefs.inodesFree": "5%",
    "imagefs.available": "15%", "imagefs.inodesFree": "5%",
}  # fmt: skip

KUBELET_KEYS = {rule.flag for rule in KUBELET} | {
    "cgroupDriver", "containerLogMaxFiles", "containerLogMaxSize", "containerRuntimeEndpoint",
    *(f"evictionHard.{signal}" for signal in EVICTION),
}  # fmt: skip
# Programs whose user and flags the probes collect.
INSPECTED_PROGRAMS = (*PROGRAMS, "flanneld", "kubelet", "kube-proxy")
FLAGS = sorted(
    {rule.flag for rules in PROGRAMS.values() for rule in rules} | {"config", "config-file"}
)
# Services that do not need root; they run as separate users if they are systemd services.
UNPRIVILEGED = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")


# ---- files ----

# Root and the users of services; the last pattern is for services of this project.
SERVICES = ("root", "etcd", "kube-*", "kubelet*", "flannel*", "keepalived*", "heatgen-*")


@dataclass(frozen=True, kw_only=True)
class FileRule:
    """The most permissive mode that a file may have, and its allowed owners."""

    name: str
    globs: tuple[str, ...]
    most: int
    why: str
    owners: tuple[str, ...] = SERVICES
    kinds: str = "f"
    """Types of files as in find(1): f file, d directory, s socket."""
    control: bool = False
    """Applies to control-plane nodes only."""

    def applies(self, file: FileMode) -> bool:
        """Return whether the rule applies to the file."""
        return file.kind in self.kinds and any(fnmatchcase(file.path, glob) for glob in self.globs)

    def is_met(self, file: FileMode) -> bool:
        """Return whether the mode and the owner of the file are allowed."""
        return not int(file.mode, 8) & ~self.most and self._may_own(file.owner)

    def _may_own(self, owner: str) -> bool:
        return any(fnmatchcase(owner, glob) for glob in self.owners)


FILES = (
    FileRule(
        name="keys",
        globs=(
            "/etc/*.key",
            "/var/lib/heatgen/*.key",
            "/var/lib/kubelet/pki/*.key",
            "/var/lib/kubelet/pki/*.pem",
        ),
        most=0o600,
        why="only the owner may read a private key",
    ),
    FileRule(
        name="kubeconfigs",
        globs=("/etc/kubernetes/*.kubeconfig", "/etc/kubernetes/*.conf"),
        most=0o600,
        why="a kubeconfig contains credentials for the API",
    ),
    FileRule(
        name="certificates",
        globs=("/etc/*.crt", "/etc/*/pki/*.pub"),
        most=0o644,
        why="write access to an authority's certificate changes who is trusted",
    ),
    FileRule(
        name="configuration",
        globs=(
            "/etc/kubernetes/*",
            "/etc/etcd/*",
            "/etc/containerd/*",
            "/etc/docker/*",
            "/var/lib/kubelet/config.yaml",
        ),
        most=0o755,
        why="write access to a component's configuration grants its permissions",
        kinds="fd",
    ),
    FileRule(
        name="cni",
        globs=("/etc/cni/net.d/*.conflist", "/etc/cni/net.d/*.conf"),
        most=0o644,
        why="write access to the CNI configuration allows connecting pods to any network",
        owners=("root",),
    ),
    FileRule(
        name="encryption",
        globs=("/etc/kubernetes/*encryption*",),
        most=0o600,
        why="contains the key that encrypts all Secrets",
        kinds="f",
        control=True,
    ),
    FileRule(
        name="etcd-data",
        globs=("/var/lib/etcd", "/var/lib/etcd/*"),
        most=0o700,
        why="etcd stores the state of the whole cluster",
        owners=("etcd", "root"),
        kinds="fd",
        control=True,
    ),
    FileRule(
        name="user-data",
        globs=(
            "/var/lib/heat-cfntools/*",
            "/var/lib/cloud/data/cfn-*",
            "/var/lib/cloud/instances/*/user-data.txt*",
            "/var/lib/cloud/instances/*/vendor-data*.txt*",
            "/var/lib/cloud/instances/*/cloud-config.txt",
            "/var/lib/cloud/instances/*/obj.pkl",
            "/var/lib/cloud/instances/*/scripts/*",
            "/var/lib/cloud/instances/*/boothooks/*",
            "/run/cloud-init/*-sensitive.json",
        ),
        most=0o700,
        why="user data contain the server's password for Heat",
        owners=("root",),
    ),
    FileRule(
        name="sockets",
        globs=("/run/*.sock",),
        most=0o775,
        why="access to the runtime socket is equivalent to root",
        owners=("root",),
        kinds="s",
    ),
)
TREES = (
    "/etc/kubernetes", "/etc/etcd", "/etc/front-proxy", "/etc/containerd", "/etc/docker",
    "/etc/cni/net.d",
    "/var/lib/etcd", "/var/lib/heatgen", "/var/lib/kubelet/pki", "/var/lib/kubelet/config.yaml",
    "/run/containerd/containerd.sock", "/run/docker.sock", "/run/cri-dockerd.sock",
    "/var/lib/heat-cfntools", "/var/lib/cloud/data", "/var/lib/cloud/instances", "/run/cloud-init",
)  # fmt: skip


# ---- ports ----

# Ports that must listen on a loopback address only.
LOCAL_PORTS = {
    2381: "metrics of etcd",
    10248: "health of the kubelet",
    10249: "metrics of kube-proxy",
    10257: "kube-controller-manager",
    10259: "kube-scheduler",
}
# Ports without authentication that must be closed.
CLOSED_PORTS = {
    2375: "Docker API without TLS",
    10251: "insecure port of kube-scheduler",
    10252: "insecure port of kube-controller-manager",
    10255: "read-only port of the kubelet",
}


# ---- the kernel ----

# Values that the kubelet requires (and sets itself if allowed), by path below /proc/sys; and
# enough inotify watches, as programs report a lack of them with misleading errors.
KERNEL = [
    FlagRule(
        "vm/overcommit_memory", equals("1"), "memory is overcommitted; cgroups enforce the limits"
    ),
    FlagRule(
        "vm/panic_on_oom", equals("0"), "running out of memory ends a container, not the node"
    ),
    FlagRule("kernel/panic", differs_from("0"), "the node reboots after a panic"),
    FlagRule("kernel/panic_on_oops", equals("1"), "the kernel stops after an oops"),
    FlagRule("kernel/keys/root_maxkeys", at_least(1_000_000), "each container has a keyring"),
    FlagRule("kernel/keys/root_maxbytes", at_least(25_000_000), "each container has a keyring"),
    FlagRule("fs/inotify/max_user_instances", at_least(128), "components watch their files"),
    FlagRule("fs/inotify/max_user_watches", at_least(8192), "components watch their files"),
]


# ---- exhaustible resources ----

FULL, FILLING = 0.05, 0.15  # free share of a disk: failure, warning
TABLE_FULL, TABLE_FILLING = 0.95, 0.75  # used share of the conntrack table
LEAST_IDS = 0.1  # free share of process ids


# ---- certificates and tokens ----

AUTHORITIES = ("/etc/kubernetes/pki/ca.crt",)
KUBELET_CLIENT = "/var/lib/kubelet/pki/kubelet-client-current.pem"
LEAST_DAYS = 30.0  # for certificates that are not renewed automatically
LEAST_SHARE = 0.1  # of the lifetime of certificates that are renewed at 70 to 90 % of it
TOKEN_HOURS = 25.0  # lifetime of a pod's token


# ---- RBAC ----

# Groups of all clients, and of anonymous clients.
ANONYMOUS = ("system:anonymous", "system:unauthenticated")
ALL_CLIENTS = (*ANONYMOUS, "system:authenticated", "system:serviceaccounts")
# Roles that Kubernetes grants to anonymous clients (version, health), and kubeadm (joining).
ANONYMOUS_ROLES = {"system:public-info-viewer", "kubeadm:bootstrap-signer-clusterinfo"}
READING = {"get", "list", "watch"}
# Objects that not every client may read.
PROTECTED = {"*", "secrets", "configmaps", "pods/log", "nodes/proxy"}
# Reviews of a client's own permissions; creating them changes nothing.
SELF_REVIEWS = {
    "selfsubjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews",
}  # fmt: skip


# ---- taints ----

# Taints for the state of a node, which other checks cover; default taints of a control plane.
STATE_TAINTS = "node.kubernetes.io/"
CORDON = "node.kubernetes.io/unschedulable"
CONTROL_TAINTS = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")


# ---- time limits ----

STUCK_SECONDS = 60.0  # for a namespace that is blocked by more than terminating pods
ENDLESS_SECONDS = 600.0  # for any namespace
