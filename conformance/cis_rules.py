# SPDX-License-Identifier: Apache-2.0
"""What a closed node looks like, as data: flags, file modes, ports. After the CIS benchmark.

The tests in `test_hardening` apply them; what is looked at on the nodes is what stands here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from conformance.facts.security import FileMode

# ---- flags and configuration ----


@dataclass(frozen=True)
class Predicate:
    """A condition on a flag's value; `words` is how messages call it."""

    words: str
    holds: Callable[[str], bool]

    def __str__(self) -> str:
        return self.words


IS_SET = Predicate("is set", lambda value: value != "")
NOT_SET = Predicate("is not set", lambda value: value == "")


def equals(wanted: str) -> Predicate:
    """Return the condition that the value is exactly this."""
    return Predicate(f"is {wanted}", lambda value: value == wanted)


def differs_from(unwanted: str) -> Predicate:
    """Return the condition that the value is anything else, or not set."""
    return Predicate(f"is not {unwanted}", lambda value: value != unwanted)


def one_of(*wanted: str) -> Predicate:
    """Return the condition that the value is one of these."""
    return Predicate(f"is one of {','.join(wanted)}", lambda value: value in wanted)


def has(item: str) -> Predicate:
    """Return the condition that the item is in a list with commas."""
    return Predicate(f"has {item}", lambda value: item in value.split(","))


def lacks(item: str) -> Predicate:
    """Return the condition that the item is not in a list with commas."""
    return Predicate(f"lacks {item}", lambda value: item not in value.split(","))


def at_least(number: int) -> Predicate:
    """Return the condition that the value is a number, and not a smaller one."""
    return Predicate(f"at least {number}", lambda value: int(value or 0) >= number)


@dataclass(frozen=True)
class FlagRule:
    """What a flag (or key of the kubelet's configuration) must be.

    unset: the program's own default, which counts where the flag is not given.
    """

    flag: str
    must: Predicate
    why: str
    unset: str = ""

    def obeyed(self, given: str | None) -> bool:
        """Is the value as it must be? `None`: not given."""
        return self.must.holds(self.unset if given is None else given)


TLS_12 = one_of("VersionTLS12", "VersionTLS13")

PROGRAMS: dict[str, list[FlagRule]] = {
    "kube-apiserver": [
        FlagRule("authorization-mode", has("Node"), "kubelets get at their own objects only"),
        FlagRule("authorization-mode", has("RBAC"), "rights are given by roles"),
        FlagRule("authorization-mode", lacks("AlwaysAllow"), "nobody may do everything unasked"),
        FlagRule("enable-admission-plugins", has("NodeRestriction"), "kubelets change themselves"),
        FlagRule("disable-admission-plugins", lacks("PodSecurity"), "pods are checked"),
        FlagRule("token-auth-file", NOT_SET, "no passwords in files"),
        FlagRule("client-ca-file", IS_SET, "clients show certificates"),
        FlagRule("etcd-cafile", IS_SET, "the server of etcd is checked"),
        FlagRule("etcd-certfile", IS_SET, "etcd knows its client"),
        FlagRule("kubelet-certificate-authority", IS_SET, "kubelets are checked"),
        FlagRule("kubelet-client-certificate", IS_SET, "kubelets know the API server"),
        FlagRule("encryption-provider-config", IS_SET, "secrets lie encrypted in etcd"),
        FlagRule("profiling", equals("false"), "profiles show what the server does", "true"),
        FlagRule(
            "service-account-lookup", equals("true"), "tokens of deleted accounts end", "true"
        ),
        FlagRule("tls-min-version", TLS_12, "TLS 1.2 at least", "VersionTLS12"),
        FlagRule("audit-policy-file", IS_SET, "a policy says what is written down"),
        FlagRule("audit-log-path", IS_SET, "who did what is written down"),
        FlagRule("audit-log-maxage", at_least(1), "the audit log is turned over", "0"),
        FlagRule("audit-log-maxbackup", at_least(1), "the audit log is turned over", "0"),
        FlagRule("audit-log-maxsize", at_least(1), "the audit log is turned over", "0"),
    ],
    "kube-controller-manager": [
        FlagRule("profiling", equals("false"), "profiles show what the program does", "true"),
        FlagRule(
            "use-service-account-credentials", equals("true"), "each controller has its rights"
        ),
        FlagRule("root-ca-file", IS_SET, "pods can check the API"),
        FlagRule("service-account-private-key-file", IS_SET, "tokens are signed"),
    ],
    "kube-scheduler": [
        FlagRule("profiling", equals("false"), "profiles show what the program does", "true"),
    ],
    "etcd": [
        FlagRule("client-cert-auth", equals("true"), "clients show certificates", "false"),
        FlagRule("peer-client-cert-auth", equals("true"), "members show certificates", "false"),
        FlagRule("auto-tls", differs_from("true"), "no certificates made up on the way", "false"),
        FlagRule(
            "peer-auto-tls", differs_from("true"), "no certificates made up on the way", "false"
        ),
    ],
}

