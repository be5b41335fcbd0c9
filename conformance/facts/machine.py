# SPDX-License-Identifier: Apache-2.0
"""The machine under a node, as plain values: its clock, disks, kernel, units, certificates.

Part of the facts (see `model`), so: names, sizes and times, never a key.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from conformance.outcome import Unavailable


@dataclass(frozen=True)
class Clock:
    """The node's clock between two moments of the asker's, all in seconds since the epoch.

    began, ended: by the node, when it began to answer and when it had answered. asked, answered:
    by whoever asked, before and after that.
    """

    began: float
    ended: float
    asked: float
    answered: float

    @property
    def ahead(self) -> tuple[float, float]:
        """The least and the most by which the node's clock may be ahead of the asker's."""
        return self.ended - self.answered, self.began - self.asked


def agreed(bounds: Iterable[tuple[float, float]]) -> tuple[float, float]:
    """What most clocks can agree on: where most of these ranges meet, the asker's own (0) first."""
    ranges = [(0.0, 0.0), *bounds]

    def around(point: float) -> list[tuple[float, float]]:
        return [each for each in ranges if each[0] <= point <= each[1]]

    meeting = around(max((least for least, _ in ranges), key=lambda point: len(around(point))))
    return max(least for least, _ in meeting), min(most for _, most in meeting)


@dataclass(frozen=True)
class Room:
    """What there is of something that runs out, and what is left of it."""

    size: int
    free: int

    @property
    def share(self) -> float:
        """The part that is left; all of what has no bounds."""
        return self.free / self.size if self.size > 0 else 1.0


@dataclass(frozen=True)
class Disk:
    """A file system, by bytes and by files."""

    bytes: Room
    files: Room


@dataclass(frozen=True)
class Validity:
    """Whose a certificate is, and for how long."""

    subject: str
    not_before: str
    not_after: str


@dataclass(frozen=True)
class Deployment:
    """A version of the system as rpm-ostree keeps it; `unlocked`: `none` unless changed by hand."""

    version: str
    booted: bool
    unlocked: str


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What the machine tells of itself.

    disks, lives: by path. kernel: settings and counts by their path below /proc/sys; `tasks`: how
    many processes and threads there are. failed_units: names as systemd says them.
    """

    clock: Clock | Unavailable
    disks: dict[str, Disk] | Unavailable
    kernel: dict[str, str] | Unavailable
    failed_units: list[str] | Unavailable
    lives: dict[str, Validity] | Unavailable
    deployments: list[Deployment] | Unavailable


@dataclass(frozen=True)
class NodeLease:
    """The kubelet's sign of life: seconds since it was renewed, by the API's clock; its term."""

    age: float
    term: float
