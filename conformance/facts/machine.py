# SPDX-License-Identifier: Apache-2.0
"""The host of a node: clock, disks, kernel, units, certificates, OS versions.

Part of the facts, see ``model``: names, sizes and times, never a key.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from conformance.outcome import UNRECORDED, Unavailable


@dataclass(frozen=True)
class Clock:
    """Clock readings of the node and of the suite, in seconds since the epoch."""

    began: float
    """The node's clock when the probe started."""
    ended: float
    """The node's clock when the probe ended."""
    asked: float
    """The suite's clock before the probe was run."""
    answered: float
    """The suite's clock after the probe had returned."""

    @property
    def ahead(self) -> tuple[float, float]:
        """Bounds of the node's clock offset: it is ahead of the suite's by at least, at most."""
        return self.ended - self.answered, self.began - self.asked


def agreed(bounds: Iterable[tuple[float, float]]) -> tuple[float, float]:
    """Return the offset range shared by most clocks; ties are won by the suite's own clock (0)."""
    ranges = [(0.0, 0.0), *bounds]

    def around(point: float) -> list[tuple[float, float]]:
        return [each for each in ranges if each[0] <= point <= each[1]]

    meeting = around(max((least for least, _ in ranges), key=lambda point: len(around(point))))
    return max(least for least, _ in meeting), min(most for _, most in meeting)


@dataclass(frozen=True)
class Room:
    """Capacity of a limited resource."""

    size: int
    """0 if it has no limit."""
    free: int

    @property
    def share(self) -> float:
        """The fraction that is free; 1 without a limit."""
        return self.free / self.size if self.size > 0 else 1.0


@dataclass(frozen=True)
class Disk:
    """A file system."""

    bytes: Room
    files: Room
    """Inodes."""


@dataclass(frozen=True)
class Validity:
    """Subject and validity period of a certificate."""

    subject: str
    not_before: str
    not_after: str


@dataclass(frozen=True)
class Deployment:
    """An rpm-ostree deployment."""

    version: str
    booted: bool
    unlocked: str
    """``none`` unless the deployment was made writable."""
    staged: bool = False
    """It is an update that the next restart completes."""


@dataclass(frozen=True)
class Generations:
    """How often a cluster's agent changed a system whose versions each have an ``/etc``."""

    etc: int
    """According to the ``/etc`` of the booted version."""
    var: int
    """According to ``/var``, which all versions share."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """State of the host."""

    clock: Clock | Unavailable
    disks: dict[str, Disk] | Unavailable
    """By mount point."""
    kernel: dict[str, str] | Unavailable
    """Values by path below /proc/sys; ``tasks`` is the number of processes and threads."""
    failed_units: list[str] | Unavailable
    """Names of failed systemd units."""
    lives: dict[str, Validity] | Unavailable
    """Certificates by path of the file."""
    deployments: list[Deployment] | Unavailable
    generations: Generations | Unavailable = UNRECORDED


@dataclass(frozen=True)
class NodeLease:
    """The Lease of a kubelet."""

    age: float
    """Seconds since the last renewal, by the API server's clock."""
    term: float
    """Its ``leaseDurationSeconds``."""
