# SPDX-License-Identifier: Apache-2.0
"""A series of trials, each on a cluster that was verified to be healthy."""

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from filelock import FileLock, Timeout

from lab.faultinjection import clusters, report, runner
from lab.faultinjection.catalog import Fault
from lab.faultinjection.context import Context
from lab.faultinjection.runner import Record, TrialError

LOCK = "fault.lock"


@dataclass(kw_only=True)
class Campaign:
    """Trials in one report folder. A lock keeps other campaigns away from the same clusters.

    cluster: name of the cluster to use; by default the smallest suitable one. assume_green: do not
    run the suite before the first fault. allow_red: continue if the suite fails before the first
    fault; those failures do not count against the suite.
    """

    folder: Path
    cluster: str = ""
    assume_green: bool = False
    allow_red: bool = False
    _healthy: dict[str, Context] = field(default_factory=dict)
    _red_before: dict[str, set[str]] = field(default_factory=dict)
    _used: dict[str, Context] = field(default_factory=dict)
    _locks: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._locks.close()
        report.write(self.folder)

    def run(self, fault: Fault, keep: bool = False) -> Record:
        """Run one trial; check the cluster again before the next one if it did not recover.

        Raises:
            NoClusterError: no cluster meets the requirements of the fault.
            TrialError: the cluster is not healthy.
        """
        if fault.replayed:
            return runner.replay(fault, self.folder)
        context = self.context(fault)
        red_before = self._red_before.get(context.cluster.name, set())
        record = runner.run(fault, context, self.folder, keep, red_before)
        if not record.green:
            del self._healthy[context.cluster.name]
        return record

    def context(self, fault: Fault) -> Context:
        """Return a healthy cluster for a fault, locked for this campaign."""
        cluster = clusters.select(fault, self.cluster)
        if cluster.name not in self._healthy:
            context = self._used.get(cluster.name) or self._lock(clusters.context(cluster))
            self._used[cluster.name] = context
            if self.assume_green:
                runner.heal_leftover(context)
            else:
                red = runner.baseline(context, self.folder, self.allow_red)
                self._red_before[cluster.name] = red
            self._healthy[cluster.name] = context
        return self._healthy[cluster.name]

    def verify_clusters(self) -> None:
        """Run the whole suite on every cluster that was used.

        Raises:
            TrialError: the suite does not pass.
        """
        for context in self._used.values():
            runner.baseline(context, self.folder)

    def _lock(self, context: Context) -> Context:
        try:
            self._locks.enter_context(FileLock(context.cluster.directory / LOCK, timeout=0))
        except Timeout:
            raise TrialError(
                f"another process is injecting faults into {context.cluster.name}"
            ) from None
        return context
