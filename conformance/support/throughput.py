# SPDX-License-Identifier: Apache-2.0
"""Throughput between two nodes, from host to host and from pod to pod."""

from dataclasses import dataclass

BAD = 0.3  # share of the throughput of hosts
BAD_ENCRYPTED = 0.05  # the same with WireGuard, which is limited by the processors
MEASURABLE_MS = 40  # the clock of the probe has a resolution of 10 ms
SIGNIFICANT_MS = 700  # hosts transfer as many bytes as take them a third of a second


@dataclass(frozen=True)
class Rate:
    """The shortest transfer times in milliseconds; ``None`` if nothing arrived."""

    host: int | None
    pod: int | None
    problem: str = ""

    @property
    def ratio(self) -> float:
        """Throughput of pods relative to hosts: both transfer the same number of bytes."""
        assert self.host is not None
        return max(self.host, MEASURABLE_MS) / max(self.pod or 0, MEASURABLE_MS)

    def or_better(self, again: "Rate") -> "Rate":
        """Return the shortest times of two measurements."""
        hosts = [rate.host for rate in (self, again) if rate.host is not None]
        pods = [rate.pod for rate in (self, again) if rate.pod is not None]
        return Rate(min(hosts, default=None), min(pods, default=None), self.problem)

    @property
    def is_bad(self) -> bool:
        """Whether the throughput of pods is far too low; very short transfers do not count."""
        return self.pod is None or (self.ratio < BAD and self.pod >= SIGNIFICANT_MS)


def parse_rate(text: str) -> Rate:
    """Parse the output of ``throughput.sh send``: lines KIND MILLISECONDS, or KIND - REASON."""
    times: dict[str, list[int]] = {"host": [], "pod": [], "little": []}
    problem = ""
    for line in text.splitlines():
        kind, ms, *why = line.split(None, 2)
        times[kind] += [int(ms)] if ms != "-" else []
        problem = problem or " ".join(why)
    return Rate(min(times["host"], default=None), min(times["pod"], default=None), problem)
