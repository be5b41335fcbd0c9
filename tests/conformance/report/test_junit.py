# SPDX-License-Identifier: Apache-2.0
"""Additions to the JUnit file."""

import dataclasses
from xml.etree import ElementTree

from conformance.report import junit
from tests.conformance.report.recordings import (
    DETAIL,
    FAILED,
    INCONCLUSIVE,
    ONE,
    PASSED,
    SKIPPED,
    TWO,
    recording,
)

PLAIN = (
    '<testsuites name="pytest tests"><testsuite name="pytest" errors="0" tests="1">'
    f'<testcase name="{FAILED.test.partition("::")[2]}" '
    'classname="conformance.tests.test_pod_network" time="0.1">'
    '<failure message="m">f</failure></testcase></testsuite></testsuites>'
).replace("->", "-&gt;")


def test_properties_and_problems() -> None:
    """Cases have properties, code and message; a problem of the run is a case of its own."""
    odd = dataclasses.replace(FAILED, headline="bad \x00 <tag>")
    root = ElementTree.fromstring(junit.completed(PLAIN, recording(odd, notes=["LEFT BEHIND: x"])))
    case, run = root.iter("testcase")
    properties = {each.get("name"): each.get("value") for each in case.iter("property")}
    assert properties["nodes"] == f"{ONE}, {TWO}"
    assert properties["detects"] == "vxlan-one-way"
    assert properties["headline"] == "bad � <tag>"
    failure = case.find("failure")
    assert failure is not None
    assert failure.get("type") == FAILED.code
    assert case.findtext("system-out") == DETAIL
    assert run.find("error") is not None
    (suite,) = root.iter("testsuite")
    assert (suite.get("tests"), suite.get("errors")) == ("2", "1")


def test_missing_file_is_created() -> None:
    """Without a file of pytest, all results are written; a run that could not start is an error."""
    root = ElementTree.fromstring(junit.completed("", recording(exit=4, problem="no API")))
    assert [case.find("error") is not None for case in root.iter("testcase")] == [True]
    again = ElementTree.fromstring(
        junit.completed("", recording(PASSED, FAILED, INCONCLUSIVE, SKIPPED))
    )
    assert [case[-1].tag for case in again.iter("testcase")] == [
        "properties", "system-out", "system-out", "system-out",
    ]  # fmt: skip
    assert {each.tag for case in again.iter("testcase") for each in case} >= {
        "failure", "error", "skipped",
    }  # fmt: skip
