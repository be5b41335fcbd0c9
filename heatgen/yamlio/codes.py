# SPDX-License-Identifier: Apache-2.0
"""Stable codes of problems, as in butane's ``errors.go``. Messages may change, codes may not.

``doc/reference/errors.rst`` is generated from this enumeration.
"""

from enum import StrEnum
from typing import Self


class Code(StrEnum):
    """Kinds of problems: the value is for programs, ``description`` is one sentence for users."""

    description: str

    def __new__(cls, value: str, description: str) -> Self:
        """Return a member with its description."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.description = description
        return member

    # Input files.
    YAML_SYNTAX = "yaml-syntax", "The file is not valid YAML."
    FILE_TOO_LARGE = "file-too-large", "The file exceeds the size limit of input files."
    INVALID_ENCODING = (
        "invalid-encoding",
        "The file is not encoded in UTF-8, or contains a character that YAML forbids.",
    )
    UNSUPPORTED_YAML = (
        "unsupported-yaml",
        "The file uses YAML features that heatgen rejects: anchors, aliases, merge keys, tags, "
        "several documents, or keys that are not scalars.",
    )
    NESTING_TOO_DEEP = "nesting-too-deep", "Mappings and sequences are nested too deeply."
    DUPLICATE_KEY = "duplicate-key", "A mapping defines the same key more than once."
    UNKNOWN_KEY = "unknown-key", "The schema does not define this key."
    MISSING_KEY = "missing-key", "A required key is not set."
    EMPTY_VALUE = "empty-value", "A key has no value, but its value is required."
    WRONG_TYPE = "wrong-type", "A value has another type than the schema requires."
    VALUE_NOT_ALLOWED = "value-not-allowed", "A value is not one of the allowed values."
    INVALID_FORMAT = (
        "invalid-format",
        "A value does not have the required format, such as that of a name, URL or network.",
    )
    OUT_OF_RANGE = "out-of-range", "A number is smaller or larger than allowed."
    INVALID_LENGTH = (
        "invalid-length",
        "A string, list or mapping is shorter or longer than allowed.",
    )
    CONTROL_CHARACTER = (
        "control-character",
        "A key or value contains a control character, or a line break where one line is expected.",
    )
    SECRET_IN_FILE = (
        "secret-in-file",
        "A value contains a private key or password, which Heat would store unencrypted.",
    )
    DUPLICATE_ITEM = "duplicate-item", "A list contains the same item more than once."
    SCHEMA_VIOLATION = "schema-violation", "A value breaks another rule of its schema."

    # Specification.
    CONFLICTING_KEYS = "conflicting-keys", "Two keys cannot be set at the same time."
    CONTROL_PLANE_COUNT = (
        "control-plane-count",
        "The number of control-plane nodes is not 1, 3 or 5.",
    )
    ADDRESS_OUTSIDE_NETWORK = (
        "address-outside-network",
        "A fixed address is outside the network of the nodes.",
    )
    ADDRESS_RESERVED = (
        "address-reserved",
        "A fixed address is that of the network or of the gateway of an existing subnet.",
    )
    ADDRESS_IN_POOL = (
        "address-in-pool",
        "A fixed address is in the range that Neutron allocates dynamically.",
    )
    ADDRESS_IN_CLUSTER_NETWORK = (
        "address-in-cluster-network",
        "An address outside the cluster is in the network of pods or services.",
    )
    HEAT_SYNTAX = (
        "heat-syntax",
        "A value contains text that Heat would replace or evaluate.",
    )
    NETWORK_NOT_USABLE = (
        "network-not-usable",
        "A network or address is in a range that servers cannot use, such as loopback.",
    )
    NETWORK_OVERLAP = "network-overlap", "Two networks of the cluster overlap."
    NETWORK_TOO_SMALL = (
        "network-too-small",
        "A network has too few addresses for the nodes, pods or services of the cluster.",
    )
    VERSION_TOO_OLD = "version-too-old", "A block requires a newer version of a component."
    VERSION_TOO_NEW = "version-too-new", "A block does not support such a new version."
    OVERRIDE_NOT_ALLOWED = (
        "override-not-allowed",
        "An override changes a setting on which heatgen depends.",
    )
    DUPLICATE_GROUP = "duplicate-group", "Two groups of nodes have the same name."
    IMAGE_OF_OTHER_SYSTEM = (
        "image-of-other-system",
        "A group of workers has another operating system than the control plane, but no image.",
    )
    CONFLICTING_OPTIONS = (
        "conflicting-options",
        "Two groups of workers set different options of the same block.",
    )
    INVALID_LABEL_OR_TAINT = (
        "invalid-label-or-taint",
        "The key of a node label or taint is not valid in Kubernetes.",
    )
    RESERVED_LABEL = (
        "reserved-label",
        "The key of a node label or taint is in a domain of Kubernetes or heatgen.",
    )

    # Blocks.
    UNKNOWN_BLOCK = "unknown-block", "The layer has no block of this name."
    UNAVAILABLE_BLOCK = (
        "unavailable-block",
        "The block exists, but is not yet available: clusters with it cannot be created.",
    )
    UNKNOWN_BASE = "unknown-base", "A block names a base that heatgen does not contain."
    UNKNOWN_LAYER = "unknown-layer", "The name of a folder of blocks is not a layer."
    LAYER_MISMATCH = "layer-mismatch", "The layer in block.yaml is not that of its folder."
    INVALID_BLOCK_NAME = "invalid-block-name", "The name of a block's folder is not a valid name."
    INVALID_BOOT = (
        "invalid-boot",
        "What a block sets under 'boot' cannot be written to a server at its first start.",
    )
    DUPLICATE_BLOCK = "duplicate-block", "Two folders define a block of the same layer and name."
    INCOMPLETE_INSTALLATION = (
        "incomplete-installation",
        "A file that is part of heatgen is missing.",
    )
    NEWER_LOCK = "newer-lock", "The lock file was written by a newer version of heatgen."
    DEPRECATED_NAME = (
        "deprecated-name",
        "A name has been replaced by another one; the old name works for one more release.",
    )

    # Plan.
    UNRESOLVED_REFERENCE = (
        "unresolved-reference",
        "A block refers to a value that does not exist.",
    )
    MISSING_CAPABILITY = "missing-capability", "A step requires a capability that no step provides."
    STEP_CYCLE = "step-cycle", "Steps depend on each other."

    # Block authoring.
    DUPLICATE_STEP = "duplicate-step", "Two steps of a block have the same name."
    EXAMPLE_WITHOUT_BLOCK = (
        "example-without-block",
        "The example of a block does not use the block.",
    )
    INCONSISTENT_UNSUPPORTED_LIST = (
        "inconsistent-unsupported-list",
        "The list of unsupported systems contradicts itself or the installed blocks.",
    )
    INVALID_BASE_FILE = "invalid-base-file", "The base file of a configuration cannot be parsed."
    INVALID_CERTIFICATE = (
        "invalid-certificate",
        "A certificate of a block has an unsupported subject, or lacks the names of its server.",
    )
    INVALID_DEFAULT = "invalid-default", "The default of an option does not match its schema."
    INVALID_OPTION_DECLARATION = (
        "invalid-option-declaration",
        "The declaration of an option is not JSON Schema, or its name is reserved.",
    )
    INVALID_SUPPORT_RECORD = (
        "invalid-support-record",
        "A record of what was proven is of an unknown system or ring.",
    )
    MISSING_BLOCK_FILE = "missing-block-file", "A file that block.yaml names does not exist."
    OUTPUT_NOT_WRITTEN = "output-not-written", "A script does not write an output of its step."
    ROLE_NOT_IN_BLOCK = (
        "role-not-in-block",
        "A step or certificate has a role that its block lacks.",
    )
    SCRIPT_CONVENTION = (
        "script-convention",
        "A script lacks the common first lines, or the message with which it has to end.",
    )
    SCRIPT_NOT_EXECUTABLE = "script-not-executable", "The script of a step is not executable."
    TEMPLATE_IN_SCRIPT = "template-in-script", "A script contains a template expression."
    UNDECLARED_NAME = (
        "undeclared-name",
        "A step or script uses an input or output that is not declared.",
    )
    UNKNOWN_OVERRIDE = (
        "unknown-override",
        "A block patches a configuration that no block declares.",
    )
    UNUSED_DECLARATION = (
        "unused-declaration",
        "A block declares an option, input, artifact, image, configuration or volume without use.",
    )
    UNUSED_FILE = "unused-file", "The folder of a block contains a file that is not used."

    # TOSCA.
    TOSCA_ALIASES = (
        "tosca-aliases",
        "The YAML aliases of a topology are recursive, or expand to too many values.",
    )
    TOSCA_CLUSTER_INVALID = (
        "tosca-cluster-invalid",
        "The cluster.yaml that a topology is converted to is not valid.",
    )
    TOSCA_INVALID = "tosca-invalid", "The file is not a TOSCA topology, or tosca-parser rejects it."
    TOSCA_LIBRARIES_MISSING = (
        "tosca-libraries-missing",
        "The optional libraries that read TOSCA topologies are not installed.",
    )
    TOSCA_NO_FLAVOR = "tosca-no-flavor", "No flavor is large enough for a server of a topology."
    TOSCA_NO_SERVERS = "tosca-no-servers", "A topology does not contain servers."
    TOSCA_UNKNOWN_NAME = (
        "tosca-unknown-name",
        "An option of the import names an input or server that the topology lacks.",
    )

    # Project files and locks.
    ADMIN_KEY_MISMATCH = (
        "admin-key-mismatch",
        "The administrator's key does not match the certificate or the certificate request.",
    )
    BACKUP_KEY_MISMATCH = (
        "backup-key-mismatch",
        "The key that opens backups does not match its certificate.",
    )
    ADMIN_REQUEST_SUBJECT = (
        "admin-request-subject",
        "The subject of the administrator's certificate request is not one that the cluster signs.",
    )
    CHECKSUM_CHANGED = (
        "checksum-changed",
        "The source of an artifact or image provides other bytes than the lock states.",
    )
    CHECKSUM_NOT_FOUND = (
        "checksum-not-found",
        "A published checksum file does not contain the checksum of an artifact.",
    )
    DOWNLOAD_FAILED = (
        "download-failed",
        "A server could not be reached, or did not provide the requested file.",
    )
    DOWNLOAD_REJECTED = (
        "download-rejected",
        "A response was too large, unencrypted, or did not match its digest.",
    )
    CERTIFICATE_EXPIRED = (
        "certificate-expired",
        "The administrator's certificate has expired.",
    )
    FILE_EXISTS = "file-exists", "The file or folder to write already exists."
    FILE_LOCKED = "file-locked", "Another program is changing a file."
    FILE_NOT_READABLE = "file-not-readable", "A file cannot be read."
    FILE_NOT_WRITABLE = "file-not-writable", "A file or folder cannot be written."
    HEAT_LIMIT_EXCEEDED = "heat-limit-exceeded", "The template exceeds a limit of Heat."
    INCOMPLETE_LOCK = "incomplete-lock", "The lock lacks an artifact or image of the cluster."
    INVALID_ADMIN_KEY = (
        "invalid-admin-key",
        "The administrator's key is not an unencrypted private key in PEM format.",
    )
    INVALID_ADMIN_REQUEST = (
        "invalid-admin-request",
        "The administrator's certificate request cannot be parsed.",
    )
    INVALID_BACKUP_CERTIFICATE = (
        "invalid-backup-certificate",
        "The certificate to which backups are sealed cannot be parsed, or has no EC key.",
    )
    INVALID_BACKUP_KEY = (
        "invalid-backup-key",
        "The key that opens backups is not an unencrypted private key in PEM format.",
    )
    INVALID_BLOCK_FOLDER = (
        "invalid-block-folder",
        "A path given for blocks is not a readable folder that contains blocks.",
    )
    KUBECONFIG_CONFLICT = (
        "kubeconfig-conflict",
        "A kubeconfig has a cluster, user or context of the same name that heatgen did not write.",
    )
    MISSING_ADMIN_REQUEST = (
        "missing-admin-request",
        "The cluster does not have an administrator's certificate request.",
    )
    MISSING_BACKUP_CERTIFICATE = (
        "missing-backup-certificate",
        "The cluster does not have a certificate to which backups are sealed.",
    )
    MISSING_LOCK = "missing-lock", "The cluster does not have a lock."
    NOT_A_KUBECONFIG = "not-a-kubeconfig", "An existing file is not a kubeconfig."
    OUTPUT_IS_INPUT = (
        "output-is-input",
        "The output of a command would overwrite a file of the cluster.",
    )
    UNUSED_LOCK_ENTRY = "unused-lock-entry", "The lock pins a file that the cluster does not use."

    # Cloud.
    AUTHENTICATION_FAILED = "authentication-failed", "The cloud rejected the credentials."
    AUTH_PLUGIN_MISSING = (
        "auth-plugin-missing",
        "The plug-in for the authentication type of the cloud is not installed.",
    )
    CERTIFICATE_NOT_TRUSTED = (
        "certificate-not-trusted",
        "The authorities of the cluster did not sign the administrator's certificate.",
    )
    CLOUD_ERROR = "cloud-error", "A service of the cloud failed (HTTP status 5xx)."
    CLOUD_REFUSED = "cloud-refused", "The cloud rejected a request."
    CLOUD_UNREACHABLE = "cloud-unreachable", "The connection to the cloud failed."
    CONNECTION_REFUSED = (
        "connection-refused",
        "No service listens at the address of a service of the cloud.",
    )
    FORBIDDEN = "forbidden", "The user lacks a role that the request requires."
    FOREIGN_STACK = (
        "foreign-stack",
        "The stack was not created from a template of heatgen.",
    )
    HOST_NOT_RESOLVED = (
        "host-not-resolved",
        "The host name of a service of the cloud cannot be resolved.",
    )
    INVALID_STACK_OUTPUT = (
        "invalid-stack-output",
        "An output of the stack is missing or not usable.",
    )
    INVALID_TLS_FILE = (
        "invalid-tls-file",
        "A file of certificate authorities or a client certificate cannot be used.",
    )
    MISSING_STACK_PARAMETER = (
        "missing-stack-parameter",
        "The template of the stack lacks a parameter that the update needs.",
    )
    NOT_FOUND = "not-found", "The cloud does not have a resource of this name."
    NETWORK_CHANGED = (
        "network-changed",
        "An update changes the network of the pods or services of a running cluster.",
    )
    NO_CREDENTIALS = "no-credentials", "No usable credentials of a cloud are configured."
    PROXY_FAILED = "proxy-failed", "The proxy of this machine failed or refused the connection."
    QUOTA_EXCEEDED = "quota-exceeded", "A quota of the project or a limit of the cloud is exceeded."
    REQUIREMENT_NOT_MET = (
        "requirement-not-met",
        "The cloud lacks a resource, property or quota that the cluster needs.",
    )
    RESTRICTED_CREDENTIALS = (
        "restricted-credentials",
        "The application credential is restricted, so that Heat cannot create a trust with it.",
    )
    ROTATION_NOT_APPLIED = (
        "rotation-not-applied",
        "The stack was updated, but the cluster did not apply the rotation.",
    )
    SERVICE_NOT_FOUND = (
        "service-not-found",
        "The catalog of the cloud has no endpoint of a required service.",
    )
    STACK_EXISTS = "stack-exists", "The project already has a stack of this name."
    KUBERNETES_UNREACHABLE = (
        "kubernetes-unreachable",
        "The Kubernetes API of the cluster does not respond.",
    )
    KUBERNETES_REFUSED = (
        "kubernetes-refused",
        "The Kubernetes API of the cluster refused a request.",
    )
    BACKUP_UNKNOWN = (
        "backup-unknown",
        "A node reports its backups in a format that this version of heatgen does not know.",
    )
    RESTORE_INTERRUPTED = (
        "restore-interrupted",
        "An earlier restore of etcd has not ended, and another backup was requested.",
    )
    RESTORE_INCOMPLETE = (
        "restore-incomplete",
        "A control-plane node did not report that it has executed a phase of a restore.",
    )
    NO_BACKUPS = "no-backups", "No control-plane node has, or takes, the backup of etcd."
    STACK_FAILED = "stack-failed", "The creation, update or deletion of a stack failed."
    STACK_NOT_COMPLETE = (
        "stack-not-complete",
        "The stack failed or is suspended, or an operation on it is in progress.",
    )
    TIMED_OUT = "timed-out", "An operation or a request took longer than its limit."
    TLS_FAILED = (
        "tls-failed",
        "The certificate of the cloud is not trusted, or the connection does not use TLS.",
    )
    UNEXPECTED_RESPONSE = (
        "unexpected-response",
        "A response is not that of an OpenStack service, but for example a login page.",
    )
    NETWORK_OF_OTHERS = (
        "network-of-others",
        "An existing network belongs to another project: Neutron refuses fixed addresses there.",
    )
    NO_DHCP = (
        "no-dhcp",
        "An existing subnet has no DHCP, so that servers need a config drive.",
    )
    NO_GATEWAY = (
        "no-gateway",
        "An existing subnet has no gateway, so that servers have no default route.",
    )
    NO_PORT_SECURITY = (
        "no-port-security",
        "An existing network has no port security, so that Neutron refuses security groups.",
    )
    UNSUPPORTED_ARCHITECTURE = (
        "unsupported-architecture",
        "An image is for another processor than the programs that nodes download.",
    )
    VERSION_SKEW = (
        "version-skew",
        "An update skips a minor version of Kubernetes, or returns to an older one.",
    )

    # Nodes of a running cluster.
    DISRUPTION_BUDGET = (
        "disruption-budget",
        "A disruption budget does not permit the eviction of a pod from a node.",
    )
    GROUP_UNHEALTHY = (
        "group-unhealthy",
        "A whole group of workers is marked as unhealthy: an update would replace all its servers.",
    )
    NO_MAJORITY = (
        "no-majority",
        "Without this control-plane node, etcd would have no majority.",
    )
    OPERATION_IN_PROGRESS = (
        "operation-in-progress",
        "Another command is removing or replacing nodes of the same cluster.",
    )
    PODS_NOT_MOVED = "pods-not-moved", "Pods did not leave a node in time."
    REPAIR_FAILED = "repair-failed", "A replaced node did not become Ready."
    TOO_MANY_UNHEALTHY = (
        "too-many-unhealthy",
        "So many nodes are unhealthy that their replacement would not help.",
    )
    UNMANAGED_PODS = (
        "unmanaged-pods",
        "Pods of a node have no controller that recreates them on another node.",
    )
    UPDATE_NOT_APPLIED = (
        "update-not-applied",
        "The stack was updated, but another update has changed its parameters.",
    )
    VOLUMES_ATTACHED = "volumes-attached", "Volumes were not detached from a node in time."

    # Commands.
    CONFIRMATION_REQUIRED = (
        "confirmation-required",
        "The command needs a confirmation, and standard input is not a terminal.",
    )
    INTERNAL_ERROR = "internal-error", "The command failed because of a bug in heatgen."
    INVALID_ARGUMENT = "invalid-argument", "The value of a command-line argument is not valid."
    NO_LOGS = "no-logs", "No logs could be collected."
    SYSTEM_ERROR = "system-error", "The operating system rejected an operation."
    UNKNOWN_COMMAND = "unknown-command", "The command does not exist."
