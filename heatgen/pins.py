# SPDX-License-Identifier: Apache-2.0
"""The lock as a value: which bytes a name stands for. Read and written as ``cluster.lock.yaml``.

URLs are upstream's own, also when a mirror serves them: the lock does not depend on the mirror.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from heatgen import document, schema, yamltext
from heatgen.problems import ProblemsFound

HEADER = """\
# Made by `heatgen lock`: the bytes this cluster is built from. Keep it under version control.
# artefacts: upstream's URL to SHA-256. images: reference to digest.
"""

_SCHEMA: schema.Schema = {
    "type": "object",
    "additionalProperties": False,
    "required": ["version"],
    "properties": {
        "version": {"const": 1},
        "artefacts": {
            "type": "object",
            "default": {},
            "additionalProperties": {
                "type": "string", "pattern": "^[0-9a-f]{64}$", "rule": "must be a SHA-256 in hex",
            },
        },
        "images": {
            "type": "object",
            "default": {},
            "additionalProperties": {
                "type": "string",
                "pattern": "^sha256:[0-9a-f]{64}$",
                "rule": "must be a digest such as sha256:HEX",
            },
        },
    },
}  # fmt: skip


@dataclass(frozen=True)
class Pins:
    """Artefacts' URLs to SHA-256 (hex), images' references to digests (``sha256:...``)."""

    artefacts: Mapping[str, str] = field(default_factory=dict)
    images: Mapping[str, str] = field(default_factory=dict)
    name: str = "the lock"
    """Of the file, for messages."""


def read(name: str, raw: bytes) -> Pins:
    """The pins of a lock file.

    Raises:
        ProblemsFound: when the file is not a lock.
    """
    lock = document.parse(name, raw)
    problems = schema.check(lock, _SCHEMA)
    if problems:
        raise ProblemsFound(problems, {name: lock.text})
    data = schema.filled(lock.data, _SCHEMA)
    return Pins(data["artefacts"], data["images"], name)


def write(pins: Pins) -> str:
    """The text of a lock file, sorted, so that a changed pin is one changed line."""
    data = {
        "version": 1,
        "artefacts": dict(sorted(pins.artefacts.items())),
        "images": dict(sorted(pins.images.items())),
    }
    return HEADER + yamltext.dump(data)
