# SPDX-License-Identifier: Apache-2.0
"""Was the suite right? A pure judgement of a run with a fault in the cluster."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from conformance.results.records import Result
from lab.faultinjection.catalog import Fault
from lab.faultinjection.context import Victims
from lab.faultinjection.results import Results, said

STRANGER = "stranger"
CANNOT_BEGIN = 4  # the suite's exit status when the cluster could not even be asked


@dataclass(frozen=True)
class Red:
    """A check that was red: in how many tests it failed or could not ask, why, and by what right.

    role: `declared` (it says it sees the fault), `companion` (the fault's module explains it),
    `before` (it was red without the fault), `once` (it was green when it was asked again with the
    fault still in: load, or chance), `stranger` (nobody does).
    """

    failed: int
    errors: int
    role: str
    headline: str


@dataclass(frozen=True)
class Verdict:
    """What was wrong with the suite's answer; without problems it was exact."""

    red: dict[str, Red]
    problems: list[str]

    @property
    def exact(self) -> bool:
        """Exactly the declared checks were red, and named place and cause."""
        return not self.problems


def judge(
    fault: Fault,
    declared: set[str],
    victims: Victims,
    results: Results,
    before: Collection[str] = (),
    once: Collection[str] = (),
) -> Verdict:
    """Hold the suite to what its checks and the fault's module declare.

    before: checks that were red without the fault. once: strangers that did not stay red.
    """
    if fault.refused:
        return _refusal(fault, results)
    red = {
        name: _red(fault, declared, victims, tests)
        for name, tests in _by_check(results.red).items()
    }
    for name, told in red.items():
        if name in before:
            red[name] = replace(told, role="before")
        elif name in once and told.role == STRANGER:
            red[name] = replace(told, role="once")
    failures = [test for test in results.red if test.outcome == "failed" and test.check in declared]
    problems = [
        *_too_little(results),
        *_missed(declared, results),
        *(f"{name} was red before the fault" for name in sorted(declared & set(before))),
        *_strangers(red),
        *_unnamed(declared, failures, victims),
        *(
            f"no message of a declared check says {words!r}"
            for words in fault.says
            if failures and not any(words in said(test) for test in failures)
        ),
    ]
    return Verdict(red, problems)


def _refusal(fault: Fault, results: Results) -> Verdict:
    problems = [
        f"it should say {words!r}, and printed: {results.printed[-500:]}"
        for words in fault.refused
        if words not in results.printed
    ]
    if results.exit != CANNOT_BEGIN:
        problems.append(
            f"it should not begin (exit status {CANNOT_BEGIN}), and ended with {results.exit}"
        )
    return Verdict({}, problems)


def _too_little(results: Results) -> Iterable[str]:
    if not results.tests:
        yield f"no test ran (exit status {results.exit}): {results.printed[-800:]}"


def _missed(declared: set[str], results: Results) -> Iterable[str]:
    """Each declared check has failed; to be in error is no verdict."""
    if not declared:
        yield "no check says that it sees this fault"
    outcomes = {
        name: {test.outcome for test in tests} for name, tests in _by_check(results.tests).items()
    }
    for name in sorted(declared):
        if "failed" not in outcomes.get(name, ()):
            seen = ", ".join(sorted(outcomes.get(name, ()))) or "not run"
            yield f"{name} says that it sees this fault, but is: {seen}"


def _strangers(red: dict[str, Red]) -> Iterable[str]:
    for name, told in sorted(red.items()):
        if told.role == STRANGER:
            yield f"{name} is red and nobody expects it: {told.headline}"


def _unnamed(declared: set[str], failures: list[Result], victims: Victims) -> Iterable[str]:
    """Each declared check names a victim; one message names them all."""
    if not victims.nodes or not failures:
        return
    for name in sorted(declared & {test.check for test in failures}):
        words = "\n".join(said(test) for test in failures if test.check == name)
        if not any(node in words for node in victims.nodes):
            yield f"{name} is red, but names none of {', '.join(victims.nodes)}"
    if not any(all(node in said(test) for node in victims.nodes) for test in failures):
        yield f"no message names {' and '.join(victims.nodes)}"


def _by_check(tests: Iterable[Result]) -> dict[str, list[Result]]:
    found: dict[str, list[Result]] = {}
    for test in tests:
        found.setdefault(test.check, []).append(test)
    return found


def _red(fault: Fault, declared: set[str], victims: Victims, tests: list[Result]) -> Red:
    name = tests[0].check
    failed = [test for test in tests if test.outcome == "failed"]
    if name in declared:
        role = "declared"
    elif any(fnmatchcase(name, pattern) for pattern in fault.companions) or (
        not failed and _only_unasked(fault, victims, tests)
    ):
        role = "companion"
    else:
        role = STRANGER
    shown = (failed or tests)[0]
    return Red(len(failed), len(tests) - len(failed), role, shown.headline or shown.detail[:300])


def _only_unasked(fault: Fault, victims: Victims, errors: list[Result]) -> bool:
    """Is each of these errors one that the module explains, and does it point to a victim?"""
    if not fault.unasked:
        return False
    return all(
        not victims.nodes or any(node in said(test) for node in victims.nodes) for test in errors
    )
