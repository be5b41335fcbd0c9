# SPDX-License-Identifier: Apache-2.0
"""One trial: the fault goes in, the suite judges, the fault goes out, the suite is green again."""

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
from lab.faultinjection.results import Results, address, ended, read
from lab.faultinjection.verdict import STRANGER, Red, Verdict
from lab.harness import controller, health

FORMAT = 1
PAUSE = 2.0
AFTER = "after healing:"
LEFT_IN = f"{AFTER} nobody looked whether it is green"
MOST_ASKED_AGAIN = 8


class TrialError(Exception):
    """The trial could not be held, so nothing is said about the suite. The message says why."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """What a trial came to.

    seconds: inject; first, until the first declared check was red; verdict, until the suite had
    ended; heal; green, until it was seen that all is well.
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
    def good(self) -> bool:
        """Exact, and green after healing."""
        return self.exact and self.green

    def line(self) -> str:
        """It in one line."""
        took = ", ".join(f"{part} {seconds:.0f} s" for part, seconds in self.seconds.items())
        declared = sum(red.role == "declared" for red in self.red.values())
        red = f"{declared} declared red, {len(self.red) - declared} others"
        told = "exact" if self.exact else "NOT EXACT"
        back = "green again" if self.green else "NOT GREEN AGAIN"
        return f"{self.fault:<30} {told}, {back}; {red}; {took}; {self.kind}, {self.cluster}"

    def write(self, folder: Path) -> None:
        """Keep it in the report folder."""
        text = json.dumps(dataclasses.asdict(self), indent=1, sort_keys=True) + "\n"
        (folder / f"{self.fault}.json").write_text(text)


def baseline(context: Context, folder: Path, despite: bool = False) -> set[str]:
    """Heal what a killed run left, and see that the suite is green on the cluster as it is.

    Returns:
        The checks that are red all the same, if `despite` says to go on.

    Raises:
        TrialError: it is not green.
    """
    heal_left(context)
    results = suite.on_cluster(context.cluster, folder, context.cluster.name + recordings.BASELINE)
    if (results.exit and not (despite and results.red)) or not results.judged:
        (folder / f"{context.cluster.name}{recordings.BASELINE}.facts.json").unlink(missing_ok=True)
        red = [f"{test.test}: {test.headline}" for test in results.red]
        told = "\n  ".join(red) or results.printed[-2000:]
        raise TrialError(f"{context.cluster.name} is not sound, so no fault is put in:\n  {told}")
    return {test.check for test in results.red}


def heal_left(context: Context) -> str:
    """Take out the fault that a killed run left in the cluster; return its name, '' if none.

    Raises:
        TrialError: it does not go.
    """
    left = context.journal.fault
    if left:
        try:
            catalog.fault(left).module.heal(context)
            health.wait_healthy(context.cluster)
        except (AssertionError, LookupError) as problem:
            raise TrialError(f"{left} is still in {context.cluster.name}: {problem}") from None
        context.journal.end()
    return left


def run(
    fault: Fault, context: Context, folder: Path, keep: bool = False, before: Collection[str] = ()
) -> Record:
    """Put the fault in, have the suite judge, take it out, have the suite see that.

    before: checks that are red without it. keep: leave it in, for somebody who wants to look at it.
    """
    heal_left(context)
    seconds: dict[str, float] = {}
    victims = WHOLE_CLUSTER
    results = Results(tests=[], exit=-1, printed="the suite was not run", seconds=0.0)
    context.journal.begin(fault.name)
    try:
        victims = _timed(seconds, "inject", lambda: fault.module.inject(context))
        results = suite.on_cluster(context.cluster, folder, fault.name)
        seconds |= _until(fault, results)
        told = verdict.judge(fault, catalog.declared(fault.name), victims, results, before)
        once = ask_again(fault, context, folder, told, results)
    finally:
        if not keep:
            _timed(seconds, "heal", lambda: fault.module.heal(context))
    told = verdict.judge(fault, catalog.declared(fault.name), victims, results, before, once)
    record = Record(
        fault=fault.name,
        kind=fault.kind,
        cluster=context.cluster.name,
        victims=list(victims.nodes),
        exact=told.exact,
        green=False,
        red=told.red,
        problems=[*told.problems, LEFT_IN],
        seconds=seconds,
        exit=results.exit,
    )
    record.write(folder)  # also for the case that nobody waits for what follows
    if keep:
        return record
    green, problems = _timed(
        seconds, "green", lambda: await_green(fault, context, folder, results, before)
    )
    if green:
        context.journal.end()
    record = replace(record, green=green, problems=[*told.problems, *problems])
    record.write(folder)
    return record


