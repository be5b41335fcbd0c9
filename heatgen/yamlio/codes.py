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
    NOT_UTF8 = "not-utf8", "The file is not encoded in UTF-8."
    INVALID_CHARACTER = "invalid-character", "The file contains a character that YAML forbids."
    NESTING_TOO_DEEP = "nesting-too-deep", "Mappings and sequences are nested too deeply."
    MULTIPLE_DOCUMENTS = "multiple-documents", "The file contains more than one YAML document."
    YAML_TAG = "yaml-tag", "The file contains a YAML tag, which heatgen does not support."
    YAML_ANCHOR = (
        "yaml-anchor",
        "The file contains a YAML anchor, alias or merge key, which heatgen does not support.",
    )
    KEY_NOT_SCALAR = "key-not-scalar", "A key of a mapping is itself a mapping or sequence."
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
    INVALID_LABEL_KEY = "invalid-label-key", "The key of a node label is not valid in Kubernetes."
    RESERVED_LABEL_KEY = (
        "reserved-label-key",
        "The key of a node label is in a domain that kubelets must not use.",
    )
    INVALID_TAINT_KEY = "invalid-taint-key", "The key of a node taint is not valid in Kubernetes."
    DUPLICATE_TAINT = "duplicate-taint", "Two taints of a group have the same key and effect."

    # Blocks.
    UNKNOWN_BLOCK = "unknown-block", "The layer has no block of this name."
    UNKNOWN_LAYER = "unknown-layer", "A folder of blocks is named like no layer."
    LAYER_MISMATCH = "layer-mismatch", "The layer in block.yaml is not that of its folder."
    INVALID_BLOCK_NAME = "invalid-block-name", "The name of a block's folder is not a valid name."
    DUPLICATE_BLOCK = "duplicate-block", "Two folders define a block of the same layer and name."
    FILE_NOT_TEXT = "file-not-text", "A file in a block's folder is not UTF-8 text."
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
        "A block refers to an option, artifact, file, step or source that does not exist.",
    )
    UNDECLARED_INPUT = "undeclared-input", "A step uses an input that its block does not declare."
    MISSING_CAPABILITY = "missing-capability", "A step requires a capability that no step provides."
    STEP_CYCLE = "step-cycle", "Steps depend on each other."
    NOT_PINNED = "not-pinned", "The lock file has no digest of an artifact or image."
    MISSING_SCRIPT = "missing-script", "The script of a step does not exist."
    INVALID_SCRIPT = (
        "invalid-script",
        "The script of a step does not source the step library exactly once.",
    )