KUBELET = [
    FlagRule("authentication.anonymous.enabled", equals("false"), "strangers are refused", "true"),
    FlagRule("authentication.webhook.enabled", equals("true"), "the API says who is who", "true"),
    FlagRule("authentication.x509.clientCAFile", IS_SET, "clients show certificates"),
    FlagRule("authorization.mode", equals("Webhook"), "the API says who may what", "Webhook"),
    FlagRule("readOnlyPort", equals("0"), "no port without authentication", "0"),
    FlagRule("rotateCertificates", equals("true"), "client certificates are renewed", "false"),
    FlagRule("serverTLSBootstrap", equals("true"), "the serving certificate is renewed", "false"),
    FlagRule("makeIPTablesUtilChains", equals("true"), "the kubelet's own firewall chains", "true"),
    FlagRule(
        "streamingConnectionIdleTimeout", differs_from("0s"), "idle streams are closed", "4h0m0s"
    ),
    FlagRule("tlsMinVersion", TLS_12, "TLS 1.2 at least", "VersionTLS12"),
]

# A kubelet's own defaults for evicting pods: the part of its disks that must be left.
EVICTION = {
    "nodefs.available": "10%", "nodefs.inodesFree": "5%",
    "imagefs.available": "15%", "imagefs.inodesFree": "5%",
}  # fmt: skip

KUBELET_KEYS = {rule.flag for rule in KUBELET} | {
    "cgroupDriver", "containerLogMaxFiles", "containerLogMaxSize", "containerRuntimeEndpoint",
    *(f"evictionHard.{signal}" for signal in EVICTION),
}  # fmt: skip
# Programs whose user and flags are looked at, and what else the tests go by.
LOOKED_AT = (*PROGRAMS, "flanneld", "kubelet", "kube-proxy")
FLAGS = sorted(
    {rule.flag for rules in PROGRAMS.values() for rule in rules} | {"config", "config-file"}
)
# These need not be root, and are not where they are services of their own.
UNPRIVILEGED = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")


# ---- files ----

# Root, and users of services: the last are of this project.
SERVICES = ("root", "etcd", "kube-*", "kubelet*", "flannel*", "keepalived*", "heatgen-*")


@dataclass(frozen=True, kw_only=True)
class FileRule:
    """The most that a file's mode may allow, and who may own it.

    kinds: as find(1) names them: f file, d directory, s socket. control: only where the control
    plane is.
    """

    name: str
    globs: tuple[str, ...]
    most: int
    why: str
    owners: tuple[str, ...] = SERVICES
    kinds: str = "f"
    control: bool = False

    def applies(self, file: FileMode) -> bool:
        """Is the file one of those that the rule is about?"""
        return file.kind in self.kinds and any(fnmatchcase(file.path, glob) for glob in self.globs)

    def obeyed(self, file: FileMode) -> bool:
        """Is it closed enough, and the right one's?"""
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
        why="a private key is its owner's alone",
    ),
    FileRule(
        name="kubeconfigs",
        globs=("/etc/kubernetes/*.kubeconfig", "/etc/kubernetes/*.conf"),
        most=0o600,
        why="a kubeconfig opens the API",
    ),
    FileRule(
        name="certificates",
        globs=("/etc/*.crt", "/etc/*/pki/*.pub"),
        most=0o644,
        why="who can change an authority's certificate decides who is trusted",
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
        why="who can change a component's configuration has its rights",
        kinds="fd",
    ),
    FileRule(
        name="cni",
        globs=("/etc/cni/net.d/*.conflist", "/etc/cni/net.d/*.conf"),
        most=0o644,
        why="who can change a node's CNI configuration joins pods to any network",
        owners=("root",),
    ),
    FileRule(
        name="encryption",
        globs=("/etc/kubernetes/*encryption*",),
        most=0o600,
        why="the key to all secrets at rest",
        kinds="f",
        control=True,
    ),
    FileRule(
        name="etcd-data",
        globs=("/var/lib/etcd", "/var/lib/etcd/*"),
        most=0o700,
        why="etcd's data hold all there is",
        owners=("etcd", "root"),
        kinds="fd",
        control=True,
    ),
    FileRule(
        name="sockets",
        globs=("/run/*.sock",),
        most=0o775,
        why="who can speak to the runtime is root on the node",
        owners=("root",),
        kinds="s",
    ),
)
TREES = (
    "/etc/kubernetes", "/etc/etcd", "/etc/front-proxy", "/etc/containerd", "/etc/docker",
    "/etc/cni/net.d",
    "/var/lib/etcd", "/var/lib/heatgen", "/var/lib/kubelet/pki", "/var/lib/kubelet/config.yaml",
    "/run/containerd/containerd.sock", "/run/docker.sock", "/run/cri-dockerd.sock",
)  # fmt: skip


