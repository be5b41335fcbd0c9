# SPDX-License-Identifier: Apache-2.0
"""Persistent record of the fault in a cluster, written before injection, to heal after a kill."""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Journal:
    """A file beside the cluster's own files; it exists while a fault may be in the cluster."""

    path: Path

    @property
    def fault(self) -> str:
        """The fault that may be in the cluster; '' if it is healthy."""
        return str(self._read().get("fault", ""))

    def begin(self, fault: str) -> None:
        """Record that a fault is about to be injected."""
        self._write({"fault": fault, "since": time.time(), "kept": {}})

    def save(self, name: str, value: Any) -> None:
        """Save a value that `heal` needs, in this or another process."""
        plain = self._read()
        plain.setdefault("kept", {})[name] = value
        self._write(plain)

    def saved(self, name: str, default: Any = None) -> Any:
        """Return the value saved under that name since `begin`."""
        return self._read().get("kept", {}).get(name, default)

    def end(self) -> None:
        """Record that the fault is removed and the cluster is healthy."""
        self.path.unlink(missing_ok=True)

    def _read(self) -> dict[str, Any]:
        return dict(json.loads(self.path.read_text())) if self.path.exists() else {}

    def _write(self, plain: dict[str, Any]) -> None:
        new = self.path.with_name(self.path.name + ".new")
        new.write_text(json.dumps(plain, indent=1) + "\n")
        new.rename(self.path)
