# SPDX-License-Identifier: Apache-2.0
"""`--soak`: the whole suite again and again, each round a pytest of its own.

Processes of their own, because then a round is exactly what a user's run is: with workers or
without, with fresh objects in a namespace of its own, swept before and after, and no memory of the
round before. What a round came to is appended to the history at once.
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
from conformance.results.records import Recording
from conformance.soak import history, object_counts, summary
from conformance.soak.history import Round
from conformance.soak.summary import Soak

T = TypeVar("T")

WITHIN = "HEATGEN_CONFORMANCE_ROUND"  # set in rounds, so that none begins a soak itself
LONGEST_ROUND = 1800.0
TIDYING_SECONDS = 180.0
# What is the soak's own, and what is written about the whole; True where a value follows.
NOT_FOR_ROUNDS = {
    "--soak": True, "--soak-rounds": True, "--soak-history": True,
    "--soak-stop-on-regression": False, "--report": True, "--baseline": True, "--results": True,
    "--save-facts": True, "--junitxml": True, "--junit-xml": True, "--artifacts": True,
}  # fmt: skip
OF_A_RUN = re.compile(r"conformance-[0-9a-f]{8}")
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True)
class SoakPlan:
    """What `--soak` asks for: until which comes first, and where the history is."""

    seconds: float | None
    rounds: int | None
    history: Path
    stop_early: bool


def duration(text: str) -> float:
    """Seconds in `90s`, `30m`, `8h`, `1h30m`, `1d`.

    Raises:
        ValueError: if it is none of these.
    """
    parts = re.findall(r"(\d+(?:\.\d+)?)([smhd])", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is no duration: write 90s, 30m, 8h or 1h30m")
    return sum(float(number) * UNITS[unit] for number, unit in parts)


def planned(config: pytest.Config) -> SoakPlan | None:
    """The soak that is asked for, if any; a round within a soak begins none.

    Raises:
        pytest.UsageError: if its options cannot be used.
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
        raise pytest.UsageError(f"--soak-rounds {option.soak_rounds}: give a number, 1 or more")
    return SoakPlan(
        seconds, option.soak_rounds, Path(option.soak_history), option.soak_stop_on_regression
    )


def for_rounds(arguments: tuple[str, ...]) -> list[str]:
    """The command line without what belongs to the soak as a whole."""
    kept, skipping = [], False
    for argument in arguments:
        name, _, value = str(argument).partition("=")
        if skipping:
            skipping = False
        elif name in NOT_FOR_ROUNDS:
            skipping = NOT_FOR_ROUNDS[name] and not value
        else:
            kept.append(str(argument))
    return kept


