# SPDX-License-Identifier: Apache-2.0
"""The report: a self-contained HTML file. Pure except that it reads its templates.

Names and messages come from the cluster, so the templates escape all values, and the page forbids
scripts, other files and other hosts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from conformance.report import baseline, summary
from conformance.report.baseline import Changes, text_of
from conformance.report.cluster import CONTROL, Echo, Matrix, Node, Overview
from conformance.results.records import ERROR, FAILED, Recording, Result
from conformance.soak.summary import Soak

TEMPLATES = Path(__file__).parent / "templates"
MARKS = {summary.SOUND: "✓", summary.BROKEN: "✗", summary.UNCLEAR: "?"}
DENSE = 24  # with more nodes, the cells of the heat map have no text
STEPS = ((1.5, "h1"), (2.5, "h2"), (5.0, "h3"))  # by multiples of the median
WORST = 12
SLOW_SECONDS = 0.5


@dataclass(frozen=True)
class Cell:
    """A path in the heat map."""

    kind: str
    """CSS class of its color."""
    sign: str
    """Sign of a problem, readable without color."""
    text: str


@dataclass(frozen=True)
class Row:
    """The paths from a node."""

    name: str
    cells: list[Cell]


@dataclass(frozen=True, kw_only=True)
class Heat:
    """The heat map with its summary."""

    columns: list[str]
    rows: list[Row]
    paths: int
    lost: int
    median: float
    most: float

    @property
    def dense(self) -> bool:
        """Whether there are too many nodes for a number in each cell."""
        return len(self.columns) > DENSE


@dataclass(frozen=True)
class WorstPath:
    """A path that is red or slower than others."""

    source: str
    target: str
    text: str
    red: list[str]


def render(recording: Recording, changes: Changes | None = None, soak: Soak | None = None) -> str:
    """Render the report of a run; ``soak`` is the summary of all rounds if it is one of a soak."""
    found = summary.summarize(recording)
    cluster = baseline.overview(recording)
    if soak is not None:
        found = _with_soak_verdict(found, soak)
    values: dict[str, Any] = {
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
        "time_text": time_text,
        "total_seconds": max(sum(layer.seconds for layer in found.layers), 1e-9),
        "seconds": _seconds(recording, cluster),
        "slowest": _slowest(recording.results),
        "began": time_text(str(recording.header.get("began", ""))),
        "took": _took(recording),
        "notes": [str(note) for note in recording.footer.get("notes", [])],
        "embedded": baseline.embed(recording),
        "contents": _contents(found, cluster, changes, soak),
    }
    if cluster:
        values |= _cluster_values(recording.results, cluster)
    if soak:
        values |= _soak_values(soak)
    return str(_template().render(values))


def _template() -> Any:
    import jinja2  # slow to import, and only needed for a report
    from markupsafe import Markup

    loader = jinja2.FileSystemLoader(TEMPLATES)
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.globals["style"] = Markup((TEMPLATES / "style.css").read_text())  # trusted
    return environment.get_template("report.html.j2")


def _title(cluster: Overview | None, soak: Soak | None) -> str:
    name = f"cluster {cluster.name}" if cluster and cluster.name else "a cluster"
    if not soak:
        return name
    return f"{name}, {len(soak.rounds)} round{'' if len(soak.rounds) == 1 else 's'}"


def _with_soak_verdict(found: summary.Summary, soak: Soak) -> summary.Summary:
    """Replace the result of the shown round by that of all rounds."""
    red, rounds = len(soak.red_rounds), len(soak.rounds)
    kind, title, reason = summary.SOUND, "Sound", f"all {rounds} rounds were green"
    if red:
        kind, title, reason = summary.UNCLEAR, "Flaky", f"{red} of {rounds} rounds were red"
    if red and red == rounds:
        kind, title, reason = summary.BROKEN, "Not sound", "all rounds were red"
    if soak.regressions:
        kind, title, reason = summary.BROKEN, "Regression", soak.regressions[0]
    elif soak.left:
        kind, title, reason = summary.BROKEN, "Not sound", f"left behind: {soak.left[0]}"
    elif not rounds:
        kind, title, reason = summary.UNCLEAR, "Nothing evaluated", "no round ran to its end"
    values = {name: getattr(found, name) for name in summary.Summary.__annotations__}
    return summary.Summary(**values | {"verdict": summary.RunVerdict(kind, title, reason)})


def _contents(
    found: summary.Summary, cluster: Overview | None, changes: Changes | None, soak: Soak | None
) -> list[tuple[str, str]]:
    """Return id and title of the sections of the page."""
    parts: list[tuple[object, str, str]] = [
        (True, "findings", f"Failures ({len(found.failures)})"),
        (found.inconclusive or (cluster and cluster.unasked), "inconclusive", "Inconclusive"),
        (found.warnings, "warnings", f"Warnings ({len(found.warnings)})"),
        (changes, "changes", "Since the baseline"),
        (soak, "soak", "Soak"),
        (cluster, "topology", "The cluster"),
        (cluster and len(cluster.pods) > 1, "pings", "Pings"),
        (True, "layers", "Layers and durations"),
        (True, "skips", "Skipped"),
        (True, "checks", "All checks"),
    ]
    return [(name, text) for exists, name, text in parts if exists]


def _by_check(failures: list[Result]) -> list[tuple[str, list[Result]]]:
    found: dict[str, list[Result]] = {}
    for result in failures:
        found.setdefault(result.check, []).append(result)
    return list(found.items())


def _slowest(results: list[Result]) -> list[Result]:
    slow = [result for result in results if result.seconds >= SLOW_SECONDS]
    return sorted(slow, key=lambda result: -result.seconds)[:10]


def _seconds(recording: Recording, cluster: Overview | None) -> dict[str, float]:
    seconds = recording.footer.get("seconds") or (cluster.seconds if cluster else {})
    return {str(what): float(value) for what, value in seconds.items()}


def _took(recording: Recording) -> str:
    """Return the time from header to footer, if both exist."""
    try:
        began = datetime.fromisoformat(recording.header["began"])
        ended = datetime.fromisoformat(recording.footer["ended"])
        return duration_text((ended - began).total_seconds())
    except (KeyError, TypeError, ValueError):
        return ""


def time_text(moment: str) -> str:
    """Return for example ``2026-11-24 03:51 UTC``; text that is not a time is not changed."""
    try:
        at = datetime.fromisoformat(moment).astimezone(UTC)
    except ValueError:
        return moment
    return at.strftime("%Y-%m-%d %H:%M UTC")


def duration_text(seconds: float) -> str:
    """Return for example ``41 s``, ``3 min`` or ``8.2 h``."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


