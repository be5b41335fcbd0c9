# SPDX-License-Identifier: Apache-2.0
"""The JUnit file, completed."""

import dataclasses
from xml.etree import ElementTree

from conformance.report import junit
from tests.conformance.report.recordings import DETAIL, GOOD, LOST, MUTE, ONE, SKIP, TWO, recording

PLAIN = (
    '<testsuites name="pytest tests"><testsuite name="pytest" errors="0" tests="1">'
    f'<testcase name="{LOST.test.partition("::")[2]}" '
    'classname="conformance.tests.test_pod_network" time="0.1">'
    '<failure message="m">f</failure></testcase></testsuite></testsuites>'
).replace("->", "-&gt;")


def test_junit_tells_the_same() -> None:
    """Nodes, faults, headline and the whole message are in the case; the run's problem is one."""
    odd = dataclasses.replace(LOST, headline="bad \x00 <tag>")
    root = ElementTree.fromstring(junit.completed(PLAIN, recording(odd, notes=["LEFT BEHIND: x"])))
    case, run = root.iter("testcase")
    told = {each.get("name"): each.get("value") for each in case.iter("property")}
    assert told["nodes"] == f"{ONE}, {TWO}"
    assert told["detects"] == "vxlan-one-way"
    assert told["headline"] == "bad � <tag>"
    failure = case.find("failure")
    assert failure is not None
    assert failure.get("type") == LOST.code
    assert case.findtext("system-out") == DETAIL
    assert run.find("error") is not None
    (suite,) = root.iter("testsuite")
    assert (suite.get("tests"), suite.get("errors")) == ("2", "1")


def test_junit_is_made_where_there_is_none() -> None:
    """A run that could not begin is a red case, not a missing file."""
    root = ElementTree.fromstring(junit.completed("", recording(exit=4, problem="no API")))
    assert [case.find("error") is not None for case in root.iter("testcase")] == [True]
    again = ElementTree.fromstring(junit.completed("", recording(GOOD, LOST, MUTE, SKIP)))
    assert [case[-1].tag for case in again.iter("testcase")] == [
        "properties", "system-out", "system-out", "system-out",
    ]  # fmt: skip
    assert {each.tag for case in again.iter("testcase") for each in case} >= {
        "failure", "error", "skipped",
    }  # fmt: skip
