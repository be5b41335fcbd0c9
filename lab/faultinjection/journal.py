# SPDX-License-Identifier: Apache-2.0
"""Which fault is in a cluster, written down before it is put there, to heal after a kill."""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Journal:
    """A file beside the cluster's own; it is there exactly while a fault may be in the cluster."""

    path: Path

    @property
    def fault(self) -> str:
        """The fault that may be in the cluster; '' if there is none."""
        return str(self._read().get("fault", ""))

    def begin(self, fault: str) -> None:
        """A fault is about to be put in."""
        self._write({"fault": fault, "since": time.time(), "kept": {}})

    def keep(self, name: str, value: Any) -> None:
        """Remember what `heal` will need, in whatever process."""
        plain = self._read()
        plain.setdefault("kept", {})[name] = value
        self._write(plain)

    def kept(self, name: str, otherwise: Any = None) -> Any:
        """What was kept under that name since `begin`."""
        return self._read().get("kept", {}).get(name, otherwise)

    def end(self) -> None:
        """The fault is out, and the cluster was seen to be sound."""
        self.path.unlink(missing_ok=True)

    def _read(self) -> dict[str, Any]:
        return dict(json.loads(self.path.read_text())) if self.path.exists() else {}

    def _write(self, plain: dict[str, Any]) -> None:
        new = self.path.with_name(self.path.name + ".new")
        new.write_text(json.dumps(plain, indent=1) + "\n")
        new.rename(self.path)
