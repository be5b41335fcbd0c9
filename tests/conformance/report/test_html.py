# SPDX-License-Identifier: Apache-2.0
"""The HTML report: complete, safe to open, readable from one node to many."""

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
    GOOD,
    HEADER,
    LOST,
    MUTE,
    ONE,
    SKIP,
    cluster,
    green,
    recording,
)


class Outline(HTMLParser):
    """What a reader's tools see of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep every tag; those that are closed must be closed in order."""
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "br", "path", "rect"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """The innermost open one."""
        if tag not in ("path", "rect"):
            assert self.open.pop() == tag

    def named(self, *names: str) -> list[dict[str, str | None]]:
        """The attributes of all tags of these names."""
        return [attributes for tag, attributes in self.tags if tag in names]


def test_page_tells_all() -> None:
    """Failures with their next command, could-not-asks, skips, warnings, the matrix, the times."""
    slow = dataclasses.replace(
        GOOD, test="test_nodes.py::test_slow", seconds=4.0, properties={"warning": "disk is slow"}
    )
    shown = html.render(recording(GOOD, LOST, MUTE, SKIP, slow, of=cluster()))
    for words in (
        "Not sound", "on a: look", "a wall", "no answer", "no etcd", "disk is slow", "It is fine.",
        "vxlan-one-way", "192.0.2.1", "containerd://2", "v1.37.2", "0.41", "asking", "0badcafe",
        "pod-unreachable",
    ):  # fmt: skip
        assert words in shown, words


HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)> \"'{{ 7*7 }} </script> ]]>"


def test_hostile_words_stay_words() -> None:
    """Whatever a cluster calls itself or says: no tag, no attribute, no script comes of it."""
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
    red = [dataclasses.replace(each, **texts) for each in (LOST, MUTE, SKIP)]
    warned = dataclasses.replace(GOOD, test=HOSTILE, properties={"warning": HOSTILE})
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
    shown = html.render(odd, baseline.compare(odd, green()), soak_summary.of([one], [HOSTILE]))
    outline = Outline(shown)
    assert outline.open == []
    assert len(outline.named("script")) == 1
    assert not outline.named("img")
    assert not [name for _, attributes in outline.tags for name in attributes if name[:2] == "on"]
    assert "{{ 7*7 }}" in shown
    assert baseline.read_text(shown).header["run"] == "0badcafe"


def test_page_needs_nothing_else() -> None:
    """No other file, no other host, no script; what a browser may load is forbidden as well."""
    shown = html.render(recording(GOOD, LOST, of=cluster()))
    outline = Outline(shown)
    assert all((each.get("href") or "").startswith("#") for each in outline.named("a"))
    assert not outline.named("link", "img", "iframe", "object", "embed", "video")
    assert [each.get("type") for each in outline.named("script")] == ["application/json"]
    assert "url(" not in shown
    policy = [each for each in outline.named("meta") if each.get("http-equiv")]
    assert policy[0]["content"] == "default-src 'none'; style-src 'unsafe-inline'"


def test_page_can_be_read_by_its_structure() -> None:
    """A language, a title, headings in order, tables with heads, links that lead somewhere."""
    shown = html.render(
        recording(GOOD, LOST, MUTE, of=cluster()), baseline.compare(green(), green())
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
    """The ratio of contrast of two colours, as WCAG counts it."""

    def light(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((light(one), light(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_colours_can_be_told_apart() -> None:
    """In light and in dark, text of every kind has a contrast of 4.5 to 1 on what it stands on."""
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
    """One node has no matrix; with a hundred the page stays small enough to open and to send."""
    made = cluster(nodes)
    if nodes > 2:
        made.pods["n7"]["n9"] = Echo(1.0, None)
        made.pods["n8"]["n9"] = Echo(0.0, 90.0)
    pairs = [(a, b) for a in made.pods for b in made.pods if a != b]
    name = "test_pod_network.py::test_pod_reaches_pod[{}->{}]"
    found = [dataclasses.replace(GOOD, test=name.format(a, b), nodes=[a, b]) for a, b in pairs]
    shown = html.render(recording(GOOD, *found, of=made))
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
    """A run that could not begin, or was killed, is told as far as it came."""
    shown = html.render(recording(exit=4, problem="DaemonSets are forbidden"))
    assert "Not begun" in shown
    assert "DaemonSets are forbidden" in shown
    assert "Unfinished" in html.render(Recording(HEADER, [GOOD]))


def rounds(number: int, red: int = 0) -> list[Round]:
    """So many rounds, one of them red."""
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
    """Flake rates with bounds, what drifts and grows, the red rounds, each with a small drawing."""
    shown = html.render(
        recording(GOOD, LOST, of=cluster()), None, soak_summary.of(rounds(20, red=7))
    )
    for words in ("Flaky", "1 of 20 rounds", "5.0 %", "was broken", "slower", "grows", "kubelet"):
        assert words in shown, words
    assert shown.count("<svg") > 5
    sound = html.render(
        green(), None, soak_summary.of([dataclasses.replace(r) for r in rounds(20)])
    )
    assert "all of 20 rounds were green" in sound
    assert "below 16.1 %" in sound
    red = html.render(recording(LOST), None, soak_summary.of(rounds(1, red=1)))
    assert "no round was green" in red
    assert "Flaky" not in red


@given(st.lists(st.floats(-1e9, 1e9), min_size=2, max_size=50))
def test_small_drawings_stay_in_their_box(values: list[float]) -> None:
    """Whatever the series."""
    points = re.findall(r"([\d.-]+) ([\d.-]+)", html.line_of(values))
    assert len(points) == len(values)
    assert all(-0.1 <= float(x) <= 100.1 and 0 <= float(y) <= 20 for x, y in points)