# ---- ports ----

# Only the node itself speaks to these.
LOCAL_PORTS = {
    2381: "etcd's metrics",
    10248: "kubelet's health",
    10249: "kube-proxy's metrics",
    10257: "kube-controller-manager",
    10259: "kube-scheduler",
}
# Nothing may listen here: ports without authentication, of old.
SHUT_PORTS = {
    2375: "Docker's API without TLS",
    10251: "kube-scheduler's insecure port",
    10252: "kube-controller-manager's insecure port",
    10255: "kubelet's read-only port",
}


# ---- the kernel ----

# What the kubelet demands of it (and sets, where it may), by the path below /proc/sys; and enough
# of inotify's watches, for what cannot watch its files says so in ways nobody understands.
KERNEL = [
    FlagRule(
        "vm/overcommit_memory", equals("1"), "memory is promised freely: limits are the cgroups'"
    ),
    FlagRule("vm/panic_on_oom", equals("0"), "out of memory is a container's end, not the node's"),
    FlagRule("kernel/panic", differs_from("0"), "a node that panics starts again"),
    FlagRule("kernel/panic_on_oops", equals("1"), "a kernel that erred does not run on"),
    FlagRule("kernel/keys/root_maxkeys", at_least(1_000_000), "each container has a keyring"),
    FlagRule("kernel/keys/root_maxbytes", at_least(25_000_000), "each container has a keyring"),
    FlagRule("fs/inotify/max_user_instances", at_least(128), "components watch their files"),
    FlagRule("fs/inotify/max_user_watches", at_least(8192), "components watch their files"),
]


# ---- what runs out ----

FULL, FILLING = 0.05, 0.15  # the part of a disk that is left: too little, soon too little
TABLE_FULL, TABLE_FILLING = 0.95, 0.75  # of the table of connections
LEAST_IDS = 0.1  # the part of process ids that must be left


# ---- certificates and tokens ----

AUTHORITIES = ("/etc/kubernetes/pki/ca.crt",)
KUBELET_CLIENT = "/var/lib/kubelet/pki/kubelet-client-current.pem"
LEAST_DAYS = 30.0  # for certificates that nobody renews unasked
LEAST_SHARE = 0.1  # of the life of those that are renewed by themselves, at 70 to 90 %
TOKEN_HOURS = 25.0  # a pod's token may live for a day


# ---- rights ----

# Whom everybody is, and strangers too.
STRANGERS = ("system:anonymous", "system:unauthenticated")
EVERYBODY = (*STRANGERS, "system:authenticated", "system:serviceaccounts")
# What Kubernetes itself gives to strangers: versions and health; kubeadm: how to join.
FOR_STRANGERS = {"system:public-info-viewer", "kubeadm:bootstrap-signer-clusterinfo"}
READING = {"get", "list", "watch"}
# Not for everybody, even to read.
CLOSED = {"*", "secrets", "configmaps", "pods/log", "nodes/proxy"}
# Questions about oneself change nothing.
ABOUT_ONESELF = {
    "selfsubjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews",
}  # fmt: skip


# ---- taints ----

# The node's own state, which other checks judge; what a control plane bears by rule.
STATE_TAINTS = "node.kubernetes.io/"
CORDON = "node.kubernetes.io/unschedulable"
CONTROL_TAINTS = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")


# ---- patience ----

STUCK_SECONDS = 60.0  # a namespace in whose way stands more than pods that take their time
ENDLESS_SECONDS = 600.0  # any namespace
