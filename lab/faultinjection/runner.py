# SPDX-License-Identifier: Apache-2.0
"""One trial: inject a fault, run the suite, heal the fault, verify that the suite passes."""

import dataclasses
import json
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from conformance.results.records import FAILED, PASSED
from lab.faultinjection import catalog, recordings, suite, verdict
from lab.faultinjection.catalog import Fault
from lab.faultinjection.context import WHOLE_CLUSTER, Context, Victims
from lab.faultinjection.results import Results, end_time, node_id, read
from lab.faultinjection.verdict import UNEXPECTED, Red, Verdict
from lab.harness import controller, health

FORMAT = 1
POLL_SECONDS = 2.0
AFTER = "after healing:"
NOT_VERIFIED = f"{AFTER} not verified"
MAX_REPEATED = 8


class TrialError(Exception):
    """The trial could not be run, so it has no result. The message gives the reason."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """Result of a trial.

    seconds: inject; first, until the first declared check failed; verdict, until the suite had
    ended; heal; green, until the suite passed again.
    """

    fault: str
    kind: str
    cluster: str
    victims: list[str]
    exact: bool
    green: bool
    red: dict[str, Red]
    problems: list[str]
    seconds: dict[str, float]
    exit: int
    when: float = field(default_factory=time.time)
    format: int = FORMAT

    @property
    def passed(self) -> bool:
        """Whether the results were exact and the suite passed after healing."""
        return self.exact and self.green

    def summary(self) -> str:
        """Return the record in one line."""
        durations = ", ".join(f"{part} {seconds:.0f} s" for part, seconds in self.seconds.items())
        declared = sum(red.role == "declared" for red in self.red.values())
        red = f"{declared} declared red, {len(self.red) - declared} others"
        exact = "exact" if self.exact else "NOT EXACT"
        green = "green again" if self.green else "NOT GREEN AGAIN"
        return f"{self.fault:<30} {exact}, {green}; {red}; {durations}; {self.kind}, {self.cluster}"

    def write(self, folder: Path) -> None:
        """Write the record to the report folder."""
        text = json.dumps(dataclasses.asdict(self), indent=1, sort_keys=True) + "\n"
        (folder / f"{self.fault}.json").write_text(text)


def baseline(context: Context, folder: Path, allow_red: bool = False) -> set[str]:
    """Heal a leftover fault, and verify that the suite passes on the cluster.

    A red suite is repeated once after the cluster has become healthy: the deletion of servers by an
    earlier test may occupy the disk of the machine for more than ten seconds.

    Returns:
        The checks that are red, if `allow_red` permits this.

    Raises:
        TrialError: the suite does not pass.
    """
    heal_leftover(context)
    name = context.cluster.name
    results = _suite_before(context, folder)
    if results.red and not allow_red:
        print(f"{name}: red once before the fault:\n  {_red(results)}")
        try:
            health.wait_healthy(context.cluster)
        except AssertionError as problem:
            raise TrialError(f"{name} is not healthy: {problem}") from None
        results = _suite_before(context, folder)
    if (results.exit and not (allow_red and results.red)) or not results.evaluated:
        (folder / f"{name}{recordings.BASELINE}.facts.json").unlink(missing_ok=True)
        details = _red(results) or results.printed[-2000:]
        raise TrialError(f"{name} is not healthy, so no fault is injected:\n  {details}")
    return {test.check for test in results.red}


def _suite_before(context: Context, folder: Path) -> Results:
    return suite.on_cluster(context.cluster, folder, context.cluster.name + recordings.BASELINE)


def _red(results: Results) -> str:
    return "\n  ".join(f"{test.test}: {test.headline}" for test in results.red)


def heal_leftover(context: Context) -> str:
    """Heal the fault that a killed run left in the cluster; return its name, or ''.

    Raises:
        TrialError: healing failed.
    """
    leftover = context.journal.fault
    if leftover:
        try:
            catalog.fault(leftover).module.heal(context)
            health.wait_healthy(context.cluster)
        except (AssertionError, LookupError) as problem:
            name = context.cluster.name
            raise TrialError(f"cannot heal {leftover} in {name}: {problem}") from None
        context.journal.end()
    return leftover


def run(
    fault: Fault, context: Context, folder: Path, keep: bool = False, before: Collection[str] = ()
) -> Record:
    """Inject the fault, run and evaluate the suite, heal the fault, verify that the suite passes.

    before: checks that are red without the fault. keep: do not heal, for inspection.
    """
    heal_leftover(context)
    seconds: dict[str, float] = {}
    victims = WHOLE_CLUSTER
    results = Results(tests=[], exit=-1, printed="the suite was not run", seconds=0.0)
    context.journal.begin(fault.name)
    try:
        victims = _timed(seconds, "inject", lambda: fault.module.inject(context))
        results = suite.on_cluster(context.cluster, folder, fault.name)
        seconds |= _durations(fault, results)
        found = verdict.evaluate(fault, catalog.declared(fault.name), victims, results, before)
        once = repeat_unexpected(fault, context, folder, found, results)
    finally:
        if not keep:
            _timed(seconds, "heal", lambda: fault.module.heal(context))
    found = verdict.evaluate(fault, catalog.declared(fault.name), victims, results, before, once)
    record = Record(
        fault=fault.name,
        kind=fault.kind,
        cluster=context.cluster.name,
        victims=list(victims.nodes),
        exact=found.exact,
        green=False,
        red=found.red,
        problems=[*found.problems, NOT_VERIFIED],
        seconds=seconds,
        exit=results.exit,
    )
    record.write(folder)  # in case the process is interrupted while it waits
    if keep:
        return record
    green, problems = _timed(
        seconds, "green", lambda: await_recovery(fault, context, folder, results, before)
    )
    if green:
        context.journal.end()
    record = replace(record, green=green, problems=[*found.problems, *problems])
    record.write(folder)
    return record


def repeat_unexpected(
    fault: Fault, context: Context, folder: Path, found: Verdict, results: Results
) -> set[str]:
    """Repeat unexpectedly red checks while the fault is present; return those that pass now.

    More than `MAX_REPEATED` of them are not flaky.
    """
    unexpected = {name for name, red in found.red.items() if red.role == UNEXPECTED}
    if not unexpected or len(unexpected) > MAX_REPEATED:
        return set()
    again = sorted({node_id(test) for test in results.red if test.check in unexpected})
    repeated = suite.on_cluster(context.cluster, folder, f"{fault.name}.again", *again)
    passed = {test.check for test in repeated.tests if test.outcome == PASSED}
    return unexpected & passed - {test.check for test in repeated.red}


def await_recovery(
    fault: Fault, context: Context, folder: Path, during: Results, before: Collection[str] = ()
) -> tuple[bool, list[str]]:
    """Wait until the cluster is healthy and all red checks pass; return also the problems."""
    deadline = time.monotonic() + fault.green_seconds
    try:
        health.wait_healthy(context.cluster, fault.green_seconds)
    except AssertionError as problem:
        return False, [f"{AFTER} {problem}"]
    again = sorted({node_id(test) for test in during.red if test.check not in before}) or [
        "-m",
        "os",
    ]
    while True:
        results = suite.on_cluster(context.cluster, folder, f"{fault.name}.healed", *again)
        if results.exit == 0 and results.evaluated:
            return True, []
        if time.monotonic() > deadline:
            red = [f"{AFTER} {test.test}: {test.headline}" for test in results.red]
            return False, red or [f"{AFTER} {results.printed[-800:]}"]
        time.sleep(POLL_SECONDS)


def replay(fault: Fault, folder: Path) -> Record:
    """Change the facts of a healthy cluster as the fault would, and run the suite on them."""
    recording = recordings.sound(fault.recording)
    seconds: dict[str, float] = {}
    victims: Victims = _timed(seconds, "inject", lambda: fault.module.alter(recording))
    facts = folder / f"{fault.name}.facts.json"
    facts.write_text(json.dumps(recording))
    results = suite.on_facts(facts, folder, fault.name)
    seconds |= _durations(fault, results)
    found = verdict.evaluate(fault, catalog.declared(fault.name), victims, results)
    record = Record(
        fault=fault.name,
        kind=fault.kind,
        cluster="recorded",
        victims=list(victims.nodes),
        exact=found.exact,
        green=True,
        red=found.red,
        problems=found.problems,
        seconds=seconds,
        exit=results.exit,
    )
    record.write(folder)
    return record


def reevaluate(fault: Fault, folder: Path) -> Record:
    """Evaluate an earlier run with the current declarations; keep its result of healing.

    Raises:
        TrialError: the folder has no record of the fault.
    """
    plain = recordings.records(folder).get(fault.name)
    if plain is None:
        raise TrialError(f"no record of {fault.name} in {folder}")
    run, log = folder / f"{fault.name}.jsonl", folder / f"{fault.name}.log"
    results = Results(
        tests=read(run),
        exit=plain["exit"],
        printed=log.read_text(),
        seconds=plain["seconds"]["verdict"],
    )
    victims = Victims(tuple(plain["victims"]))
    before = {name for name, red in plain["red"].items() if red["role"] == "before"}
    once = {name for name, red in plain["red"].items() if red["role"] == "once"}
    found = verdict.evaluate(fault, catalog.declared(fault.name), victims, results, before, once)
    after = [problem for problem in plain["problems"] if problem.startswith(AFTER)]
    plain |= {"exact": found.exact, "red": found.red, "problems": [*found.problems, *after]}
    record = Record(**plain)
    record.write(folder)
    return record


def _durations(fault: Fault, results: Results) -> dict[str, float]:
    """Return the seconds from the suite's start to its first declared failure, and to its end."""
    declared = catalog.declared(fault.name)
    failed = [
        end_time(test)
        for test in results.tests
        if test.outcome == FAILED and test.check in declared
    ]
    first = {"first": round(min(failed) - results.began, 1)} if failed else {}
    return first | {"verdict": round(results.seconds, 1)}


def _timed(seconds: dict[str, float], part: str, work: Callable[[], Any]) -> Any:
    began = time.monotonic()
    try:
        return work()
    finally:
        seconds[part] = round(time.monotonic() - began, 1)


def report_folder() -> Path:
    """Return the default report folder."""
    return controller.STATE / "faults"
