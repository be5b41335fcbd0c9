# SPDX-License-Identifier: Apache-2.0
"""pytest's JUnit file, completed: what each test is about, and what was wrong with the run. Pure.

pytest writes outcomes, messages and times; nodes, faults and causes are added as properties and
system-out, which every reader of such files knows.
"""

import re
from xml.etree import ElementTree

from conformance.report import summary
from conformance.results.records import ERROR, FAILED, SKIPPED, Recording, Result

# What XML 1.0 cannot hold, not even escaped.
FORBIDDEN = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def completed(text: str, recording: Recording) -> str:
    """The file with everything in it; made anew where pytest came to write none."""
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError:
        root = _made(recording)
    by_name = {result.name: result for result in recording.results}
    for suite in root.iter("testsuite"):
        _tell_run(suite, recording)
        for case in suite.iter("testcase"):
            if result := by_name.get(case.get("name", "")):
                _tell_test(case, result)
        for problem in summary.of(recording).problems:
            _problem(suite, problem)
    return '<?xml version="1.0" encoding="utf-8"?>' + ElementTree.tostring(root, "unicode")


def _made(recording: Recording) -> ElementTree.Element:
    """As pytest would write it."""
    counts = summary.count(recording.results)
    root = ElementTree.Element("testsuites", name="pytest tests")
    suite = ElementTree.SubElement(
        root,
        "testsuite",
        name="pytest",
        tests=str(len(recording.results)),
        failures=str(counts[FAILED]),
        errors=str(counts[ERROR]),
        skipped=str(counts[SKIPPED]),
        timestamp=str(recording.header.get("began", "")),
    )
    for result in recording.results:
        module, _, name = result.test.partition("::")
        case = ElementTree.SubElement(
            suite,
            "testcase",
            classname=f"conformance.tests.{clean(module.removesuffix('.py'))}",
            name=clean(name),
            time=f"{result.seconds:.3f}",
        )
        if result.outcome in TAGS:
            bad = ElementTree.SubElement(case, TAGS[result.outcome], message=clean(result.headline))
            bad.text = clean(result.detail)
    return root


TAGS = {FAILED: "failure", ERROR: "error", SKIPPED: "skipped"}


def _tell_run(suite: ElementTree.Element, recording: Recording) -> None:
    verdict = summary.of(recording).verdict
    cluster = recording.cluster or {}
    told = {
        "run": recording.header.get("run", ""),
        "verdict": f"{verdict.word}: {verdict.why}",
        "cluster": cluster.get("name", ""),
        "kubernetes": cluster.get("server", ""),
        "nodes": ", ".join(recording.header.get("nodes", [])),
        "image": recording.header.get("image", ""),
    }
    _add_properties(suite, told)


def _tell_test(case: ElementTree.Element, result: Result) -> None:
    told = {
        "layer": result.layer,
        "nodes": ", ".join(result.nodes),
        "detects": ", ".join(result.detects),
        "headline": result.headline,
        "asserts": result.asserts,
    }
    _add_properties(case, told | result.properties)
    failure = case.find("failure")
    if failure is not None and result.code:
        failure.set("type", result.code)
    if result.detail:
        out = case.find("system-out")
        out = ElementTree.SubElement(case, "system-out") if out is None else out
        out.text = "\n".join(filter(None, [out.text, clean(result.detail)]))


def _add_properties(to: ElementTree.Element, told: dict[str, str]) -> None:
    """Beside those that are there, which win."""
    made = to.find("properties")
    if made is None:
        made = ElementTree.Element("properties")
        to.insert(0, made)
    names = {each.get("name") for each in made}
    for name, value in told.items():
        if value and name not in names:
            ElementTree.SubElement(made, "property", name=clean(name), value=clean(str(value)))


def _problem(suite: ElementTree.Element, problem: str) -> None:
    """A case of its own for what was wrong with the run: else it would look green."""
    case = ElementTree.SubElement(
        suite, "testcase", classname="conformance.run", name="the run itself", time="0"
    )
    error = ElementTree.SubElement(case, "error", message=clean(problem.splitlines()[0]))
    error.text = clean(problem)
    for name in ("tests", "errors"):
        suite.set(name, str(int(suite.get(name, "0")) + 1))


def clean(text: str) -> str:
    """The text without what XML cannot hold."""
    return FORBIDDEN.sub("�", text)
