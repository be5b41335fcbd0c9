# SPDX-License-Identifier: Apache-2.0
"""The HTML report is complete, safe and readable for any number of nodes."""

import dataclasses
import re
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.facts.components import Component
from conformance.report import baseline, html
from conformance.report.cluster import Echo
from conformance.results.records import Recording
from conformance.soak import summary as soak_summary
from conformance.soak.history import CheckRound, Pings, Red, Round
from tests.conformance.report.recordings import (
    FAILED,
    HEADER,
    INCONCLUSIVE,
    ONE,
    PASSED,
    SKIPPED,
    cluster,
    green,
    recording,
)


class Outline(HTMLParser):
    """Tags of a page, as seen by assistive tools."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Record a tag."""
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "br", "path", "rect"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Check that the innermost open tag is closed."""
        if tag not in ("path", "rect"):
            assert self.open.pop() == tag

    def named(self, *names: str) -> list[dict[str, str | None]]:
        """Return the attributes of all tags with these names."""
        return [attributes for tag, attributes in self.tags if tag in names]


def test_page_is_complete() -> None:
    """The page has failures with code and next command, other outcomes, warnings and pings."""
    slow = dataclasses.replace(
        PASSED, test="test_nodes.py::test_slow", seconds=4.0, properties={"warning": "disk is slow"}
    )
    shown = html.render(recording(PASSED, FAILED, INCONCLUSIVE, SKIPPED, slow, of=cluster()))
    for words in (
        "Not sound", "on a: look", "a firewall", "pod-unreachable", "no answer", "no etcd",
        "disk is slow", "It is fine.", "vxlan-one-way", "192.0.2.1", "containerd://2", "v1.37.2",
        "0.41", "collecting", "0badcafe",
    ):  # fmt: skip
        assert words in shown, words


HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)> \"'{{ 7*7 }} </script> ]]>"


def test_hostile_text_is_escaped() -> None:
    """Text from the cluster cannot create tags, attributes or scripts."""
    made = cluster()
    evil = dataclasses.replace(made.nodes[0], name=HOSTILE, runtime=HOSTILE, problems=[HOSTILE])
    matrix = {HOSTILE: {HOSTILE: Echo(0.0, 0.1), "n1": Echo(0.5, 0.1)}}
    made = dataclasses.replace(
        made, name=HOSTILE, server=HOSTILE, nodes=[evil, *made.nodes[1:]], pods=matrix,
        unasked={HOSTILE: [HOSTILE]}, versions={HOSTILE: [HOSTILE]},
    )  # fmt: skip
    texts: dict[str, Any] = {
        "headline": HOSTILE,
        "detail": HOSTILE,
        "nodes": [HOSTILE],
        "asserts": HOSTILE,
    }
    red = [dataclasses.replace(each, **texts) for each in (FAILED, INCONCLUSIVE, SKIPPED)]
    warned = dataclasses.replace(PASSED, test=HOSTILE, properties={"warning": HOSTILE})
    odd = recording(*red, warned, of=made, notes=[HOSTILE, f"LEFT BEHIND: {HOSTILE}"])
    checks = {HOSTILE: CheckRound("failed", 1, 1.0)}
    reds = [Red(HOSTILE, "failed", HOSTILE)]
    one = Round(
        round=1,
        run=HOSTILE,
        cluster="",
        began=0.0,
        seconds=1.0,
        exit=1,
        checks=checks,
        red=reds,
        objects={HOSTILE: 1},
    )
    shown = html.render(
        odd, baseline.compare(odd, green()), soak_summary.summarize([one], [HOSTILE])
    )
    outline = Outline(shown)
    assert outline.open == []
    assert len(outline.named("script")) == 1
    assert not outline.named("img")
    assert not [name for _, attributes in outline.tags for name in attributes if name[:2] == "on"]
    assert "{{ 7*7 }}" in shown
    assert baseline.read_text(shown).header["run"] == "0badcafe"


def test_page_is_self_contained() -> None:
    """The page references no file, host or script, and its policy forbids them."""
    shown = html.render(recording(PASSED, FAILED, of=cluster()))
    outline = Outline(shown)
    assert all((each.get("href") or "").startswith("#") for each in outline.named("a"))
    assert not outline.named("link", "img", "iframe", "object", "embed", "video")
    assert [each.get("type") for each in outline.named("script")] == ["application/json"]
    assert "url(" not in shown
    policy = [each for each in outline.named("meta") if each.get("http-equiv")]
    assert policy[0]["content"] == "default-src 'none'; style-src 'unsafe-inline'"


def test_page_is_accessible() -> None:
    """The page has a language, ordered headings, table headers, valid links and labels."""
    shown = html.render(
        recording(PASSED, FAILED, INCONCLUSIVE, of=cluster()), baseline.compare(green(), green())
    )
    outline = Outline(shown)
    assert outline.named("html")[0]["lang"] == "en"
    levels = [int(tag[1]) for tag, _ in outline.tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b <= a + 1 for a, b in pairwise(levels))
    assert all(each.get("scope") for each in outline.named("th"))
    ids = [each["id"] for _, each in outline.tags if "id" in each]
    assert len(ids) == len(set(ids))
    targets = {(each.get("href") or "")[1:] for each in outline.named("a")}
    assert targets <= set(ids)
    assert all(each.get("aria-label") for each in outline.named("svg"))


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colors according to WCAG."""

    def luminance(color: str) -> float:
        parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_color_contrast() -> None:
    """In both color schemes all text has a contrast of at least 4.5 to 1."""
    style = (html.TEMPLATES / "style.css").read_text()
    schemes = re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    assert len(schemes) == 2
    for scheme in schemes:
        of = dict(re.findall(r"--([\w-]+): (#\w{6})", scheme))
        pairs = [(text, on) for text in ("text", "soft", "link") for on in ("ground", "raised")]
        pairs += [(kind, "ground") for kind in ("good", "bad", "open")]
        pairs += [(kind, f"{kind}-ground") for kind in ("good", "bad", "open")]
        pairs += [("text", step) for step in ("h1", "h2", "h3", "h4")] + [("hx-text", "hx")]
        for text, on in pairs:
            assert contrast(of[text], of[on]) >= 4.5, (text, on)


