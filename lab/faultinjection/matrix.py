# SPDX-License-Identifier: Apache-2.0
"""Fault by check, as a page of the documents and as one HTML file of a report folder. Pure."""

import html
from collections.abc import Iterable

from conformance.faults import FAULTS
from conformance.layers import LAYERS
from lab.faultinjection.catalog import KINDS, Check, Fault
from lab.faultinjection.recordings import Trial

SIGNS = {"declared": "#", "companion": "o", "stranger": "!", "before": "x", "once": "~"}
MISSED = "?"
GREEN = "·"
MEANINGS = {
    "#": "the check declares the fault, and was red",
    "o": "a companion: honestly red, too, for the reason that the fault's section gives",
    "?": "the check declares the fault, and was not seen red",
    "!": "red, and nobody expected it",
    "x": "red without the fault, too: the cluster was not sound",
    "~": "red once, and green when it was asked again with the fault still in",
    "·": "green",
}

HEAD = """\
.. SPDX-License-Identifier: Apache-2.0
.. Written by `lab/lab fault --publish`; a test holds that it is what the code says.

=================
Faults and checks
=================

What each fault is, how it is injected, and which checks detected it;
:doc:`/explanation/fault-injection` describes the procedure. Kinds:

{kinds}

The seconds are those until the whole suite had ended with the fault in the cluster.
"""


Faults = dict[str, Fault]
Checks = dict[str, Check]
Trials = dict[str, Trial]


def page(faults: Faults, checks: Checks, trials: Trials) -> str:
    """The documents' page."""
    kinds = "\n".join(f"{kind}\n   {meaning}" for kind, meaning in KINDS.items())
    parts = [
        HEAD.format(kinds=kinds),
        _heading("All faults", "="),
        _table(faults, trials),
        _heading("Fault by check", "="),
        _legend(),
        _grid(faults, checks, trials),
        _heading("Each fault", "="),
        *(_section(fault, checks, trials.get(name)) for name, fault in faults.items()),
    ]
    return "\n".join(parts)


def sign(name: str, check: Check, trial: Trial | None) -> str:
    """What stands where a fault and a check meet; '' if the fault was not tried."""
    declares = name in check.detects
    role = trial.red.get(check.name) if trial else None
    if role:
        return SIGNS[role]
    if declares:
        return MISSED
    return GREEN if trial else ""


def _heading(text: str, line: str) -> str:
    return f"{text}\n{line * len(text)}\n"


def _table(faults: Faults, trials: Trials) -> str:
    rows = [("No", "Fault", "What is wrong", "Kind", "Cluster", "Verdict")]
    for name, fault in faults.items():
        trial = trials.get(name)
        told = f"{_exactness(trial)}, {trial.seconds.get('verdict', 0):.0f} s" if trial else "-"
        where = trial.cluster if trial else "-"
        rows.append((_number(name), f"`{name}`_", FAULTS[name], fault.kind, where, told))
    lines = [".. list-table::", "   :header-rows: 1", "   :widths: 4 22 44 9 9 12", ""]
    for row in rows:
        lines += [f"   {'* -' if index == 0 else '  -'} {word}" for index, word in enumerate(row)]
    return "\n".join([*lines, ""])


def _exactness(trial: Trial) -> str:
    if not trial.exact:
        return "not exact"
    return "exact" if trial.green else "exact, not healed"


def _legend() -> str:
    lines = [f"``{mark}``\n   {meaning}" for mark, meaning in MEANINGS.items()]
    return "\n".join(["Columns are the faults by their numbers.", "", *lines, ""])


def _grid(faults: Faults, checks: Checks, trials: Trials) -> str:
    """One character a cell, so that it can be read in whatever shows text."""
    width = max((len(name) for name in checks), default=0)
    numbers = [_number(name).rjust(2) for name in faults]
    lines = [f"{'':{width}}  {_spaced(number[digit] for number in numbers)}" for digit in (0, 1)]
    for layer in LAYERS:
        lines += ["", layer]
        for check in checks.values():
            if check.layer == layer:
                cells = (sign(name, check, trials.get(name)) or " " for name in faults)
                lines.append(f"{check.name:{width}}  {_spaced(cells)}".rstrip())
    return "\n".join(["::", "", *(f"   {line}".rstrip() for line in lines), ""])


