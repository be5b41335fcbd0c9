# SPDX-License-Identifier: Apache-2.0
"""Trials one after the other, each on a cluster that was seen to be sound."""

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
    """Trials in one report folder. No other campaign can break the same clusters meanwhile.

    named: the cluster to break, else the smallest that will do. assume_green: do not look whether
    a cluster is sound before its first fault. despite: if it is not, go on; what was red before is
    not held against the suite.
    """

    folder: Path
    named: str = ""
    assume_green: bool = False
    despite: bool = False
    _sound: dict[str, Context] = field(default_factory=dict)
    _before: dict[str, set[str]] = field(default_factory=dict)
    _broken: dict[str, Context] = field(default_factory=dict)
    _locks: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._locks.close()
        report.write(self.folder)

    def run(self, fault: Fault, keep: bool = False) -> Record:
        """Hold one trial; a cluster that did not become green again is looked at anew.

        Raises:
            NoClusterError: none has what the fault needs.
            TrialError: the cluster is not sound.
        """
        if fault.replayed:
            return runner.replay(fault, self.folder)
        context = self.context(fault)
        before = self._before.get(context.cluster.name, set())
        record = runner.run(fault, context, self.folder, keep, before)
        if not record.green:
            del self._sound[context.cluster.name]
        return record

    def context(self, fault: Fault) -> Context:
        """The cluster for a fault: ours alone, and sound."""
        cluster = clusters.choose(fault, self.named)
        if cluster.name not in self._sound:
            context = self._broken.get(cluster.name) or self._lock(clusters.context(cluster))
            self._broken[cluster.name] = context
            if self.assume_green:
                runner.heal_left(context)
            else:
                red = runner.baseline(context, self.folder, self.despite)
                self._before[cluster.name] = red
            self._sound[cluster.name] = context
        return self._sound[cluster.name]

    def end(self) -> None:
        """See that the whole suite is green on all clusters that were broken.

        Raises:
            TrialError: it is not.
        """
        for context in self._broken.values():
            runner.baseline(context, self.folder)

    def _lock(self, context: Context) -> Context:
        try:
            self._locks.enter_context(FileLock(context.cluster.directory / LOCK, timeout=0))
        except Timeout:
            raise TrialError(f"somebody else puts faults into {context.cluster.name} now") from None
        return context
