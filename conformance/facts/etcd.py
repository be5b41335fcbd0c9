# SPDX-License-Identifier: Apache-2.0
"""An etcd member: its database, disk latency, data of its peers, and listeners.

Part of the facts, see ``model``. The only trace of the stored data is a hash.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from conformance.outcome import Unavailable


@dataclass(frozen=True)
class Histogram:
    """A Prometheus histogram of durations; counts are cumulative."""

    bounds: list[float]
    """Upper bounds in seconds."""
    counts: list[int]
    """Observations of at most the bound at the same index."""
    total: int
    """All observations."""

    def since(self, earlier: "Histogram") -> "Histogram":
        """Return the observations added since; all of them if the counters were reset."""
        if earlier.bounds != self.bounds or earlier.total > self.total:
            return self
        added = [now - then for now, then in zip(self.counts, earlier.counts, strict=True)]
        return Histogram(self.bounds, added, self.total - earlier.total)

    def quantile(self, share: float) -> float:
        """Return a quantile in seconds, interpolated between bounds as Prometheus does."""
        if not self.total:
            return 0.0
        wanted, lower, before = share * self.total, 0.0, 0
        for bound, count in zip(self.bounds, self.counts, strict=True):
            if count >= wanted and count > before:
                return lower + (bound - lower) * (wanted - before) / (count - before)
            lower, before = bound, count
        return lower

    def longer(self, seconds: float) -> int:
        """Return the number of observations above the first bound of at least ``seconds``."""
        at_most: Iterable[int] = (
            count for bound, count in zip(self.bounds, self.counts, strict=True) if bound >= seconds
        )
        return self.total - next(iter(at_most), self.total)

    def spent(self, seconds: float) -> float:
        """Return a lower bound of the total time of observations longer than ``seconds``."""
        lower, before, spent = 0.0, 0, 0.0
        for bound, count in zip([*self.bounds, math.inf], [*self.counts, self.total], strict=True):
            spent += (count - before) * lower if lower >= seconds else 0.0
            lower, before = bound, count
        return spent


@dataclass(frozen=True)
class Database:
    """The database file."""

    size: int
    """Of the file, in bytes; this is what counts against the quota."""
    used: int
    """Bytes in use; the rest is freed by defragmentation."""
    quota: int
    """Size in bytes at which etcd rejects writes."""


@dataclass(frozen=True)
class Writes:
    """Disk latency while the probe ran."""

    log: Histogram
    """fsync of the write-ahead log."""
    database: Histogram
    """Commits of the database."""


@dataclass(frozen=True)
class Copy:
    """Hash of a member's data at one revision, read from its peer port."""

    hash: int
    """0 if the member did not return it."""
    compacted: int
    """The compacted revision; the hash covers the data after it."""
    connect: float
    """Seconds to open a TCP connection; the minimum of five attempts if the first is slow."""
    problem: str = ""
    """Why there is no hash."""


@dataclass(frozen=True)
class ListenerAnswers:
    """HTTP status codes of a listener of etcd for clients without a certificate; 0: no answer."""

    plain: int
    """Over plain HTTP."""
    stranger: int
    """Over TLS."""


@dataclass(frozen=True, kw_only=True)
class Backups:
    """State of a node's backups of etcd. Times are seconds since the epoch; 0: never."""

    now: float
    """The node's clock when the state was read."""
    since: float
    """When backups were enabled."""
    taken: float
    """Time of the newest backup."""
    rehearsed: float
    """When etcd was last started from a backup."""
    interval: float
    """Seconds between two backups."""
    count: int
    """Number of backups on the node."""
    problem: str
    """Why the last attempt to take a backup failed; empty if it succeeded."""
    rehearsal_problem: str
    """Why the last rehearsal failed; empty if it succeeded."""


@dataclass(frozen=True)
class Running:
    """State of a running member."""

    database: Database | Unavailable
    writes: Writes | Unavailable
    copies: dict[str, Copy] | Unavailable
    """By peer URL of each member."""
    entrances: dict[str, ListenerAnswers] | Unavailable
    """By ADDRESS:PORT of each listener."""
