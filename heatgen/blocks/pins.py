# SPDX-License-Identifier: Apache-2.0
"""The lock as a value: which bytes a name stands for. Read and written as ``cluster.lock.yaml``.

URLs are upstream's own, also when a mirror serves them: the lock does not depend on the mirror.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from heatgen.yamlio import document, schema, writer
from heatgen.yamlio.codes import Code
from heatgen.yamlio.document import Document
from heatgen.yamlio.problems import Problem, ProblemsFound

FORMAT = 1
"""Version of the lock file's form."""
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
    """Artifacts' URLs to SHA-256 (hex), images' references to digests (``sha256:...``)."""

    artifacts: Mapping[str, str] = field(default_factory=dict)
    images: Mapping[str, str] = field(default_factory=dict)
    name: str = "the lock"
    """Of the file, for messages."""
    document: Document | None = field(default=None, compare=False, repr=False)
    """The file, if these were read from one."""

    @property
    def every(self) -> dict[str, str]:
        """Sums and digests by the names of artifacts and images."""
        return {**self.artifacts, **self.images}

    def problem(
        self, name: str, message: str, hint: str, *, code: Code = Code.UNSPECIFIED
    ) -> Problem:
        """A problem with a pin, at its place in the file."""
        if self.document is None:
            return Problem(self.name, None, message, hint, code=code)
        for part in ("artifacts", "images"):
            if (part, name) in self.document.keys:
                return self.document.problem((part, name), message, hint, key=True, code=code)
        return Problem(self.name, None, message, hint, code=code)


def read(name: str, raw: bytes) -> Pins:
    """The pins of a lock file.

    Raises:
        ProblemsFound: when the file is not a lock, or one of a newer form.
    """
    # heatgen 0.1 wrote the key with another spelling; `heatgen lock` writes the new one.
    lock = document.with_renamed_key(document.parse(name, raw), "artefacts", "artifacts")
    problems = _newer(lock) or [
        replace(problem, hint=problem.hint or "locks are made: remove it and run 'heatgen lock'")
        for problem in schema.check(lock, _SCHEMA)
    ]
    if problems:
        raise ProblemsFound(problems, {name: lock.text})
    data = schema.filled(lock.data, _SCHEMA)
    return Pins(data["artifacts"], data["images"], name, lock)


def _newer(lock: Document) -> list[Problem]:
    """That the file is of a form that only newer programs know; nothing else is to be said then."""
    version: Any = lock.data.get("version") if isinstance(lock.data, dict) else None
    if not isinstance(version, int) or version <= FORMAT:
        return []
    message = f"the lock is of version {version}, this heatgen knows {FORMAT}"
    return [lock.problem(("version",), message, "use the heatgen that made it, or a newer one")]


def write(pins: Pins) -> str:
    """The text of a lock file, sorted, so that a changed pin is one changed line."""
    data = {
        "version": FORMAT,
        "artifacts": dict(sorted(pins.artifacts.items())),
        "images": dict(sorted(pins.images.items())),
    }
    return HEADER + writer.dump(data)