@pytest.mark.parametrize("nodes", [1, 2, 100])
def test_any_number_of_nodes(nodes: int) -> None:
    """One node has no matrix; the page of a hundred nodes is below 4 MB and has no cell texts."""
    made = cluster(nodes)
    if nodes > 2:
        made.pods["n7"]["n9"] = Echo(1.0, None)
        made.pods["n8"]["n9"] = Echo(0.0, 90.0)
    pairs = [(a, b) for a in made.pods for b in made.pods if a != b]
    name = "test_pod_network.py::test_pod_reaches_pod[{}->{}]"
    found = [dataclasses.replace(PASSED, test=name.format(a, b), nodes=[a, b]) for a, b in pairs]
    shown = html.render(recording(PASSED, *found, of=made))
    outline = Outline(shown)
    assert outline.open == []
    assert len(shown) < 4_000_000
    heat = [each for each in outline.named("table") if "heat" in (each.get("class") or "")]
    assert len(heat) == (0 if nodes == 1 else 2)
    assert [("dense" in (each["class"] or "")) for each in heat] == [nodes > 24] * len(heat)
    if nodes > 2:
        assert re.search(r"<td>n7</td><td>n9</td><td>all lost</td>", shown)
        assert re.search(r"<td>n8</td><td>n9</td><td>90.00 ms</td>", shown)


def test_run_without_facts_has_a_page() -> None:
    """A run that could not start or was killed has a report."""
    shown = html.render(recording(exit=4, problem="DaemonSets are forbidden"))
    assert "Not started" in shown
    assert "DaemonSets are forbidden" in shown
    assert "Unfinished" in html.render(Recording(HEADER, [PASSED]))


def rounds(number: int, red: int = 0) -> list[Round]:
    """Return rounds of which one is red."""
    made = []
    for at in range(number):
        bad = at + 1 == red
        checks = {
            "test_a": CheckRound("failed" if bad else "passed", 3, 1.0 + at / 10),
            "test_b": CheckRound("passed", 1, 0.1),
        }
        reds = [Red("test_a[x]", "failed", "was broken")] if bad else []
        kubelet = Component(
            name="kubelet", pid=7, started=900, rss=80_000 + 3000 * at, fds=40, threads=9
        )
        made.append(
            Round(
                round=at + 1,
                run=f"r{at}",
                cluster="u",
                began=at * 60.0,
                seconds=41.0,
                exit=int(bad),
                checks=checks,
                red=reds,
                pings=Pings(median=0.4, p95=0.8, most=1.0, paths=6, lost=[]),
                components={ONE: [kubelet]},
                objects={"pods": 8},
            )
        )
    return made


def test_page_of_a_soak() -> None:
    """The report of a soak has flake rates, drifts, growth, red rounds and sparklines."""
    shown = html.render(
        recording(PASSED, FAILED, of=cluster()), None, soak_summary.summarize(rounds(20, red=7))
    )
    for words in ("Flaky", "1 of 20 rounds", "5.0 %", "was broken", "slower", "grows", "kubelet"):
        assert words in shown, words
    assert shown.count("<svg") > 5
    sound = html.render(
        green(), None, soak_summary.summarize([dataclasses.replace(r) for r in rounds(20)])
    )
    assert "all 20 rounds were green" in sound
    assert "below 16.1 %" in sound
    red = html.render(recording(FAILED), None, soak_summary.summarize(rounds(1, red=1)))
    assert "all rounds were red" in red
    assert "Flaky" not in red


@given(st.lists(st.floats(-1e9, 1e9), min_size=2, max_size=50))
def test_sparklines_stay_in_their_box(values: list[float]) -> None:
    """All points of a sparkline are within its box."""
    points = re.findall(r"([\d.-]+) ([\d.-]+)", html.line_of(values))
    assert len(points) == len(values)
    assert all(-0.1 <= float(x) <= 100.1 and 0 <= float(y) <= 20 for x, y in points)
