# SPDX-License-Identifier: Apache-2.0
"""How an etcd member fares, as plain values: its database, its disk, its peers, its ports.

Part of the facts (see `model`). Of what it holds only hashes are told.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from conformance.outcome import Unavailable


@dataclass(frozen=True)
class Histogram:
    """How long something took: `counts[i]` times at most `bounds[i]` seconds, `total` times any.

    As Prometheus counts, so each count holds those before it.
    """

    bounds: list[float]
    counts: list[int]
    total: int

    def since(self, earlier: "Histogram") -> "Histogram":
        """What was added; all of it if counting began anew."""
        if earlier.bounds != self.bounds or earlier.total > self.total:
            return self
        added = [now - then for now, then in zip(self.counts, earlier.counts, strict=True)]
        return Histogram(self.bounds, added, self.total - earlier.total)

    def quantile(self, share: float) -> float:
        """The seconds within which that share was done, as Prometheus reckons between bounds."""
        if not self.total:
            return 0.0
        wanted, lower, before = share * self.total, 0.0, 0
        for bound, count in zip(self.bounds, self.counts, strict=True):
            if count >= wanted and count > before:
                return lower + (bound - lower) * (wanted - before) / (count - before)
            lower, before = bound, count
        return lower

    def longer(self, seconds: float) -> int:
        """How many surely took longer: by the next bound."""
        at_most: Iterable[int] = (
            count for bound, count in zip(self.bounds, self.counts, strict=True) if bound >= seconds
        )
        return self.total - next(iter(at_most), self.total)

    def spent(self, seconds: float) -> float:
        """The seconds that those which surely took longer took together, at least."""
        lower, before, spent = 0.0, 0, 0.0
        for bound, count in zip([*self.bounds, math.inf], [*self.counts, self.total], strict=True):
            spent += (count - before) * lower if lower >= seconds else 0.0
            lower, before = bound, count
        return spent


@dataclass(frozen=True)
class Database:
    """The database file and its bounds, in bytes; what is not `used` is holes, and counts, too."""

    size: int
    used: int
    quota: int


@dataclass(frozen=True)
class Writes:
    """How long the disk took while the node was asked: for the log, and for the database."""

    log: Histogram
    database: Histogram


@dataclass(frozen=True)
class Copy:
    """A member's data at one revision, asked at its peers' port.

    hash: of all of it since `compacted`; 0 if it was not told, and `problem` says why. connect:
    seconds until TCP stood; if long, the least of five times.
    """

    hash: int
    compacted: int
    connect: float
    problem: str = ""


@dataclass(frozen=True)
class ListenerAnswers:
    """HTTP codes at a port of etcd for one without a certificate (0: no answer)."""

    plain: int
    stranger: int


@dataclass(frozen=True)
class Running:
    """What went on in a member while the node was asked.

    copies: by URL of the member's peers' port. entrances: by ADDRESS:PORT of all that etcd listens
    on.
    """

    database: Database | Unavailable
    writes: Writes | Unavailable
    copies: dict[str, Copy] | Unavailable
    entrances: dict[str, ListenerAnswers] | Unavailable