@dataclass(kw_only=True)
class Driver:
    """A soak as it goes on."""

    plan: SoakPlan
    settings: Settings
    command: list[str]
    directory: Path
    say: Callable[[str], None]
    rounds: list[Round] = field(default_factory=list)
    done: int = 0
    shown: Recording | None = None
    stopped: bool = False
    left: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)
    _cluster: Cluster | None = None
    _child: subprocess.Popen[bytes] | None = None

    def drive(self) -> int:
        """Round after round; pytest's exit status."""
        self.rounds = history.read(self.plan.history)
        if self.rounds:
            self.say(f"going on with {self.plan.history}: {len(self.rounds)} rounds are in it")
        before = self._asked(object_counts.names) or {}
        began = time.monotonic()
        status = 0
        handlers = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
        try:
            for each in handlers:
                signal.signal(each, self._stop)
            while not self.stopped and self._goes_on(time.monotonic() - began):
                code = self._round()
                status = status or (1 if code else 0)
                if self.done == 1 and code == pytest.ExitCode.USAGE_ERROR:
                    return code
        finally:
            for each, handler in handlers.items():
                signal.signal(each, handler)
        appeared = new_names(before, self._asked(object_counts.names) or {})
        ours = {each.run for each in self.rounds if each.run}
        self.left = [name for name in appeared if any(run in name for run in ours)]
        # Other runs on the same cluster have what is theirs.
        self.new = [name for name in appeared if not OF_A_RUN.search(name)]
        if self.stopped:
            return int(pytest.ExitCode.INTERRUPTED)
        return 1 if self.left else status

    def summary(self) -> Soak:
        """What all rounds on this cluster tell."""
        return summary.of(summary.same_cluster(self.rounds), self.left, self.new)

    @property
    def evidence(self) -> Path:
        """Where the output of rounds is kept that were not green."""
        return self.plan.history.with_name(f"{self.plan.history.name}.red")

    def _goes_on(self, elapsed: float) -> bool:
        if self.plan.rounds is not None and self.done >= self.plan.rounds:
            return False
        if self.plan.seconds is not None and self.done and elapsed >= self.plan.seconds:
            return False
        if not self.plan.stop_early or not self.done:
            return True
        worse = summary.regressions(summary.same_cluster(self.rounds))
        if worse:
            self.say(f"stopped early, for this is a regression: {'; '.join(worse)}")
        return not worse

    def _round(self) -> int:
        number = max((each.round for each in self.rounds), default=0) + 1
        folder = Path(tempfile.mkdtemp(prefix="conformance-round-"))
        began = time.time()
        code = self._run(folder)
        seconds = time.time() - began
        kept = self.settings.replay or folder / "facts.json"
        recording = _read(lambda: records.read(folder / "results.jsonl"))
        found = _read(lambda: serialization.load(kept))
        if not self.stopped:
            told = history.round_of(
                recording,
                found,
                code,
                round=number,
                cluster=self._asked(object_counts.identity) or "",
                began=round(began, 1),
                seconds=round(seconds, 1),
                objects=self._asked(object_counts.counts) or {},
                restarts=self._asked(object_counts.restarts) or {},
            )
            history.append(self.plan.history, told)
            self.rounds.append(told)
            self.done += 1
            self.say(self._in_a_line(told))
            if recording and (told.red or self.shown is None or not self._shows_red()):
                self.shown = recording  # the last red round, for that is what one wants to see
            if told.red:
                shutil.copytree(folder, self.evidence / f"round-{number}", dirs_exist_ok=True)
                if self.done == 1 and code == pytest.ExitCode.USAGE_ERROR:
                    self.say((folder / "output.txt").read_text()[-2000:])
        shutil.rmtree(folder, ignore_errors=True)
        return code

    def _shows_red(self) -> bool:
        shown = self.shown.results if self.shown else []
        return bool(history.reds_of(shown))

    def _run(self, folder: Path) -> int:
        """One pytest, its output kept; ended (and tidied up by itself) if the soak is."""
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
                start_new_session=True,  # Ctrl-C comes once, and from here
            )
            try:
                return self._child.wait(LONGEST_ROUND)
            except subprocess.TimeoutExpired:
                self._child.terminate()
            with suppress(subprocess.TimeoutExpired):
                return self._child.wait(TIDYING_SECONDS)
            self._child.kill()
            return self._child.wait()

    def _stop(self, number: int, frame: FrameType | None) -> None:
        """End the round, which tidies up, and no other begins."""
        del number, frame
        self.stopped = True
        if self._child and self._child.poll() is None:
            self._child.send_signal(signal.SIGTERM)

    def _in_a_line(self, told: Round) -> str:
        of = f"/{self.plan.rounds}" if self.plan.rounds else ""
        head = f"round {self.done}{of}: {told.seconds:.0f} s, "
        tests = sum(check.tests for check in told.checks.values()) - 1
        if not told.red:
            return f"{head}{tests} tests, none red"
        first = told.red[0]
        return f"{head}{len(told.red)} of {tests} tests RED: {first.test}: {first.headline}"

    def _asked(self, ask: Callable[[Cluster], T]) -> T | None:
        """What the living cluster tells between rounds; a soak does not end by a lost answer."""
        if self.settings.replay:
            return None
        try:
            self._cluster = self._cluster or Cluster(self.settings.kubeconfig)
            return ask(self._cluster)
        except InconclusiveError:
            return None


def _read(read: Callable[[], T]) -> T | None:
    """What a round wrote, if it came that far."""
    try:
        return read()
    except (records.ResultsError, serialization.FactsError):
        return None


def new_names(before: dict[str, set[str]], after: dict[str, set[str]]) -> list[str]:
    """What belongs to no namespace and was not there before."""
    return [
        f"{kind}: {name}"
        for kind, found in after.items()
        for name in sorted(found - before.get(kind, found))
    ]


def driver(plan: SoakPlan, settings: Settings, config: pytest.Config) -> Driver:
    """The soak, from pytest's own command line."""

    def say(line: str) -> None:
        sys.stdout.write(f"conformance: {line}\n")
        sys.stdout.flush()

    parameters: Any = config.invocation_params
    return Driver(
        plan=plan,
        settings=settings,
        command=for_rounds(tuple(parameters.args)),
        directory=parameters.dir,
        say=say,
    )


def in_words(told: Soak) -> list[str]:
    """The soak in a few lines, for the terminal."""
    red = told.red_rounds
    lines = [f"{len(told.rounds)} rounds, {len(red)} of them red"]
    lines += [
        f"{each.check}: red in {each.red} of {each.judged} rounds "
        f"({100 * each.low:.1f} to {100 * each.high:.1f} %)"
        for each in told.checks
        if each.red
    ]
    lines += [
        f"{each.check}: takes {each.pace.first:.2f} s at the beginning, {each.pace.last:.2f} s now"
        for each in told.checks
        if each.drifts
    ]
    lines += [
        f"{each.where}: {each.what}: grows from {each.line.first:.1f} to {each.line.last:.1f}"
        for each in (*told.pings, *told.components, *told.objects)
        if each.grows
    ]
    lines += told.restarts
    lines += [f"LEFT BEHIND: {name}" for name in told.left]
    lines += [f"was not there before: {name}" for name in told.new]
    lines += [f"REGRESSION: {reason}" for reason in told.regressions]
    return lines
