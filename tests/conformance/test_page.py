# SPDX-License-Identifier: Apache-2.0
"""The report and what CI systems get: all that a run told, safe to open, from one node to many."""

import dataclasses
import json
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.facts.components import Component
from conformance.facts.expected import understand
from conformance.facts.model import Facts
from conformance.facts.serialization import from_plain
from conformance.report import baseline, ci, html, junit, summary
from conformance.report import cluster as cluster_report
from conformance.report.cluster import CONTROL, WORKER, Echo, Node, Overview
from conformance.results import records
from conformance.results.records import Recording, Result, ResultsError
from conformance.soak import summary as soak_summary
from conformance.soak.history import CheckRound, Pings, Red, Round
from tests.conformance import healthy
from tests.conformance.conftest import run_suite

CONTROL_NODE, ONE, TWO = healthy.NODES
DETAIL = (
    f"{ONE} -> {TWO}: ping\n  expected  every echo\n  seen      none\n            at all\n"
    "  likely    a wall\n  next      on a: look"
)
LOST = Result(
    test=f"test_pod_network.py::test_pod_reaches_pod[{ONE}->{TWO}]",
    check="test_pod_reaches_pod",
    layer="network",
    outcome="failed",
    seconds=0.1,
    headline=f"{ONE} -> {TWO}: ping: expected every echo, seen none",
    detail=DETAIL,
    nodes=[ONE, TWO],
    detects=["vxlan-one-way"],
    asserts="A pod pings a pod.",
    start=100.0,
    setup=1.0,
)
GOOD = Result(
    test="test_nodes.py::test_fine[x]",
    check="test_fine",
    layer="os",
    outcome="passed",
    seconds=0.2,
    asserts="It is fine.",
)
MUTE = Result(
    test="test_nodes.py::test_mute[x]",
    check="test_mute",
    layer="os",
    outcome="error",
    seconds=0.2,
    headline="no answer",
    detail="no answer",
)
SKIP = Result(
    test="test_nodes.py::test_none",
    check="test_none",
    layer="os",
    outcome="skipped",
    seconds=0,
    headline="no etcd",
    detail="no etcd",
)
ENDED = {"ended": "2026-11-24T03:01:00+00:00", "exit": 1, "notes": [], "seconds": {"asking": 2.0}}
HEADER = {"format": 1, "began": "2026-11-24T03:00:00+00:00", "run": "0badcafe", "nodes": [ONE]}


def cluster(nodes: int = 3) -> Overview:
    """So many nodes, whose pods reach each other."""
    names = [f"n{at}" for at in range(nodes)]
    made = [
        Node(
            name=n,
            role=CONTROL if at < 1 else WORKER,
            address=f"192.0.2.{at}",
            runtime="containerd://2",
            kubelet="v1",
        )
        for at, n in enumerate(names)
    ]
    matrix = {a: {b: Echo(0.0, 0.4 + at / 100) for at, b in enumerate(names)} for a in names}
    return Overview(
        name="demo", server="v1.37.2", taken="now", nodes=made, pods=matrix, hosts=matrix
    )


def recording(*found: Result, of: Overview | None = None, **footer: Any) -> Recording:
    """A run that came to its end."""
    plain = dataclasses.asdict(of) if of else None
    return Recording(HEADER, list(found), ENDED | footer, plain)


def green(**footer: Any) -> Recording:
    """A run in which all is well."""
    return recording(GOOD, SKIP, of=cluster(), **{"exit": 0} | footer)


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


# ---- the verdict ----


@pytest.mark.parametrize(
    ("made", "kind", "why"),
    [
        (green(), "sound", "1 test passed"),
        (recording(GOOD, LOST), "broken", "1 test failed"),
        (recording(LOST, MUTE), "broken", "1 test could not ask"),
        (recording(GOOD, MUTE), "unclear", "could not ask"),
        (recording(SKIP, exit=5), "unclear", "no test passed"),
        (recording(GOOD, exit=2), "unclear", "before it was over"),
        (Recording(HEADER, [GOOD]), "unclear", "killed"),
        (recording(exit=4, problem="no API"), "unclear", "no API"),
        (green(exit=1, notes=["LEFT BEHIND: namespace x"]), "broken", "LEFT BEHIND"),
        (recording(GOOD, exit=3), "unclear", "status 3"),
    ],
)
def test_verdict(made: Recording, kind: str, why: str) -> None:
    """Sound is only what came to its end with all green and nothing left."""
    verdict = summary.of(made).verdict
    assert verdict.kind == kind
    assert why in verdict.why


