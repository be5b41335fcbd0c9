# SPDX-License-Identifier: Apache-2.0
"""Additions to the JUnit file of pytest: properties of tests, and problems of the run. Pure.

pytest writes outcomes, messages and durations. This module adds nodes, faults and causes as
properties and system-out, and codes as the type of failures, which CI systems display.
"""

import re
from xml.etree import ElementTree

from conformance.report import summary
from conformance.results.records import ERROR, FAILED, SKIPPED, Recording, Result

# Characters that XML 1.0 does not allow, not even escaped.
FORBIDDEN = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def completed(text: str, recording: Recording) -> str:
    """Return the file with the additions; without a file of pytest, create one."""
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError:
        root = _create(recording)
    by_name = {result.name: result for result in recording.results}
    for suite in root.iter("testsuite"):
        _add_run(suite, recording)
        for case in suite.iter("testcase"):
            if result := by_name.get(case.get("name", "")):
                _add_result(case, result)
        for problem in summary.summarize(recording).problems:
            _add_problem(suite, problem)
    return '<?xml version="1.0" encoding="utf-8"?>' + ElementTree.tostring(root, "unicode")


def _create(recording: Recording) -> ElementTree.Element:
    """Create the elements that pytest would write."""
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


def _add_run(suite: ElementTree.Element, recording: Recording) -> None:
    verdict = summary.summarize(recording).verdict
    cluster = recording.cluster or {}
    properties = {
        "run": recording.header.get("run", ""),
        "verdict": f"{verdict.title}: {verdict.reason}",
        "cluster": cluster.get("name", ""),
        "kubernetes": cluster.get("server", ""),
        "nodes": ", ".join(recording.header.get("nodes", [])),
        "image": recording.header.get("image", ""),
    }
    _add_properties(suite, properties)


def _add_result(case: ElementTree.Element, result: Result) -> None:
    properties = {
        "layer": result.layer,
        "nodes": ", ".join(result.nodes),
        "detects": ", ".join(result.detects),
        "headline": result.headline,
        "asserts": result.asserts,
    }
    _add_properties(case, properties | result.properties)
    failure = case.find("failure")
    if failure is not None and result.code:
        failure.set("type", result.code)
    if result.detail:
        out = case.find("system-out")
        out = ElementTree.SubElement(case, "system-out") if out is None else out
        out.text = "\n".join(filter(None, [out.text, clean(result.detail)]))


def _add_properties(parent: ElementTree.Element, properties: dict[str, str]) -> None:
    """Add properties to an element; existing ones are not changed."""
    element = parent.find("properties")
    if element is None:
        element = ElementTree.Element("properties")
        parent.insert(0, element)
    names = {each.get("name") for each in element}
    for name, value in properties.items():
        if value and name not in names:
            ElementTree.SubElement(element, "property", name=clean(name), value=clean(str(value)))


def _add_problem(suite: ElementTree.Element, problem: str) -> None:
    """Add a test case for a problem of the run, which would pass otherwise."""
    case = ElementTree.SubElement(
        suite, "testcase", classname="conformance.run", name="the run itself", time="0"
    )
    error = ElementTree.SubElement(case, "error", message=clean(problem.splitlines()[0]))
    error.text = clean(problem)
    for name in ("tests", "errors"):
        suite.set(name, str(int(suite.get(name, "0")) + 1))


def clean(text: str) -> str:
    """Replace characters that XML does not allow."""
    return FORBIDDEN.sub("�", text)