def _spaced(cells: Iterable[str]) -> str:
    """The cells, a blank after every fifth."""
    every = list(cells)
    return " ".join("".join(every[at : at + 5]) for at in range(0, len(every), 5))


def _section(fault: Fault, checks: Checks, trial: Trial | None) -> str:
    lines = [_heading(fault.name, "-"), fault.how, ""]
    seen = [check.name for check in checks.values() if fault.name in check.detects]
    lines.append(f"Seen by {', '.join(f'``{name}``' for name in seen) or 'no check'}.")
    if trial and trial.victims:
        lines.append(f"Victim: {', '.join(trial.victims)}.")
    if fault.refused:
        words = " and ".join(f"``{word}``" for word in fault.refused)
        lines.append(f"The suite cannot begin, and says {words}.")
    lines.append("")
    if fault.unasked:
        lines += [f"*Could not be asked on the victim:* {fault.unasked}", ""]
    if fault.companions:
        lines += ["Honestly red, too:", ""]
        lines += [f"* ``{name}``: {why}" for name, why in fault.companions.items()]
        lines.append("")
    return "\n".join(lines)


def _number(name: str) -> str:
    return str(list(FAULTS).index(name) + 1)


STYLE = """\
:root { color-scheme: light dark; --line: light-dark(#ddd, #333) }
body { font: 14px/1.4 system-ui, sans-serif; margin: 1.5rem }
table { border-collapse: collapse }
th, td { border: 1px solid var(--line); padding: 0 .3rem; text-align: center; font-weight: normal }
thead th { writing-mode: vertical-rl; transform: rotate(180deg); text-align: left; padding: .3rem 0;
  position: sticky; top: 0; background: Canvas }
tbody th { text-align: left; font-family: ui-monospace, monospace; position: sticky; left: 0;
  background: Canvas }
tr.layer th { font-weight: bold; font-family: inherit }
.declared { background: light-dark(#2e7d32, #388e3c); color: #fff }
.companion { background: light-dark(#ffe082, #8d6e00) }
.stranger, .missed { background: #c62828; color: #fff }
.bad { color: light-dark(#b71c1c, #ef9a9a) }
"""
CLASSES = {"#": "declared", "o": "companion", "!": "stranger", "?": "missed"}


def html_page(faults: Faults, checks: Checks, trials: Trials) -> str:
    """One self-contained file."""
    tried = [name for name in faults if name in trials]
    heads = "".join(
        f'<th class="{"" if trials[name].exact and trials[name].green else "bad"}"'
        f' title="{html.escape(FAULTS[name])}">{name}</th>'
        for name in tried
    )
    rows = []
    for layer in LAYERS:
        rows.append(f'<tr class="layer"><th>{layer}</th><td colspan="{len(tried)}"></td></tr>')
        for check in (each for each in checks.values() if each.layer == layer):
            cells = "".join(_cell(name, check, trials[name]) for name in tried)
            rows.append(f"<tr><th>{check.name}</th>{cells}</tr>")
    seconds = "".join(f"<td>{trials[name].seconds.get('verdict', 0):.0f}</td>" for name in tried)
    legend = "".join(f"<li><b>{mark}</b> {meaning}" for mark, meaning in MEANINGS.items())
    exact = sum(trials[name].exact and trials[name].green for name in tried)
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Faults and checks</title>'
        f"<style>{STYLE}</style><h1>Faults and checks</h1>"
        f"<p>{exact} of {len(tried)} faults judged exactly, and green again after healing.</p>"
        f"<ul>{legend}</ul><table><thead><tr><th></th>{heads}</tr></thead><tbody>"
        f"<tr><th>seconds to verdict</th>{seconds}</tr>{''.join(rows)}</tbody></table></html>\n"
    )


def _cell(name: str, check: Check, trial: Trial) -> str:
    mark = sign(name, check, trial)
    return f'<td class="{CLASSES.get(mark, "")}" title="{name}: {check.name}">{mark}</td>'
