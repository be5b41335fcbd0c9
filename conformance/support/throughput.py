# SPDX-License-Identifier: Apache-2.0
"""How quickly bytes went from one node to another, from host to host and from pod to pod."""

from dataclasses import dataclass

BAD = 0.3  # of what hosts move in the same time
MEASURABLE_MS = 40  # the probe's clock counts in tens
TELLING_MS = 700  # hosts are given as much as takes them a third of a second


@dataclass(frozen=True)
class Rate:
    """The best time of each, in milliseconds; None where nothing arrived."""

    host: int | None
    pod: int | None
    problem: str = ""

    @property
    def ratio(self) -> float:
        """Pods' part of what hosts can do: both move the same bytes."""
        assert self.host is not None
        return max(self.host, MEASURABLE_MS) / max(self.pod or 0, MEASURABLE_MS)

    def or_better(self, again: "Rate") -> "Rate":
        """The best of both."""
        hosts = [rate.host for rate in (self, again) if rate.host is not None]
        pods = [rate.pod for rate in (self, again) if rate.pod is not None]
        return Rate(min(hosts, default=None), min(pods, default=None), self.problem)

    @property
    def is_bad(self) -> bool:
        """Do pods move far too little? What is over in a moment is no measure of it."""
        return self.pod is None or (self.ratio < BAD and self.pod >= TELLING_MS)


def parse_rate(text: str) -> Rate:
    """What `throughput.sh send` prints: lines of KIND MILLISECONDS, or KIND - REASON."""
    times: dict[str, list[int]] = {"host": [], "pod": [], "little": []}
    problem = ""
    for line in text.splitlines():
        kind, ms, *why = line.split(None, 2)
        times[kind] += [int(ms)] if ms != "-" else []
        problem = problem or " ".join(why)
    return Rate(min(times["host"], default=None), min(times["pod"], default=None), problem)
