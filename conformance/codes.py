# SPDX-License-Identifier: Apache-2.0
"""Stable codes of check failures. Messages may change, codes may not.

``doc/reference/check-failures.rst`` is generated from this enumeration.
"""

from enum import StrEnum
from typing import Self


class Code(StrEnum):
    """Kind of a check failure; ``description`` is one sentence."""

    description: str

    def __new__(cls, value: str, description: str) -> Self:
        """Return a member with its description."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.description = description
        return member

    # Nodes.
    NODE_NOT_REGISTERED = "node-not-registered", "An expected node is not in the cluster."
    NODE_UNEXPECTED = "node-unexpected", "A node is in the cluster that the stack did not create."
    NODE_IDENTITY_WRONG = (
        "node-identity-wrong",
        "The internal address or the role of a node is not the expected one.",
    )
    NODE_NOT_READY = "node-not-ready", "A node is not Ready."
    NODE_STILL_READY = "node-still-ready", "A node stayed Ready although its kubelet was stopped."
    NODE_UNDER_PRESSURE = (
        "node-under-pressure",
        "A node is short of memory, disk or process ids, or its network is unavailable.",
    )
    NODE_LEASE_STALE = (
        "node-lease-stale",
        "The lease of a node is missing, or its kubelet has not renewed it.",
    )
    NODE_CORDONED = "node-cordoned", "A node is cordoned."
    NODE_NOT_RECOVERED = (
        "node-not-recovered",
        "A node or its pods did not come back after a reboot.",
    )
    TAINT_UNEXPECTED = (
        "taint-unexpected",
        "A node has a taint that is neither expected nor explained by its role.",
    )
    CLOCK_SKEW = "clock-skew", "The clock of a node differs from other clocks of the cluster."
    UNIT_NOT_ACTIVE = "unit-not-active", "The systemd unit of a cluster component is not active."
    UNIT_FAILED = "unit-failed", "A systemd unit of a node is in state failed."
    PROGRAM_NOT_RESTARTED = (
        "program-not-restarted",
        "A program that was killed or stopped was not started again.",
    )
    KERNEL_SETTING_WRONG = (
        "kernel-setting-wrong",
        "A kernel setting does not have the value that the kubelet requires.",
    )
    IP_FORWARDING_OFF = "ip-forwarding-off", "A node does not forward IPv4 packets."
    CONNTRACK_TABLE_FULL = (
        "conntrack-table-full",
        "The connection tracking table of a node is full or nearly full.",
    )
    DISK_FULL = "disk-full", "A disk of a node has too few free bytes or inodes."
    PROCESS_IDS_EXHAUSTED = "process-ids-exhausted", "A node has too few free process ids."
    VERSION_UNEXPECTED = "version-unexpected", "A component does not have the deployed version."
    VERSION_SKEW = "version-skew", "A kubelet is newer than the API server or too old for it."
    BOOTED_SYSTEM_WRONG = (
        "booted-system-wrong",
        "The booted rpm-ostree deployment is not the newest, or it is unlocked.",
    )
    BOOTED_SYSTEM_OUTDATED = (
        "booted-system-outdated",
        "The booted ostree deployment has an older /etc than the state of the cluster.",
    )

    # Container runtime.
    RUNTIME_ENDPOINT_WRONG = (
        "runtime-endpoint-wrong",
        "The kubelet uses the socket of another container runtime.",
    )
    CGROUP_DRIVER_NOT_SYSTEMD = (
        "cgroup-driver-not-systemd",
        "The cgroups of pods are not managed by systemd.",
    )
    CGROUP_DRIVERS_DIFFER = (
        "cgroup-drivers-differ",
        "The kubelet and the container runtime use different cgroup drivers.",
    )
    CONTAINER_LOGS_UNLIMITED = "container-logs-unlimited", "The logs of containers are not rotated."
    REGISTRY_MIRRORS_DIFFER = (
        "registry-mirrors-differ",
        "A node lacks a registry mirror that other nodes use.",
    )
    CONTAINER_START_SLOW = "container-start-slow", "A container took too long to start."
    KUBELET_UNREACHABLE = "kubelet-unreachable", "The API server gets no answer from a kubelet."
    KUBELET_STREAM_BROKEN = (
        "kubelet-stream-broken",
        "The output of exec, logs or port-forward is not what the pod sent.",
    )

    # etcd.
    ETCD_MEMBER_NOT_RUNNING = "etcd-member-not-running", "An expected etcd member does not run."
    ETCD_MEMBER_UNHEALTHY = "etcd-member-unhealthy", "An etcd member cannot commit a proposal."
    ETCD_MEMBERS_UNEXPECTED = (
        "etcd-members-unexpected",
        "The member list of etcd is not the expected set of started voters.",
    )
    ETCD_MEMBERS_DISAGREE = (
        "etcd-members-disagree",
        "The members of etcd do not agree on one leader and one raft term.",
    )
    ETCD_LEADER_UNSTABLE = (
        "etcd-leader-unstable",
        "etcd lost its leader or held several elections during the run.",
    )
    ETCD_MEMBER_BEHIND = "etcd-member-behind", "An etcd member lags behind the others."
    ETCD_VOTERS_EVEN = "etcd-voters-even", "etcd has an even number of voting members."
    ETCD_LEARNER_NOT_PROMOTED = "etcd-learner-not-promoted", "An etcd member is still a learner."
    ETCD_DATA_DIVERGED = (
        "etcd-data-diverged",
        "The data of an etcd member differ from the data of most members.",
    )
    ETCD_ALARM = "etcd-alarm", "etcd has raised an alarm."
    ETCD_QUOTA_NEARLY_REACHED = (
        "etcd-quota-nearly-reached",
        "The etcd database has nearly reached its quota.",
    )
    ETCD_FRAGMENTED = "etcd-fragmented", "Most of the etcd database file is unused space."
    ETCD_DISK_SLOW = "etcd-disk-slow", "The disk of an etcd member is too slow."
    ETCD_PEER_SLOW = "etcd-peer-slow", "A round trip between etcd members takes too long."
    ETCD_BACKUP_OVERDUE = (
        "etcd-backup-overdue",
        "A control-plane node has taken no backup of etcd for more than two intervals.",
    )
    ETCD_BACKUP_NOT_RESTORABLE = (
        "etcd-backup-not-restorable",
        "etcd could not be started from the newest backup of a node, or this was not tried.",
    )
    ETCD_OPEN_WITHOUT_CERTIFICATE = (
        "etcd-open-without-certificate",
        "etcd answers clients without a certificate, over TLS or plain HTTP.",
    )
    ETCD_CLIENT_REJECTED = (
        "etcd-client-rejected",
        "etcd rejects a client that has a valid certificate.",
    )
    ETCD_RIGHTS_TOO_WIDE = (
        "etcd-rights-too-wide",
        "A client of etcd can read keys outside its own prefix.",
    )

    # flannel.
    FLANNEL_LEASE_MISSING = (
        "flannel-lease-missing",
        "flannel does not have exactly one lease for a node.",
    )
    FLANNEL_LEASE_ADDRESS_WRONG = (
        "flannel-lease-address-wrong",
        "A flannel lease has an address outside the nodes' network.",
    )
    FLANNEL_LEASE_NOT_RENEWED = (
        "flannel-lease-not-renewed",
        "A flannel lease has expired or has an invalid time to live.",
    )
    FLANNEL_LEASE_CHANGED = (
        "flannel-lease-changed",
        "flanneld leased another subnet after a restart.",
    )
    FLANNEL_LEASE_MAC_WRONG = (
        "flannel-lease-mac-wrong",
        "A lease of flannel does not match the node's device, or the device is missing or down.",
    )
    POD_SUBNET_OVERLAPS = "pod-subnet-overlaps", "The pod subnets of two nodes overlap."
    POD_SUBNET_OUTSIDE_NETWORK = (
        "pod-subnet-outside-network",
        "The pod subnet of a node is not part of the pod network.",
    )
    SUBNET_ENV_MISSING = "subnet-env-missing", "A node has no /run/flannel/subnet.env."
    SUBNET_ENV_STALE = (
        "subnet-env-stale",
        "The subnet in /run/flannel/subnet.env is not that of the node's lease.",
    )
    BRIDGE_ADDRESS_WRONG = (
        "bridge-address-wrong",
        "The bridge cni0 or docker0 does not match the node's flannel subnet.",
    )
    POD_ADDRESS_OUTSIDE_SUBNET = (
        "pod-address-outside-subnet",
        "A pod has an address outside the subnet of its node.",
    )
    OVERLAY_ENTRY_MISSING = (
        "overlay-entry-missing",
        "A node lacks the FDB entry, ARP entry or route for another node's pods.",
    )

    # Pod network.
    POD_ADDRESSES_DROPPED = (
        "pod-addresses-dropped",
        "Packets with pod addresses do not pass between nodes (host-gw).",
    )
    OVERLAY_BLOCKED = "overlay-blocked", "No pod reaches a pod on another node."
    OVERLAY_BLOCKED_BETWEEN_NETWORKS = (
        "overlay-blocked-between-networks",
        "Pods on nodes of different networks cannot reach each other.",
    )
    NODE_CUT_OFF = (
        "node-cut-off",
        "The pods of one node can neither reach other nodes' pods nor be reached by them.",
    )
    PATH_LOST = "path-lost", "Pods of two nodes cannot reach each other in either direction."
    PATH_LOST_ONE_WAY = (
        "path-lost-one-way",
        "Pods of a node cannot reach those of another, but the reverse path works.",
    )
    PACKET_LOSS = "packet-loss", "Some packets to a pod are lost."
    POD_UNREACHABLE = "pod-unreachable", "A node or a pod cannot reach a pod."
    HOST_UNREACHABLE_FROM_POD = (
        "host-unreachable-from-pod",
        "A pod cannot reach the address of a node.",
    )
    POD_ADDRESS_TRANSLATED = (
        "pod-address-translated",
        "The source address of packets between pods is translated.",
    )
    FULL_SIZE_PACKETS_LOST = (
        "full-size-packets-lost",
        "Packets as large as the pod MTU do not reach another node.",
    )
    POD_MTU_WRONG = (
        "pod-mtu-wrong",
        "The MTU of a node's pods differs from flannel's or from other nodes'.",
    )
    MTU_TOO_LARGE = (
        "mtu-too-large",
        "The MTU of pods or of flannel's device leaves no room for the outer headers.",
    )
    PATH_SLOW = "path-slow", "Packets between two nodes take much longer than between others."
    THROUGHPUT_LOW = "throughput-low", "Pods reach only a small part of the throughput of hosts."
    BRIDGE_NETFILTER_OFF = (
        "bridge-netfilter-off",
        "Packets on the bridge of a node bypass its iptables rules.",
    )
    FORWARD_CHAIN_DROPS = (
        "forward-chain-drops",
        "The FORWARD chain of a node does not accept packets of pods.",
    )

    # API and control plane.
    API_NOT_READY = "api-not-ready", "An API server is not ready."
    API_UNREACHABLE = "api-unreachable", "A node cannot reach the API."
    API_CERTIFICATE_INVALID = (
        "api-certificate-invalid",
        "A node cannot verify the certificate of an API server.",
    )
    API_TOKEN_REJECTED = (
        "api-token-rejected",
        "An API server rejects a valid service account token.",
    )
    API_WRITES_FAIL = "api-writes-fail", "The API does not store objects."
    API_ENDPOINTS_WRONG = (
        "api-endpoints-wrong",
        "The endpoints of the service kubernetes are not the API servers.",
    )
    API_ADDRESS_INCONSISTENT = (
        "api-address-inconsistent",
        "Kubelets use different addresses to reach the API.",
    )
    API_SERVICE_UNAVAILABLE = (
        "api-service-unavailable",
        "An aggregated API (APIService) is not available.",
    )
    VIP_HOLDER_WRONG = (
        "vip-holder-wrong",
        "The API's virtual address is not on exactly one control-plane node.",
    )
    LEADER_NOT_ACTIVE = (
        "leader-not-active",
        "A control-plane component has no active leader on an expected node.",
    )
    IDLE_CONNECTION_DROPPED = (
        "idle-connection-dropped",
        "An idle connection to the API was dropped without being closed.",
    )
    WEBHOOK_WITHOUT_ENDPOINTS = (
        "webhook-without-endpoints",
        "The service of a required admission webhook has no ready endpoints.",
    )
    OBJECT_NOT_ADMITTED = "object-not-admitted", "The API rejects an ordinary object."
    NAMESPACE_STUCK = "namespace-stuck", "A namespace remains in phase Terminating."
    DEFAULT_STORAGE_CLASS_WRONG = (
        "default-storage-class-wrong",
        "The expected StorageClass is not the only default class.",
    )

    # Scheduling and workloads.
    SCHEDULER_INACTIVE = "scheduler-inactive", "The scheduler did not handle pods in time."
    SCHEDULING_REASON_WRONG = (
        "scheduling-reason-wrong",
        "The scheduler reports an unexpected reason for a pending pod.",
    )
    CONSTRAINT_NOT_HONOURED = (
        "constraint-not-honoured",
        "The scheduler did not honour a taint, affinity or spread constraint.",
    )
    RESOURCES_MISCOUNTED = (
        "resources-miscounted",
        "The scheduler placed more or fewer pods than a node has resources for.",
    )
    WORKLOAD_INCOMPLETE = (
        "workload-incomplete",
        "A workload does not have its pods in the expected state.",
    )
    WORKLOAD_ORDER_WRONG = (
        "workload-order-wrong",
        "A controller replaced or created a pod before the other was ready.",
    )
    BUDGET_NOT_HONOURED = (
        "budget-not-honoured",
        "An eviction or a budget's status does not follow the PodDisruptionBudget.",
    )
    GARBAGE_COLLECTION_WRONG = (
        "garbage-collection-wrong",
        "Deleting an owner did not delete exactly the objects it owns.",
    )
    DRAIN_INCOMPLETE = "drain-incomplete", "The pods of a drained node did not move to other nodes."
    PODS_RESTARTED = (
        "pods-restarted",
        "Pods were restarted or replaced while their kubelet was stopped.",
    )

    # Services and DNS.
    CLUSTER_IP_UNREACHABLE = "cluster-ip-unreachable", "A service does not answer at its ClusterIP."
    NODE_PORT_UNREACHABLE = "node-port-unreachable", "A service does not answer at its NodePort."
    SERVICE_CONNECTION_DELAYED = (
        "service-connection-delayed",
        "Connections to a service fail or are late if its pod is on another node.",
    )
    SERVICE_UNREACHABLE_ON_SAME_NODE = (
        "service-unreachable-on-same-node",
        "A pod cannot reach a service whose pod is on the same node.",
    )
    HAIRPIN_OFF = "hairpin-off", "A pod cannot reach itself through its own service."
    EMPTY_SERVICE_NOT_REJECTED = (
        "empty-service-not-rejected",
        "A service without endpoints does not reject connections at once.",
    )
    SESSION_AFFINITY_LOST = (
        "session-affinity-lost",
        "A service with session affinity uses several pods for one client.",
    )
    SERVICE_REQUESTS_FAIL = (
        "service-requests-fail",
        "Some requests to a service fail or take too long.",
    )
    CLIENT_ADDRESS_LOST = (
        "client-address-lost",
        "A NodePort with externalTrafficPolicy Local hides the client's address.",
    )
    REQUESTS_FAIL_DURING_DISRUPTION = (
        "requests-fail-during-disruption",
        "Requests fail while a program is down or a node is drained.",
    )
    ENDPOINTS_STALE = "endpoints-stale", "The EndpointSlices of a service do not match its pods."
    SERVICE_BACKENDS_STALE = (
        "service-backends-stale",
        "A service is not answered by exactly its current pods.",
    )
    NAMESERVER_WRONG = (
        "nameserver-wrong",
        "Pods are not configured with the address of the cluster DNS.",
    )
    NAMESERVER_LOCAL = (
        "nameserver-local",
        "Pods with dnsPolicy Default have a loopback address as name server.",
    )
    DNS_NOT_RUNNING = "dns-not-running", "No pod of the cluster DNS runs."
    DNS_NOT_SPREAD = (
        "dns-not-spread",
        "The pods of the cluster DNS are too few or on too few nodes.",
    )
    DNS_NO_ANSWER = "dns-no-answer", "The cluster DNS does not answer."
    DNS_SLOW = "dns-slow", "The cluster DNS answers too late."
    DNS_RECORD_WRONG = (
        "dns-record-wrong",
        "The cluster DNS has no record of a service, or a wrong one.",
    )

    # Hardening.
    SETTING_INSECURE = (
        "setting-insecure",
        "A flag or setting of a component violates a hardening rule.",
    )
    SERVICE_RUNS_AS_ROOT = "service-runs-as-root", "A control-plane service runs as root."
    FILE_MODE_INSECURE = "file-mode-insecure", "A file has too many permissions or the wrong owner."
    AUDIT_LOG_NOT_WRITTEN = (
        "audit-log-not-written",
        "An API server does not write requests to an audit log.",
    )
    SECRETS_NOT_ENCRYPTED = "secrets-not-encrypted", "Secrets are not encrypted in etcd."
    PRIVILEGED_POD_ADMITTED = (
        "privileged-pod-admitted",
        "A namespace without labels admits pods that can access their node.",
    )
    TOKEN_NOT_BOUND = (
        "token-not-bound",
        "The token of a pod is not bound to the pod or is valid for too long.",
    )
    TOKEN_AUDIENCE_IGNORED = (
        "token-audience-ignored",
        "The API accepts a token that was issued for another audience.",
    )
    TOKEN_OUTLIVES_ACCOUNT = (
        "token-outlives-account",
        "The API accepts a token of a deleted service account.",
    )
    RIGHTS_TOO_WIDE = "rights-too-wide", "A role or its binding allows more than it should."
    RIGHTS_MISSING = "rights-missing", "The API denies a request that a role allows."
    ANONYMOUS_REQUEST_ADMITTED = "anonymous-request-admitted", "The API answers anonymous requests."
    KUBELET_OPEN = "kubelet-open", "A kubelet answers anonymous requests."
    METADATA_SERVICE_OPEN = (
        "metadata-service-open",
        "Pods can read the user data of their node from the cloud's metadata service.",
    )
    METADATA_SERVICE_BLOCKED = (
        "metadata-service-blocked",
        "Pods cannot reach the cloud's metadata service although the cluster allows it.",
    )
    PORT_OPEN_WITHOUT_AUTHENTICATION = (
        "port-open-without-authentication",
        "Other hosts can connect to a port that has no authentication.",
    )
    TLS_UNAVAILABLE = "tls-unavailable", "A port does not accept TLS 1.2 or 1.3."
    OLD_TLS_ACCEPTED = "old-tls-accepted", "A port accepts TLS 1.1 or older."
    WEAK_CIPHERS_ACCEPTED = "weak-ciphers-accepted", "A port accepts weak ciphers."
    CERTIFICATE_UNTRUSTED = (
        "certificate-untrusted",
        "A certificate has the wrong authority or the wrong name.",
    )
    CERTIFICATE_EXPIRING = "certificate-expiring", "A certificate has expired or expires soon."
    ETCD_AUTHORITY_SHARED = (
        "etcd-authority-shared",
        "The same authority signs the certificates of etcd and of the API.",
    )

    # Pods that the run creates.
    POD_NODE_UNRESPONSIVE = (
        "pod-node-unresponsive",
        "A pod cannot start because the kubelet of its node has stopped reporting.",
    )
    POD_NOT_RUNNING = "pod-not-running", "A pod was not ready in time, or it cannot start."
    POD_NOT_SCHEDULED = "pod-not-scheduled", "The scheduler did not assign a pod to a node in time."
    POD_NOT_EVALUATED = (
        "pod-not-evaluated",
        "The scheduler neither assigned a pod to a node nor gave a reason in time.",
    )
    POD_SCHEDULED_UNEXPECTEDLY = (
        "pod-scheduled-unexpectedly",
        "The scheduler assigned a pod to a node although no node satisfies its constraints.",
    )
    POD_ON_WRONG_NODE = (
        "pod-on-wrong-node",
        "The scheduler assigned a pod to a node that does not satisfy its constraints.",
    )
