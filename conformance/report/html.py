# SPDX-License-Identifier: Apache-2.0
"""The report: one HTML file that needs nothing else. Pure but for reading its own templates.

Names and messages come from the cluster, so every template escapes what it is given, and the page
itself forbids scripts, other files and other hosts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from conformance.report import baseline, summary
from conformance.report.baseline import Changes, in_words
from conformance.report.cluster import CONTROL, Echo, Matrix, Node, Overview
from conformance.results.records import ERROR, FAILED, Recording, Result
from conformance.soak.summary import Soak

TEMPLATES = Path(__file__).parent / "templates"
MARKS = {summary.SOUND: "✓", summary.BROKEN: "✗", summary.UNCLEAR: "?"}
DENSE = 24  # from so many nodes on, cells of the heat map are too many for words
STEPS = ((1.5, "h1"), (2.5, "h2"), (5.0, "h3"))  # by multiples of the median
WORST = 12
SLOW_SECONDS = 0.5


@dataclass(frozen=True)
class Cell:
    """A path in the heat map. `kind` is its class of colour; `sign` says the worst without it."""

    kind: str
    sign: str
    text: str


@dataclass(frozen=True)
class Row:
    """What a node sends."""

    name: str
    cells: list[Cell]


@dataclass(frozen=True, kw_only=True)
class Heat:
    """The heat map, and its numbers in short."""

    columns: list[str]
    rows: list[Row]
    paths: int
    lost: int
    median: float
    most: float

    @property
    def dense(self) -> bool:
        """Are there too many nodes for a number in each cell?"""
        return len(self.columns) > DENSE


@dataclass(frozen=True)
class WorstPath:
    """A path that is red, or slower than others."""

    source: str
    target: str
    text: str
    red: list[str]


def render(recording: Recording, changes: Changes | None = None, soak: Soak | None = None) -> str:
    """The page of a run; `soak` is what many of them tell, of which this is one."""
    found = summary.of(recording)
    cluster = baseline.overview(recording)
    if soak is not None:
        found = _of_soak(found, soak)
    told: dict[str, Any] = {
        "title": _title(cluster, soak),
        "header": {"run": "", "image": "", "nodes": []} | recording.header,
        "summary": found,
        "failures": _by_check(found.failures),
        "cluster": cluster,
        "changes": changes,
        "soak": soak,
        "mark": MARKS,
        "message_of": summary.parse_message,
        "line_of": line_of,
        "moment": in_words_of_time,
        "work": max(sum(layer.seconds for layer in found.layers), 1e-9),
        "seconds": _seconds(recording, cluster),
        "slowest": _slowest(recording.results),
        "began": in_words_of_time(str(recording.header.get("began", ""))),
        "took": _took(recording),
        "notes": [str(note) for note in recording.footer.get("notes", [])],
        "embedded": baseline.embed(recording),
        "contents": _contents(found, cluster, changes, soak),
    }
    if cluster:
        told |= _of_cluster(recording.results, cluster)
    if soak:
        told |= _of_rounds(soak)
    return str(_template().render(told))


def _template() -> Any:
    import jinja2  # only who wants a report pays for it
    from markupsafe import Markup

    places = jinja2.FileSystemLoader(TEMPLATES)
    made = jinja2.Environment(
        loader=places, autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    made.globals["style"] = Markup((TEMPLATES / "style.css").read_text())  # our own file
    return made.get_template("report.html.j2")


def _title(cluster: Overview | None, soak: Soak | None) -> str:
    name = f"cluster {cluster.name}" if cluster and cluster.name else "a cluster"
    if not soak:
        return name
    return f"{name}, {len(soak.rounds)} round{'' if len(soak.rounds) == 1 else 's'}"


def _of_soak(found: summary.Summary, soak: Soak) -> summary.Summary:
    """The verdict of all rounds instead of the last one's."""
    red, rounds = len(soak.red_rounds), len(soak.rounds)
    kind, word, why = summary.SOUND, "Sound", f"all of {rounds} rounds were green"
    if red:
        kind, word, why = summary.UNCLEAR, "Flaky", f"{red} of {rounds} rounds were not green"
    if red and red == rounds:
        kind, word, why = summary.BROKEN, "Not sound", "no round was green"
    if soak.regressions:
        kind, word, why = summary.BROKEN, "Worse than it was", soak.regressions[0]
    elif soak.left:
        kind, word, why = summary.BROKEN, "Not sound", f"left behind: {soak.left[0]}"
    elif not rounds:
        kind, word, why = summary.UNCLEAR, "Nothing judged", "no round came to its end"
    values = {name: getattr(found, name) for name in summary.Summary.__annotations__}
    return summary.Summary(**values | {"verdict": summary.RunVerdict(kind, word, why)})