# ---- the cluster ----


def _cluster_values(results: list[Result], cluster: Overview) -> dict[str, Any]:
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
        "node_mark": mark,
        "counts_of": lambda name: counts[name],
        "pods": heat(cluster, cluster.pods, red),
        "hosts": heat(cluster, cluster.hosts, {}),
        "worst": worst(cluster, red),
    }


def grouped(nodes: list[Node]) -> list[tuple[str, list[Node]]]:
    """Return the control plane, then the workers by group."""
    found: dict[str, list[Node]] = {}
    for node in nodes:
        named = f"workers {node.group}" if node.group not in ("", "worker") else "workers"
        found.setdefault("control plane" if node.role == CONTROL else named, []).append(node)
    return list(found.items())


def red_paths(results: list[Result]) -> dict[tuple[str, str], list[Result]]:
    """Return the red tests of each path, by source and target node."""
    found: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        if result.outcome not in (FAILED, ERROR) or "->" not in result.test:
            continue
        source, _, target = result.test.partition("[")[2].rstrip("]").partition("->")
        found.setdefault((source, target), []).append(result)
    return found


def heat(cluster: Overview, matrix: Matrix, red: dict[tuple[str, str], list[Result]]) -> Heat:
    """Return the heat map of a matrix, colored by multiples of its median."""
    names = [node.name for node in cluster.nodes]
    paths = [echo for a in names for b, echo in matrix.get(a, {}).items() if a != b]
    times = [echo.ms for echo in paths if echo.ms is not None]
    middle = median(times) if times else 0.0
    rows = [
        Row(a, [_cell(a, b, matrix.get(a, {}).get(b), middle, red.get((a, b), [])) for b in names])
        for a in names
    ]
    return Heat(
        columns=names,
        rows=rows,
        paths=len(paths),
        lost=sum(echo.loss > 0 or echo.ms is None for echo in paths),
        median=middle,
        most=max(times, default=0.0),
    )


def _cell(source: str, target: str, echo: Echo | None, middle: float, red: list[Result]) -> Cell:
    if echo is None:
        return Cell("self", "", "·") if source == target else Cell("hq", "?", "no data")
    text = text_of(echo).removesuffix(" ms")
    if echo.loss or echo.ms is None or any(result.outcome == FAILED for result in red):
        return Cell("hx", "✗", text)
    if red:
        return Cell("hq", "?", text)
    kind = next((kind for times, kind in STEPS if echo.ms <= times * max(middle, 1e-9)), "h4")
    return Cell(kind, "", text)


def worst(cluster: Overview, red: dict[tuple[str, str], list[Result]]) -> list[WorstPath]:
    """Return the red paths, then those of the others that are far slower than the median."""
    found = []
    times = [e.ms for row in cluster.pods.values() for e in row.values() if e.ms is not None]
    middle = median(times) if times else 0.0
    for source, row in cluster.pods.items():
        for target, echo in row.items():
            bad = red.get((source, target), [])
            slow = echo.ms is not None and echo.ms > STEPS[-1][0] * middle
            if source != target and (bad or echo.loss or echo.ms is None or slow):
                checks = list(dict.fromkeys(result.check for result in bad))
                found.append((echo, WorstPath(source, target, text_of(echo), checks)))
    found.sort(key=lambda each: (-each[0].loss, -len(each[1].red), -(each[0].ms or 0)))
    return [path for _, path in found[:WORST]]


# ---- rounds ----


def _soak_values(soak: Soak) -> dict[str, Any]:
    timed = [each for each in soak.checks if each.seconds]
    drifting = [each for each in timed if each.drifts]
    longest = sorted(timed, key=lambda each: -each.pace.last)[:8]
    seconds = [each.seconds for each in soak.rounds]
    span = soak.rounds[-1].began + seconds[-1] - soak.rounds[0].began if soak.rounds else 0.0
    return {
        "paces": [*drifting, *(each for each in longest if each not in drifting)],
        "soak_span": duration_text(span),
        "round_seconds": median(seconds) if seconds else 0.0,
    }


def line_of(values: Sequence[float]) -> str:
    """Return a series as an SVG path in a box of 100 by 20."""
    step = 100 / max(len(values) - 1, 1)
    low, high = min(values), max(values)
    # Noise of a constant series must not fill the box.
    reach = max(high - low, abs(high) * 0.05, 1e-9)
    middle = (low + high) / 2
    points = [
        f"{at * step:.1f} {10 - 18 * (y - middle) / reach:.1f}" for at, y in enumerate(values)
    ]
    return "M" + " L".join(points)
