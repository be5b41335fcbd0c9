# SPDX-License-Identifier: Apache-2.0
"""A cache of folders keyed by the content of what they are made from.

An entry is whole or absent: it is made in a folder beside it and renamed. Entries are never
changed afterwards, so others may link to their files.
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

from lab.artifacts.progress import BuildTimeoutError, say, step

DEFAULT_ROOT = Path("/var/cache/heatgen-lab")
SECONDS_TO_WAIT_FOR_ANOTHER = 3600.0
_KEY_LENGTH = 16


def default_root() -> Path:
    """Where the cache lies: HEATGEN_LAB_CACHE if set, else /var/cache/heatgen-lab."""
    return Path(os.environ.get("HEATGEN_LAB_CACHE") or DEFAULT_ROOT)


def content_key(parts: Mapping[str, bytes | str]) -> str:
    """The key of an entry made from the named parts: 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for name in sorted(parts):
        value = parts[name]
        data = value.encode() if isinstance(value, str) else value
        digest.update(f"{name} {len(data)}\n".encode() + data)
    return digest.hexdigest()[:_KEY_LENGTH]


@dataclass(frozen=True)
class Cache:
    """The folder of all entries, each `<name>-<key>`, and of the logs of their making."""

    root: Path

    def entry(self, name: str, key: str) -> Path:
        """Where the entry lies, if it exists."""
        return self.root / f"{name}-{key}"

    def log(self, name: str) -> Path:
        """The log of the entry's making, emptied when a new making starts."""
        return self.root / "logs" / f"{name}.log"

    def take(self, name: str, key: str, what: str, make: Callable[[Path], None]) -> Path:
        """Return the entry, made by `make` in the empty folder it is given if there is none.

        Only one process makes an entry of a name at a time; what a killed one left is removed.

        Args:
            name: what the entry is called.
            key: the digest of all that decides its content (`content_key`).
            what: a few words for the progress line.
            make: fills the folder, or raises.

        Raises:
            BuildTimeoutError: another process has been making it for too long.
        """
        entry = self.entry(name, key)
        if entry.is_dir():
            say(f"  ✓ {what}: kept from before")
            return entry
        self.root.mkdir(parents=True, exist_ok=True)
        with self._only_one(name):
            self._remove_partial(name)
            if not entry.is_dir():
                with step(what):
                    self._make(name, entry, make)
        return entry

    def prune(self, keep: set[Path]) -> None:
        """Remove the entries that share a name with one of `keep` but are not among them."""
        for kept in keep:
            name = kept.name[: -_KEY_LENGTH - 1]
            for entry in self.root.glob(f"{name}-*"):
                if entry not in keep and re.fullmatch(r"[0-9a-f]{16}", entry.name[len(name) + 1 :]):
                    say(f"  ✓ removed {entry}")
                    shutil.rmtree(entry)

    def _make(self, name: str, entry: Path, make: Callable[[Path], None]) -> None:
        partial = self.root / f".{name}.partial"
        partial.mkdir()
        self.log(name).unlink(missing_ok=True)
        try:
            make(partial)
            os.sync()
            partial.rename(entry)
        finally:
            self._remove_partial(name)

    def _remove_partial(self, name: str) -> None:
        partial = self.root / f".{name}.partial"
        if partial.exists():
            shutil.rmtree(partial)

    @contextmanager
    def _only_one(self, name: str) -> Iterator[None]:
        """Hold the lock of this name; the kernel drops it when this process ends."""
        with (self.root / f".{name}.lock").open("w") as lock:
            deadline = time.monotonic() + SECONDS_TO_WAIT_FOR_ANOTHER
            while not _locked(lock):
                if time.monotonic() > deadline:
                    raise BuildTimeoutError(f"another build is still making {name}: end it")
                time.sleep(1)
            yield


def _locked(lock: IO[str]) -> bool:
    """Try to take the lock."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