def _contents(
    found: summary.Summary, cluster: Overview | None, changes: Changes | None, soak: Soak | None
) -> list[tuple[str, str]]:
    """The sections that the page has."""
    parts: list[tuple[object, str, str]] = [
        (True, "findings", f"Failures ({len(found.failures)})"),
        (found.unasked or (cluster and cluster.unasked), "unasked", "Could not be asked"),
        (found.warnings, "warnings", f"To look at ({len(found.warnings)})"),
        (changes, "changes", "Since the baseline"),
        (soak, "soak", "Soak"),
        (cluster, "topology", "The cluster"),
        (cluster and len(cluster.pods) > 1, "pings", "Pings"),
        (True, "layers", "Layers and times"),
        (True, "skips", "Skipped"),
        (True, "checks", "All checks"),
    ]
    return [(name, text) for there, name, text in parts if there]


def _by_check(failures: list[Result]) -> list[tuple[str, list[Result]]]:
    found: dict[str, list[Result]] = {}
    for result in failures:
        found.setdefault(result.check, []).append(result)
    return list(found.items())


def _slowest(results: list[Result]) -> list[Result]:
    slow = [result for result in results if result.seconds >= SLOW_SECONDS]
    return sorted(slow, key=lambda result: -result.seconds)[:10]


def _seconds(recording: Recording, cluster: Overview | None) -> dict[str, float]:
    told = recording.footer.get("seconds") or (cluster.seconds if cluster else {})
    return {str(what): float(value) for what, value in told.items()}


def _took(recording: Recording) -> str:
    """From the header to the footer."""
    try:
        began = datetime.fromisoformat(recording.header["began"])
        return in_time((datetime.fromisoformat(recording.footer["ended"]) - began).total_seconds())
    except (KeyError, TypeError, ValueError):
        return ""


def in_words_of_time(moment: str) -> str:
    """`2026-11-24 03:51 UTC`; what is no time is left as it is."""
    try:
        at = datetime.fromisoformat(moment).astimezone(UTC)
    except ValueError:
        return moment
    return at.strftime("%Y-%m-%d %H:%M UTC")