def ask_again(
    fault: Fault, context: Context, folder: Path, told: Verdict, results: Results
) -> set[str]:
    """Ask those again that nobody expected to be red, with the fault still in; who is green now?

    Many of them are no chance.
    """
    strangers = {name for name, red in told.red.items() if red.role == STRANGER}
    if not strangers or len(strangers) > MOST_ASKED_AGAIN:
        return set()
    again = sorted({address(test) for test in results.red if test.check in strangers})
    ran = suite.on_cluster(context.cluster, folder, f"{fault.name}.again", *again)
    judged = {test.check for test in ran.tests if test.outcome == PASSED}
    return strangers & judged - {test.check for test in ran.red}


def await_green(
    fault: Fault, context: Context, folder: Path, during: Results, before: Collection[str] = ()
) -> tuple[bool, list[str]]:
    """Wait until the cluster is whole and all checks that were red are green; else what is red."""
    deadline = time.monotonic() + fault.green_seconds
    try:
        health.wait_healthy(context.cluster, fault.green_seconds)
    except AssertionError as problem:
        return False, [f"{AFTER} {problem}"]
    again = sorted({address(test) for test in during.red if test.check not in before}) or [
        "-m",
        "os",
    ]
    while True:
        results = suite.on_cluster(context.cluster, folder, f"{fault.name}.healed", *again)
        if results.exit == 0 and results.judged:
            return True, []
        if time.monotonic() > deadline:
            red = [f"{AFTER} {test.test}: {test.headline}" for test in results.red]
            return False, red or [f"{AFTER} {results.printed[-800:]}"]
        time.sleep(PAUSE)


def replay(fault: Fault, folder: Path) -> Record:
    """Alter sound facts as the fault would, and have the suite judge them."""
    recording = recordings.sound(fault.recording)
    seconds: dict[str, float] = {}
    victims: Victims = _timed(seconds, "inject", lambda: fault.module.alter(recording))
    facts = folder / f"{fault.name}.facts.json"
    facts.write_text(json.dumps(recording))
    results = suite.on_facts(facts, folder, fault.name)
    seconds |= _until(fault, results)
    told = verdict.judge(fault, catalog.declared(fault.name), victims, results)
    record = Record(
        fault=fault.name,
        kind=fault.kind,
        cluster="recorded",
        victims=list(victims.nodes),
        exact=told.exact,
        green=True,
        red=told.red,
        problems=told.problems,
        seconds=seconds,
        exit=results.exit,
    )
    record.write(folder)
    return record


def judge_again(fault: Fault, folder: Path) -> Record:
    """Judge a run that is over by what checks and module declare now; whether it healed stays.

    Raises:
        TrialError: the folder has no record of the fault.
    """
    plain = recordings.records(folder).get(fault.name)
    if plain is None:
        raise TrialError(f"{folder} holds no record of {fault.name}")
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
    told = verdict.judge(fault, catalog.declared(fault.name), victims, results, before, once)
    after = [problem for problem in plain["problems"] if problem.startswith(AFTER)]
    plain |= {"exact": told.exact, "red": told.red, "problems": [*told.problems, *after]}
    record = Record(**plain)
    record.write(folder)
    return record


def _until(fault: Fault, results: Results) -> dict[str, float]:
    """Seconds from the suite's start to its first declared failure, and to its end."""
    declared = catalog.declared(fault.name)
    stood = [
        ended(test) for test in results.tests if test.outcome == FAILED and test.check in declared
    ]
    first = {"first": round(min(stood) - results.began, 1)} if stood else {}
    return first | {"verdict": round(results.seconds, 1)}


def _timed(seconds: dict[str, float], part: str, work: Callable[[], Any]) -> Any:
    began = time.monotonic()
    try:
        return work()
    finally:
        seconds[part] = round(time.monotonic() - began, 1)


def report_folder() -> Path:
    """Where records are kept unless somebody says otherwise."""
    return controller.STATE / "faults"
