# SPDX-License-Identifier: Apache-2.0
"""Evaluate a run of the suite on a cluster with a fault. Pure."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from conformance.results.records import Result
from lab.faultinjection.catalog import Fault
from lab.faultinjection.context import Victims
from lab.faultinjection.results import Results, message

UNEXPECTED = "stranger"
"""The role of a check that is red and not explained, as it is spelled in records."""
CANNOT_START = 4
"""The exit status of the suite if it cannot reach the cluster at all."""
UNDECLARED = "no check declares this fault"


@dataclass(frozen=True)
class Red:
    """A check that was red: its numbers of failed and inconclusive tests, and the reason.

    role: `declared` (it declares the fault), `companion` (the fault's module explains it),
    `before` (it was red without the fault), `once` (it passed when it was repeated with the fault
    present: flaky, or load), or `UNEXPECTED`.
    """

    failed: int
    errors: int
    role: str
    headline: str


@dataclass(frozen=True)
class Verdict:
    """The red checks, and the deviations from what was expected; without deviations it is exact."""

    red: dict[str, Red]
    problems: list[str]

    @property
    def exact(self) -> bool:
        """Whether exactly the declared checks failed, and their messages name place and cause."""
        return not self.problems


def evaluate(
    fault: Fault,
    declared: set[str],
    victims: Victims,
    results: Results,
    before: Collection[str] = (),
    once: Collection[str] = (),
) -> Verdict:
    """Compare the results with the declarations of the checks and of the fault's module.

    before: checks that were red without the fault. once: unexpected ones that passed when repeated.
    """
    if fault.startup_errors:
        return _not_started(fault, results)
    red = {
        name: _red(fault, declared, victims, tests)
        for name, tests in _by_check(results.red).items()
    }
    for name, check in red.items():
        if name in before:
            red[name] = replace(check, role="before")
        elif name in once and check.role == UNEXPECTED:
            red[name] = replace(check, role="once")
    failures = [test for test in results.red if test.outcome == "failed" and test.check in declared]
    problems = [
        *_no_tests(results),
        *_missed(declared, results),
        *(f"{name} was red before the fault" for name in sorted(declared & set(before))),
        *_unexpected(red),
        *_victims_not_named(declared, failures, victims),
        *(
            f"no message of a declared check contains {text!r}"
            for text in fault.message_contains
            if failures and not any(text in message(test) for test in failures)
        ),
    ]
    return Verdict(red, problems)


def _not_started(fault: Fault, results: Results) -> Verdict:
    problems = [
        f"expected {text!r} in the output: {results.printed[-500:]}"
        for text in fault.startup_errors
        if text not in results.printed
    ]
    if results.exit != CANNOT_START:
        problems.append(f"expected exit status {CANNOT_START}, seen {results.exit}")
    return Verdict({}, problems)


def _no_tests(results: Results) -> Iterable[str]:
    if not results.tests:
        yield f"no test ran (exit status {results.exit}): {results.printed[-800:]}"


def _missed(declared: set[str], results: Results) -> Iterable[str]:
    """Report declared checks that did not fail; an inconclusive result does not count."""
    if not declared:
        yield UNDECLARED
    outcomes = {
        name: {test.outcome for test in tests} for name, tests in _by_check(results.tests).items()
    }
    for name in sorted(declared):
        if "failed" not in outcomes.get(name, ()):
            seen = ", ".join(sorted(outcomes.get(name, ()))) or "not run"
            yield f"{name} declares this fault but did not fail: {seen}"


def _unexpected(red: dict[str, Red]) -> Iterable[str]:
    for name, check in sorted(red.items()):
        if check.role == UNEXPECTED:
            yield f"{name} is unexpectedly red: {check.headline}"


def _victims_not_named(
    declared: set[str], failures: list[Result], victims: Victims
) -> Iterable[str]:
    """Report declared checks that name no victim, and the lack of a message that names all."""
    if not victims.nodes or not failures:
        return
    for name in sorted(declared & {test.check for test in failures}):
        text = "\n".join(message(test) for test in failures if test.check == name)
        if not any(node in text for node in victims.nodes):
            yield f"{name} failed, but names none of {', '.join(victims.nodes)}"
    if not any(all(node in message(test) for node in victims.nodes) for test in failures):
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
        not failed and _inconclusive_as_declared(fault, victims, tests)
    ):
        role = "companion"
    else:
        role = UNEXPECTED
    shown = (failed or tests)[0]
    return Red(len(failed), len(tests) - len(failed), role, shown.headline or shown.detail[:300])


def _inconclusive_as_declared(fault: Fault, victims: Victims, errors: list[Result]) -> bool:
    """Return whether the module explains inconclusive tests, and each of these names a victim."""
    if not fault.inconclusive:
        return False
    return all(
        not victims.nodes or any(node in message(test) for node in victims.nodes) for test in errors
    )
