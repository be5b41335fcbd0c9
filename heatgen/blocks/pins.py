# SPDX-License-Identifier: Apache-2.0
"""Data model, parser and writer of ``cluster.lock.yaml``: digests of artifacts and images.

Artifacts are named by their upstream URL even if a mirror serves them: the lock does not depend on
the mirror.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from heatgen.yamlio import document, schema, writer
from heatgen.yamlio.codes import Code
from heatgen.yamlio.document import Document
from heatgen.yamlio.problems import Problem, ProblemsFound

FORMAT = 1
"""Version of the lock file's format."""
HEADER = """\
# Made by `heatgen lock`: the bytes this cluster is built from. Keep it under version control.
# artifacts: upstream's URL to SHA-256. images: reference to digest.
"""

_SCHEMA: schema.Schema = {
    "type": "object",
    "additionalProperties": False,
    "required": ["version"],
    "properties": {
        "version": {"const": FORMAT},
        "artifacts": {
            "type": "object",
            "default": {},
            "additionalProperties": {
                "type": "string", "pattern": "^[0-9a-f]{64}$", "rule": "must be a hex SHA-256",
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
    """URLs of artifacts to SHA-256 (hex), references of images to digests (``sha256:...``)."""

    artifacts: Mapping[str, str] = field(default_factory=dict)
    images: Mapping[str, str] = field(default_factory=dict)
    name: str = "the lock"
    """Name of the file, for messages."""
    document: Document | None = field(default=None, compare=False, repr=False)
    """The file that these were read from, if any."""

    @property
    def every(self) -> dict[str, str]:
        """Return the digests by the names of artifacts and images."""
        return {**self.artifacts, **self.images}

    def problem(self, name: str, message: str, hint: str, *, code: Code) -> Problem:
        """Return a problem with a pin, at its position in the file."""
        if self.document is None:
            return Problem(self.name, None, message, hint, code=code)
        for part in ("artifacts", "images"):
            if (part, name) in self.document.keys:
                return self.document.problem((part, name), message, hint, key=True, code=code)
        return Problem(self.name, None, message, hint, code=code)


def read(name: str, raw: bytes) -> Pins:
    """Parse a lock file.

    Raises:
        ProblemsFound: the file is not a lock, or has a newer format.
    """
    # heatgen 0.1 wrote the key with another spelling; `heatgen lock` writes the new one.
    lock = document.with_renamed_key(document.parse(name, raw), "artefacts", "artifacts")
    hint = "do not edit lock files: delete it and run 'heatgen lock'"
    # Corrections of single values do not help: a lock is never edited.
    problems = _newer(lock) or [
        replace(problem, hint=hint) for problem in schema.check(lock, _SCHEMA)
    ]
    if problems:
        raise ProblemsFound(problems, {name: lock.text})
    data = schema.filled(lock.data, _SCHEMA)
    return Pins(data["artifacts"], data["images"], name, lock)


def _newer(lock: Document) -> list[Problem]:
    """Return the problem of a format that only newer versions of heatgen support, if so."""
    version: Any = lock.data.get("version") if isinstance(lock.data, dict) else None
    if not isinstance(version, int) or version <= FORMAT:
        return []
    message = f"the lock has format version {version}, this heatgen supports {FORMAT}"
    hint = "use the version of heatgen that wrote it, or a newer one"
    return [lock.problem(("version",), message, hint, code=Code.NEWER_LOCK)]


def write(pins: Pins) -> str:
    """Return the text of a lock file, sorted, so that a changed pin is one changed line."""
    data = {
        "version": FORMAT,
        "artifacts": dict(sorted(pins.artifacts.items())),
        "images": dict(sorted(pins.images.items())),
    }
    return HEADER + writer.dump(data)