def in_time(seconds: float) -> str:
    """`41 s`, `3 min`, `8.2 h`."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


# ---- the cluster ----


def _of_cluster(results: list[Result], cluster: Overview) -> dict[str, Any]:
    red = red_paths(results)
    by_node: dict[str, list[Result]] = {}
    for result in results:
        for name in result.nodes:
            by_node.setdefault(name, []).append(result)
    counts = {node.name: summary.count(by_node.get(node.name, [])) for node in cluster.nodes}

    def mark(node: Node) -> str:
        if counts[node.name][FAILED] or not node.ready:
            return MARKS[summary.BROKEN]
        return MARKS[summary.UNCLEAR if counts[node.name][ERROR] else summary.SOUND]

    return {
        "groups": grouped(cluster.nodes),
        "parts_mark": mark,
        "counts_of": lambda name: counts[name],
        "pods": heat(cluster, cluster.pods, red),
        "hosts": heat(cluster, cluster.hosts, {}),
        "worst": worst(cluster, red),
    }


def grouped(nodes: list[Node]) -> list[tuple[str, list[Node]]]:
    """The control plane, then workers by their group."""
    found: dict[str, list[Node]] = {}
    for node in nodes:
        named = f"workers {node.group}" if node.group not in ("", "worker") else "workers"
        found.setdefault("control plane" if node.role == CONTROL else named, []).append(node)
    return list(found.items())


def red_paths(results: list[Result]) -> dict[tuple[str, str], list[Result]]:
    """By pair of nodes: the red tests of the way from the one to the other."""
    found: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        if result.outcome not in (FAILED, ERROR) or "->" not in result.test:
            continue
        source, _, target = result.test.partition("[")[2].rstrip("]").partition("->")
        found.setdefault((source, target), []).append(result)
    return found


def heat(cluster: Overview, matrix: Matrix, red: dict[tuple[str, str], list[Result]]) -> Heat:
    """The heat map of a matrix; colours are by multiples of its median."""
    names = [node.name for node in cluster.nodes]
    paths = [echo for a in names for b, echo in matrix.get(a, {}).items() if a != b]
    times = [echo.ms for echo in paths if echo.ms is not None]
    usual = median(times) if times else 0.0
    rows = [
        Row(a, [_cell(a, b, matrix.get(a, {}).get(b), usual, red.get((a, b), [])) for b in names])
        for a in names
    ]
    return Heat(
        columns=names,
        rows=rows,
        paths=len(paths),
        lost=sum(echo.loss > 0 or echo.ms is None for echo in paths),
        median=usual,
        most=max(times, default=0.0),
    )


def _cell(source: str, target: str, echo: Echo | None, usual: float, red: list[Result]) -> Cell:
    if echo is None:
        return Cell("self", "", "·") if source == target else Cell("hq", "?", "not asked")
    text = in_words(echo).removesuffix(" ms")
    if echo.loss or echo.ms is None or any(result.outcome == FAILED for result in red):
        return Cell("hx", "✗", text)
    if red:
        return Cell("hq", "?", text)
    kind = next((kind for times, kind in STEPS if echo.ms <= times * max(usual, 1e-9)), "h4")
    return Cell(kind, "", text)


def worst(cluster: Overview, red: dict[tuple[str, str], list[Result]]) -> list[WorstPath]:
    """The red paths, then the slowest of the others if they are far from usual."""
    found = []
    times = [e.ms for row in cluster.pods.values() for e in row.values() if e.ms is not None]
    usual = median(times) if times else 0.0
    for source, row in cluster.pods.items():
        for target, echo in row.items():
            bad = red.get((source, target), [])
            slow = echo.ms is not None and echo.ms > STEPS[-1][0] * usual
            if source != target and (bad or echo.loss or echo.ms is None or slow):
                checks = list(dict.fromkeys(result.check for result in bad))
                found.append((echo, WorstPath(source, target, in_words(echo), checks)))
    found.sort(key=lambda each: (-each[0].loss, -len(each[1].red), -(each[0].ms or 0)))
    return [path for _, path in found[:WORST]]


# ---- rounds ----


def _of_rounds(soak: Soak) -> dict[str, Any]:
    timed = [each for each in soak.checks if each.seconds]
    drifting = [each for each in timed if each.drifts]
    longest = sorted(timed, key=lambda each: -each.pace.last)[:8]
    seconds = [each.seconds for each in soak.rounds]
    span = soak.rounds[-1].began + seconds[-1] - soak.rounds[0].began if soak.rounds else 0.0
    return {
        "paces": [*drifting, *(each for each in longest if each not in drifting)],
        "soak_hours": in_time(span),
        "round_seconds": median(seconds) if seconds else 0.0,
    }


def line_of(values: Sequence[float]) -> str:
    """A series as a path in a box of 100 by 20, whatever its size."""
    step = 100 / max(len(values) - 1, 1)
    low, high = min(values), max(values)
    reach = max(
        high - low, abs(high) * 0.05, 1e-9
    )  # the least shake of a level line is no mountain
    middle = (low + high) / 2
    points = [
        f"{at * step:.1f} {10 - 18 * (y - middle) / reach:.1f}" for at, y in enumerate(values)
    ]
    return "M" + " L".join(points)
