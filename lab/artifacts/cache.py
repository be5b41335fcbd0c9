# SPDX-License-Identifier: Apache-2.0
"""A cache of directories, each keyed by a digest of its inputs.

An entry is complete or absent: it is created in a temporary directory and then renamed. Its files
never change afterwards; therefore hard links to them are safe.
"""

import fcntl
import hashlib
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from lab.artifacts.progress import BuildTimeoutError, print_progress, step

DEFAULT_ROOT = Path("/var/cache/heatgen-lab")
SECONDS_TO_WAIT_FOR_LOCK = 3600.0
_KEY_LENGTH = 16


def default_root() -> Path:
    """Return HEATGEN_LAB_CACHE if it is set, else /var/cache/heatgen-lab."""
    return Path(os.environ.get("HEATGEN_LAB_CACHE") or DEFAULT_ROOT)


def content_key(parts: Mapping[str, bytes | str]) -> str:
    """Return the key of an entry with these inputs: 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for name in sorted(parts):
        value = parts[name]
        data = value.encode() if isinstance(value, str) else value
        digest.update(f"{name} {len(data)}\n".encode() + data)
    return digest.hexdigest()[:_KEY_LENGTH]


@dataclass(frozen=True)
class Cache:
    """The directory of all entries, each `<name>-<key>`, and of the build logs."""

    root: Path

    def entry(self, name: str, key: str) -> Path:
        """Return the path of an entry, which may not exist."""
        return self.root / f"{name}-{key}"

    def log(self, name: str) -> Path:
        """Return the path of the build log, which each build overwrites."""
        return self.root / "logs" / f"{name}.log"

    def get_or_create(
        self,
        name: str,
        key: str,
        what: str,
        create: Callable[[Path], None],
        is_current: Callable[[Path], bool] = lambda _: True,
    ) -> Path:
        """Return an entry; if it does not exist, `create` fills an empty directory with it.

        Entries of the same name are created one at a time. The remains of a killed build are
        removed.

        Args:
            name: name of the entry.
            key: digest of all inputs (`content_key`).
            what: description for the progress line.
            create: fills the directory, or raises.
            is_current: whether an existing entry can still be used; otherwise it is replaced.

        Raises:
            BuildTimeoutError: another process did not release the lock in time.
        """
        entry = self.entry(name, key)
        if entry.is_dir() and is_current(entry):
            print_progress(f"  ✓ {what}: cached")
            return entry
        self.root.mkdir(parents=True, exist_ok=True)
        with self._exclusive(name):
            self._remove_partial(name)
            if not (entry.is_dir() and is_current(entry)):
                with step(what):
                    self._create(name, entry, create)
        return entry

    def prune(self, keep: set[Path]) -> None:
        """Remove all entries that have the name of an entry in `keep`, except those in `keep`."""
        for kept in keep:
            name = kept.name[: -_KEY_LENGTH - 1]
            for entry in self.root.glob(f"{name}-*"):
                if entry not in keep and re.fullmatch(r"[0-9a-f]{16}", entry.name[len(name) + 1 :]):
                    print_progress(f"  ✓ removed {entry}")
                    shutil.rmtree(entry)

    def _create(self, name: str, entry: Path, create: Callable[[Path], None]) -> None:
        partial = self.root / f".{name}.partial"
        partial.mkdir()
        self.log(name).unlink(missing_ok=True)
        try:
            create(partial)
            os.sync()
            if entry.is_dir():
                shutil.rmtree(entry)
            partial.rename(entry)
        finally:
            self._remove_partial(name)

    def _remove_partial(self, name: str) -> None:
        partial = self.root / f".{name}.partial"
        if partial.exists():
            shutil.rmtree(partial)

    @contextmanager
    def _exclusive(self, name: str) -> Iterator[None]:
        """Hold the lock of a name; the kernel releases it when this process ends."""
        with (self.root / f".{name}.lock").open("w") as lock:
            deadline = time.monotonic() + SECONDS_TO_WAIT_FOR_LOCK
            while not _try_lock(lock):
                if time.monotonic() > deadline:
                    raise BuildTimeoutError(
                        f"another process is building {name}: wait for it or stop it"
                    )
                time.sleep(1)
            yield


def _try_lock(lock: IO[str]) -> bool:
    """Try to acquire the lock; return whether that succeeded."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
