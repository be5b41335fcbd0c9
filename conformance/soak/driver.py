# SPDX-License-Identifier: Apache-2.0
"""Soak driver (``--soak``): repeats the suite, each round as a separate pytest process.

A round is the same as a run by a user: with or without workers, with new objects in its own
namespace, cleaned up before and after, without state of earlier rounds. Its result is appended to
the history at once.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

import pytest

from conformance.api.client import Cluster
from conformance.facts import serialization
from conformance.options import Settings
from conformance.outcome import InconclusiveError
from conformance.results import records
from conformance.results.records import LEFT_BEHIND, Recording
from conformance.soak import history, object_counts, summary
from conformance.soak.history import Round
from conformance.soak.summary import Soak

T = TypeVar("T")

WITHIN = "HEATGEN_CONFORMANCE_ROUND"  # set in rounds, so that a round does not start a soak
ROUND_SECONDS = 1800.0
CLEANUP_SECONDS = 180.0
# Options that are not passed to rounds; True if a value follows.
NOT_FOR_ROUNDS = {
    "--soak": True, "--soak-rounds": True, "--soak-history": True,
    "--soak-stop-on-regression": False, "--report": True, "--baseline": True, "--results": True,
    "--save-facts": True, "--junitxml": True, "--junit-xml": True, "--artifacts": True,
}  # fmt: skip
OF_A_RUN = re.compile(r"conformance-[0-9a-f]{8}")
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True)
class SoakPlan:
    """Options of a soak; it ends at the first of both limits."""

    seconds: float | None
    rounds: int | None
    history: Path
    stop_early: bool


def duration(text: str) -> float:
    """Return the seconds of ``90s``, ``30m``, ``8h``, ``1h30m`` or ``1d``.

    Raises:
        ValueError: if the text is not a duration.
    """
    parts = re.findall(r"(\d+(?:\.\d+)?)([smhd])", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"invalid duration {text!r}: use 90s, 30m, 8h or 1h30m")
    return sum(float(number) * UNITS[unit] for number, unit in parts)


def plan_of(config: pytest.Config) -> SoakPlan | None:
    """Return the requested soak, if any; a round of a soak does not start another.

    Raises:
        pytest.UsageError: if an option of the soak is invalid.
    """
    option = config.option
    if os.environ.get(WITHIN) or (option.soak is None and option.soak_rounds is None):
        return None
    try:
        seconds = None if option.soak is None else duration(option.soak)
        history.read(Path(option.soak_history))
    except (ValueError, history.HistoryError) as problem:
        raise pytest.UsageError(f"--soak: {problem}") from None
    if option.soak_rounds is not None and option.soak_rounds < 1:
        raise pytest.UsageError(f"--soak-rounds {option.soak_rounds}: must be at least 1")
    return SoakPlan(
        seconds, option.soak_rounds, Path(option.soak_history), option.soak_stop_on_regression
    )


def for_rounds(arguments: tuple[str, ...]) -> list[str]:
    """Return the command line without the options of the soak itself."""
    passed, skipping = [], False
    for argument in arguments:
        name, _, value = str(argument).partition("=")
        if skipping:
            skipping = False
        elif name in NOT_FOR_ROUNDS:
            skipping = NOT_FOR_ROUNDS[name] and not value
        else:
            passed.append(str(argument))
    return passed


@dataclass(kw_only=True)
class Driver:
    """A running soak."""

    plan: SoakPlan
    settings: Settings
    command: list[str]
    directory: Path
    log: Callable[[str], None]
    rounds: list[Round] = field(default_factory=list)
    done: int = 0
    shown: Recording | None = None
    """The round that the report shows: the last red one, else the last."""
    stopped: bool = False
    left: list[str] = field(default_factory=list)
    """Objects of rounds that were not deleted."""
    new: list[str] = field(default_factory=list)
    """Other objects that were created during the soak."""
    _cluster: Cluster | None = None
    _child: subprocess.Popen[bytes] | None = None

    def run(self) -> int:
        """Run all rounds and return the exit status for pytest."""
        self.rounds = history.read(self.plan.history)
        if self.rounds:
            self.log(f"continuing {self.plan.history} with {len(self.rounds)} rounds")
        before = self._query(object_counts.names) or {}
        began = time.monotonic()
        status = 0
        handlers = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
        try:
            for each in handlers:
                signal.signal(each, self._stop)
            while not self.stopped and self._should_continue(time.monotonic() - began):
                code = self._round()
                status = status or (1 if code else 0)
                if self.done == 1 and code == pytest.ExitCode.USAGE_ERROR:
                    return code
        finally:
            for each, handler in handlers.items():
                signal.signal(each, handler)
        appeared = new_names(before, self._query(object_counts.names) or {})
        ours = {each.run for each in self.rounds if each.run}
        self.left = [name for name in appeared if any(run in name for run in ours)]
        # Objects of other runs on the same cluster are not reported.
        self.new = [name for name in appeared if not OF_A_RUN.search(name)]
        if self.stopped:
            return int(pytest.ExitCode.INTERRUPTED)
        return 1 if self.left else status

    def summary(self) -> Soak:
        """Summarize all rounds on this cluster."""
        return summary.summarize(summary.same_cluster(self.rounds), self.left, self.new)

    @property
    def evidence(self) -> Path:
        """Directory with the output of red rounds."""
        return self.plan.history.with_name(f"{self.plan.history.name}.red")

    def _should_continue(self, elapsed: float) -> bool:
        if self.plan.rounds is not None and self.done >= self.plan.rounds:
            return False
        if self.plan.seconds is not None and self.done and elapsed >= self.plan.seconds:
            return False
        if not self.plan.stop_early or not self.done:
            return True
        worse = summary.regressions(summary.same_cluster(self.rounds))
        if worse:
            self.log(f"stopping early because of a regression: {'; '.join(worse)}")
        return not worse

    def _round(self) -> int:
        number = max((each.round for each in self.rounds), default=0) + 1
        folder = Path(tempfile.mkdtemp(prefix="conformance-round-"))
        began = time.time()
        code = self._run_pytest(folder)
        seconds = time.time() - began
        facts = self.settings.replay or folder / "facts.json"
        recording = _read(lambda: records.read(folder / "results.jsonl"))
        found = _read(lambda: serialization.load(facts))
        if not self.stopped:
            result = history.round_of(
                recording,
                found,
                code,
                round=number,
                cluster=self._query(object_counts.identity) or "",
                began=round(began, 1),
                seconds=round(seconds, 1),
                objects=self._query(object_counts.counts) or {},
                restarts=self._query(object_counts.restarts) or {},
            )
            history.append(self.plan.history, result)
            self.rounds.append(result)
            self.done += 1
            self.log(self._line_of(result))
            if recording and (result.red or self.shown is None or not self._shows_red()):
                self.shown = recording
            if result.red:
                shutil.copytree(folder, self.evidence / f"round-{number}", dirs_exist_ok=True)
                if self.done == 1 and code == pytest.ExitCode.USAGE_ERROR:
                    self.log((folder / "output.txt").read_text()[-2000:])
        shutil.rmtree(folder, ignore_errors=True)
        return code

    def _shows_red(self) -> bool:
        shown = self.shown.results if self.shown else []
        return bool(history.reds_of(shown))

    def _run_pytest(self, folder: Path) -> int:
        """Run pytest once with its output in a file; terminate it if it takes too long."""
        files = ["--results", folder / "results.jsonl", "--save-facts", folder / "facts.json"]
        command = [sys.executable, "-m", "pytest", *self.command, *map(str, files)]
        environment = {k: v for k, v in os.environ.items() if k != "GITHUB_STEP_SUMMARY"}
        with (folder / "output.txt").open("wb") as output:
            self._child = subprocess.Popen(
                command,
                cwd=self.directory,
                env=environment | {WITHIN: "1"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C must reach it only through _stop
            )
            try:
                return self._child.wait(ROUND_SECONDS)
            except subprocess.TimeoutExpired:
                self._child.terminate()
            with suppress(subprocess.TimeoutExpired):
                return self._child.wait(CLEANUP_SECONDS)
            self._child.kill()
            return self._child.wait()

    def _stop(self, number: int, frame: FrameType | None) -> None:
        """End the current round, which cleans up, and start no other."""
        del number, frame
        self.stopped = True
        if self._child and self._child.poll() is None:
            self._child.send_signal(signal.SIGTERM)

    def _line_of(self, result: Round) -> str:
        total = f"/{self.plan.rounds}" if self.plan.rounds else ""
        head = f"round {self.done}{total}: {result.seconds:.0f} s, "
        tests = sum(check.tests for check in result.checks.values()) - 1
        if not result.red:
            return f"{head}{tests} tests, none red"
        first = result.red[0]
        return f"{head}{len(result.red)} of {tests} tests RED: {first.test}: {first.headline}"

    def _query(self, function: Callable[[Cluster], T]) -> T | None:
        """Call a function with the cluster between rounds; None if the cluster does not respond."""
        if self.settings.replay:
            return None
        try:
            self._cluster = self._cluster or Cluster(self.settings.kubeconfig)
            return function(self._cluster)
        except InconclusiveError:
            return None


def _read(read: Callable[[], T]) -> T | None:
    """Read a file of a round; None if the round did not write it."""
    try:
        return read()
    except (records.ResultsError, serialization.FactsError):
        return None


def new_names(before: dict[str, set[str]], after: dict[str, set[str]]) -> list[str]:
    """Return the cluster-scoped objects that did not exist before."""
    return [
        f"{kind}: {name}"
        for kind, found in after.items()
        for name in sorted(found - before.get(kind, found))
    ]


def create(plan: SoakPlan, settings: Settings, config: pytest.Config) -> Driver:
    """Create the driver, with pytest's own command line."""

    def log(line: str) -> None:
        sys.stdout.write(f"conformance: {line}\n")
        sys.stdout.flush()

    parameters: Any = config.invocation_params
    return Driver(
        plan=plan,
        settings=settings,
        command=for_rounds(tuple(parameters.args)),
        directory=parameters.dir,
        log=log,
    )


def lines_of(soak: Soak) -> list[str]:
    """Return the summary of a soak as lines for the terminal."""
    lines = [f"{len(soak.rounds)} rounds, {len(soak.red_rounds)} of them red"]
    lines += [
        f"{each.check}: red in {each.red} of {each.evaluated} rounds "
        f"({100 * each.low:.1f} to {100 * each.high:.1f} %)"
        for each in soak.checks
        if each.red
    ]
    lines += [
        f"{each.check}: took {each.pace.first:.2f} s at first, takes {each.pace.last:.2f} s now"
        for each in soak.checks
        if each.drifts
    ]
    lines += [
        f"{each.where}: {each.what}: grew from {each.line.first:.1f} to {each.line.last:.1f}"
        for each in (*soak.pings, *soak.components, *soak.objects)
        if each.grows
    ]
    lines += soak.restarts
    lines += [f"{LEFT_BEHIND}: {name}" for name in soak.left]
    lines += [f"created during the soak: {name}" for name in soak.new]
    lines += [f"REGRESSION: {reason}" for reason in soak.regressions]
    return lines