def test_message_is_told_in_its_parts() -> None:
    """Where, expected, seen, likely, next; a message of another form is told as it is."""
    told = summary.parse_message(LOST)
    assert told.at == f"{ONE} -> {TWO}: ping"
    assert list(told.parts) == ["expected", "seen", "likely", "next"]
    assert told.parts["seen"] == "none\nat all"
    odd = dataclasses.replace(LOST, detail="Traceback\n  expected nothing\nmore")
    assert summary.parse_message(odd).rest == odd.detail


# ---- the page ----


def test_page_tells_all() -> None:
    """Failures with their next command, could-not-asks, skips, warnings, the matrix, the times."""
    slow = dataclasses.replace(
        GOOD, test="test_nodes.py::test_slow", seconds=4.0, properties={"warning": "disk is slow"}
    )
    shown = html.render(recording(GOOD, LOST, MUTE, SKIP, slow, of=cluster()))
    for words in (
        "Not sound", "on a: look", "a wall", "no answer", "no etcd", "disk is slow", "It is fine.",
        "vxlan-one-way", "192.0.2.1", "containerd://2", "v1.37.2", "0.41", "asking", "0badcafe",
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


# ---- the overview ----


def test_overview_of_facts() -> None:
    """Roles, what is expected but not there, pings, versions; and it survives being kept."""
    plain = healthy.facts(healthy.HOUSE)
    plain["views"]["demo-worker-0"]["pod_pings"]["demo-docker-0"]["received"] = 0
    gone = plain["nodes"].pop("demo-control-2")
    assert gone
    plain["views"]["demo-worker-0"]["links"] = {"unasked": "no ip", "permanent": False}
    found = cluster_report.of(from_plain(Facts, plain), understand(plain["expected"], ""))
    roles = {node.name: node.role for node in found.nodes}
    assert roles["demo-control-0"] == CONTROL
    assert roles["demo-worker-0"] == WORKER
    (missing,) = [node for node in found.nodes if not node.ready]
    assert missing.problems == ["expected, but not registered"]
    assert found.pods["demo-worker-0"]["demo-docker-0"] == Echo(1.0, None)
    assert found.unasked == {"no ip": ["demo-worker-0: links"]}
    assert found.versions["runtime"] == ["containerd://2.4.2", "docker://29.8.1"]
    assert from_plain(Overview, json.loads(json.dumps(dataclasses.asdict(found)))) == found


# ---- comparison ----


def test_what_is_otherwise_is_told() -> None:
    """Newly red, green again, still red, slower, other pings, other nodes."""
    before = recording(
        dataclasses.replace(LOST, outcome="passed"), dataclasses.replace(MUTE, test="a"),
        dataclasses.replace(GOOD, test="b", outcome="failed"), GOOD, of=cluster(),
    )  # fmt: skip
    other = cluster(4)
    other.pods["n0"]["n1"] = Echo(0.2, 0.4)
    other.pods["n1"]["n2"] = Echo(0.0, 9.0)
    other.nodes[0] = dataclasses.replace(other.nodes[0], kubelet="v2")
    now = recording(
        LOST, dataclasses.replace(MUTE, test="a"), dataclasses.replace(GOOD, test="b"),
        dataclasses.replace(GOOD, seconds=3.0), SKIP, of=other,
    )  # fmt: skip
    changes = baseline.compare(now, before)
    assert [result.test for result in changes.worse] == [LOST.test]
    assert (changes.better, changes.still) == (["b"], ["a"])
    assert [change.what for change in changes.slower] == ["test_fine"]
    assert [(each.what, each.now) for each in changes.pings] == [
        ("n0 → n1", "0.40 ms, 20 % lost"), ("n1 → n2", "9.00 ms"),
    ]  # fmt: skip
    assert [each.what for each in changes.nodes] == ["n0: kubelet", "n3"]
    assert changes.new == ["test_none"]
    assert not baseline.compare(now, now).differs


def test_report_is_a_baseline(tmp_path: Path) -> None:
    """A later run can be compared with a report as well as with results; nothing else will do."""
    file = tmp_path / "report.html"
    file.write_text(html.render(recording(GOOD, LOST, of=cluster())))
    kept = baseline.read(file)
    assert [each.outcome for each in kept.results] == ["passed", "failed"]
    assert not baseline.compare(recording(GOOD, LOST, of=cluster()), kept).differs
    file.write_text("<html></html>\n")
    with pytest.raises(ResultsError, match=r"report\.html"):
        baseline.read(file)


# ---- CI ----


def test_summary_is_only_text() -> None:
    """What the cluster said makes no link, no tag, no table in Markdown."""
    evil = dataclasses.replace(LOST, headline="[x](javascript:1) <b>|`@all\n# head")
    said = ci.markdown(recording(GOOD, evil, MUTE, of=cluster()))
    assert "\\[x\\]\\(javascript:1\\) &lt;b&gt;\\|\\`\\@all \\# head" in said
    assert said.startswith("## ✗ Conformance: Not sound")
    assert "| network | 0 | 1 | 0 | 0 | 0.1 |" in said
    assert "no answer (1 test)" in said


def test_artifacts_are_told_by_their_paths(tmp_path: Path) -> None:
    """Relative to the file that tells them, as Zuul's log folder has them."""
    told = ci.artifacts({"report": tmp_path / "a/report.html"}, tmp_path / "zuul.json")
    (one,) = told["zuul"]["artifacts"]
    assert (one["url"], one["metadata"]) == ("a/report.html", {"type": "conformance_report"})


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


# ---- all of it, from a run ----


def test_run_writes_them_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Report, results, JUnit, artifacts and GitHub's summary, of a run on recorded facts."""
    plain = healthy.facts()
    plain["views"][ONE]["pod_pings"][TWO]["received"] = 0
    (tmp_path / "facts.json").write_text(json.dumps(plain))
    (tmp_path / "before.jsonl").write_text("".join(f"{json.dumps(x)}\n" for x in (HEADER, ENDED)))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    ran = run_suite(
        "--replay", tmp_path / "facts.json", "--report", tmp_path / "report.html",
        "--results", tmp_path / "results.jsonl", "--junitxml", tmp_path / "junit.xml",
        "--artifacts", tmp_path / "zuul.json", "--baseline", tmp_path / "before.jsonl",
        "-k", "test_pod_reaches_pod or test_node_is_ready",
    )  # fmt: skip
    assert f"report in {tmp_path / 'report.html'}" in ran.printed
    shown = (tmp_path / "report.html").read_text()
    assert f"{ONE} -&gt; {TWO}: ping from pod to pod" in shown
    assert "Since the baseline" in shown
    assert records.read(tmp_path / "results.jsonl").cluster is not None
    assert "test_pod_reaches_pod" in (tmp_path / "summary.md").read_text()
    told = json.loads((tmp_path / "zuul.json").read_text())["zuul"]["artifacts"]
    assert [each["url"] for each in told] == ["report.html", "junit.xml", "results.jsonl"]
    assert "system-out" in (tmp_path / "junit.xml").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--baseline", "nowhere"), "--baseline nowhere"),
        (("--report", "nowhere/r.html"), "is no directory"),
    ],
)
def test_bad_place_is_one_clear_error(
    tmp_path: Path, arguments: tuple[str, str], said: str
) -> None:
    """Before anything runs."""
    (tmp_path / "facts.json").write_text(json.dumps(healthy.facts()))
    ran = run_suite("--replay", tmp_path / "facts.json", *arguments)
    assert ran.exit_status == pytest.ExitCode.USAGE_ERROR
    assert said in ran.printed
