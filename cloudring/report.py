# SPDX-License-Identifier: Apache-2.0
"""The report of the cloud ring: JSON, a page, and records for the support matrix. Pure."""

import html
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from heatgen.blocks.support import FAILED, INCOMPLETE, PASSED, Record

SKIPPED = "skipped"
FORMAT = 1
_SHORT = 200


@dataclass(frozen=True)
class Action:
    """Result of an action."""

    name: str
    verdict: str
    """``passed``, ``failed`` or ``skipped``."""
    seconds: float
    reason: str = ""
    """Why it failed or was skipped."""


@dataclass(frozen=True, kw_only=True)
class SuiteRun:
    """Numbers of a run of the suite."""

    when: str
    """The action before it."""
    verdict: str
    """``sound``, ``broken`` or ``unclear``."""
    passed: int
    failed: int
    inconclusive: int
    skipped: int


@dataclass(kw_only=True)
class SystemResult:
    """Result of a system; filled while it runs."""

    name: str
    block: str
    image: str
    stack: str
    actions: list[Action] = field(default_factory=list)
    suites: list[SuiteRun] = field(default_factory=list)
    create_seconds: float | None = None
    agent_cpu: dict[str, float] = field(default_factory=dict)
    """Percent of a processor, by node."""
    user_data_bytes: int | None = None
    left: list[str] = field(default_factory=list)
    """Resources that exist after the deletion."""
    kept: bool = False

    @property
    def verdict(self) -> str:
        """``passed`` if no action failed and the suite ran."""
        if any(action.verdict == FAILED for action in self.actions) or self.left:
            return FAILED
        return PASSED if self.suites else INCOMPLETE

    @property
    def reason(self) -> str:
        """Why it failed: the first failed action."""
        failed = next((item for item in self.actions if item.verdict == FAILED), None)
        if failed:
            return f"{failed.name}: {failed.reason}"
        return f"resources are left: {', '.join(self.left)}" if self.left else ""

    @property
    def proven(self) -> list[str]:
        """The names of the actions that succeeded."""
        return [action.name for action in self.actions if action.verdict == PASSED]


def as_plain(results: Iterable[SystemResult], about: Mapping[str, Any]) -> dict[str, Any]:
    """Return the report as values for JSON.

    Args:
        results: results of the systems.
        about: the run: date, version, cloud.
    """
    systems = [{**asdict(item), "verdict": item.verdict, "reason": item.reason} for item in results]
    return {"format": FORMAT, **about, "systems": systems}


def record(result: SystemResult, ring: str, date: str, version: str) -> Record | None:
    """Return the record for the support matrix; None if no server was created."""
    if result.create_seconds is None and not any(
        action.name == "create" and action.verdict == FAILED for action in result.actions
    ):
        return None
    numbers = "; ".join(
        f"suite {item.when}: {item.passed} passed, {item.failed} failed" for item in result.suites
    )
    seconds = result.create_seconds
    created = f"image {result.image}" + (f", created in {seconds:.0f} s" if seconds else "")
    note = "; ".join(filter(None, [created, result.reason or numbers]))
    return Record(
        system=result.name,
        ring=ring,
        date=date,
        heatgen=version,
        verdict=result.verdict,
        proven=tuple(result.proven),
        note=note[:_SHORT],
    )


_COLUMNS = ("system", "image", "verdict", "create, s", "suite (passed/failed/inconclusive/skipped)",
            "idle agent, % of a processor", "user data, bytes", "actions", "reason")  # fmt: skip
_PAGE = """\
<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Cloud ring</title><style>
body {{font: 15px/1.5 sans-serif; margin: 2em; max-width: 110em}}
table {{border-collapse: collapse}} th, td {{border: 1px solid #bbb; padding: .3em .6em;
vertical-align: top; text-align: left}}
.passed {{color: #060}} .failed {{color: #a00; font-weight: bold}}
.skipped, .incomplete {{color: #666}}
</style></head><body>
<h1>Cloud ring</h1>
<p>{about}</p>
<table><tr>{head}</tr>
{rows}
</table>
{rest}</body></html>
"""


def page(results: Sequence[SystemResult], about: Mapping[str, Any]) -> str:
    """Return the report as an HTML page."""
    return _PAGE.format(
        about=_text(", ".join(f"{key} {value}" for key, value in about.items())),
        head="".join(f"<th>{_text(name)}</th>" for name in _COLUMNS),
        rows="\n".join(f"<tr>{''.join(_cells(item))}</tr>" for item in results),
        rest="".join(_rest(results)),
    )


def _cells(item: SystemResult) -> Iterator[str]:
    suites = [
        f"{run.when}: {run.passed}/{run.failed}/{run.inconclusive}/{run.skipped} {run.verdict}"
        for run in item.suites
    ]
    actions = [
        f'<span class="{action.verdict}">{_text(action.name)}: {action.verdict}</span>, '
        f"{action.seconds:.0f} s"
        + (f" ({_text(action.reason)})" if action.verdict == SKIPPED else "")
        for action in item.actions
    ]
    cells = [
        _text(f"{item.name} ({item.block})"),
        _text(item.image),
        f'<span class="{item.verdict}">{item.verdict}</span>',
        "" if item.create_seconds is None else f"{item.create_seconds:.0f}",
        "<br>".join(map(_text, suites)),
        "<br>".join(_text(f"{name}: {share}") for name, share in item.agent_cpu.items()),
        "" if item.user_data_bytes is None else str(item.user_data_bytes),
        "<br>".join(actions),
        _text(item.reason),
    ]
    yield from (f"<td>{cell}</td>" for cell in cells)


def _rest(results: Iterable[SystemResult]) -> Iterator[str]:
    for item in results:
        if item.kept:
            yield f"<p>Kept: <code>heatgen delete {_text(item.stack)}</code></p>\n"
        for name in item.left:
            yield f'<p class="failed">Left by {_text(item.stack)}: {_text(name)}</p>\n'


def lines(results: Iterable[SystemResult]) -> Iterator[str]:
    """Yield a line for each system, for the terminal."""
    for item in results:
        suite = item.suites[-1] if item.suites else None
        numbers = f", suite {suite.passed} passed, {suite.failed} failed" if suite else ""
        seconds = f", created in {item.create_seconds:.0f} s" if item.create_seconds else ""
        why = f": {item.reason}" if item.reason else ""
        kept = f" (kept: heatgen delete {item.stack})" if item.kept else ""
        yield f"{item.name}: {item.verdict}{seconds}{numbers}{why}{kept}"


def _text(text: str) -> str:
    return html.escape(text)
