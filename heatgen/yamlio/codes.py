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

    UNSPECIFIED = "unspecified", "A problem without a code of its own."

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
    ADDRESS_IN_POOL = (
        "address-in-pool",
        "A fixed address is in the range that Neutron allocates dynamically.",
    )
    NETWORK_OVERLAP = "network-overlap", "Two networks of the cluster overlap."
    NETWORK_TOO_SMALL = (
        "network-too-small",
        "A network has too few addresses for the nodes, pods or services of the cluster.",
    )
    VERSION_TOO_OLD = "version-too-old", "A block requires a newer version of a component."
    DUPLICATE_GROUP = "duplicate-group", "Two groups of nodes have the same name."
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
        "The key of a node label is in a domain that kubelets must not use.",
    )

    # Blocks.
    UNKNOWN_BLOCK = "unknown-block", "The layer has no block of this name."
    UNKNOWN_LAYER = "unknown-layer", "The name of a folder of blocks is not a layer."
    LAYER_MISMATCH = "layer-mismatch", "The layer in block.yaml is not that of its folder."
    INVALID_BLOCK_NAME = "invalid-block-name", "The name of a block's folder is not a valid name."
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
    MISSING_BLOCK_FILE = "missing-block-file", "A file that block.yaml names does not exist."
    SCRIPT_CONVENTION = (
        "script-convention",
        "A script lacks the common first lines, or the message with which it has to end.",
    )
    UNDECLARED_NAME = (
        "undeclared-name",
        "A step or script uses an input or output that is not declared.",
    )

    # Project files and locks.
    INCOMPLETE_LOCK = "incomplete-lock", "The lock lacks an artifact or image of the cluster."
