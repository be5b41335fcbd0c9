# SPDX-License-Identifier: Apache-2.0
"""Static analysis of step scripts: first lines, inputs and outputs.

By convention, upper-case names in scripts are inputs or constants of the script; all others are
lower case. So the inputs of a script can be found in its text.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from heatgen.plan.shell_comments import without_comments

HEAD = """\
#!/bin/bash
# what the step does
set -euo pipefail
# shellcheck source=hot/lib/step.sh
source "$HEATGEN_LIB/step.sh"
"""

PROVIDED = frozenset(
    {"HEATGEN_GROUP", "HEATGEN_LIB", "HEATGEN_ROLE", "HEATGEN_STEP", "HEATGEN_TIMEOUT",
     "HEATGEN_TIMEOUT_FACTOR"}
)  # fmt: skip
"""Names that the agent and the plan pass to every step."""

_SHELL = frozenset(
    {"BASH_COMMAND", "BASH_SOURCE", "EUID", "FUNCNAME", "HOME", "HOSTNAME", "IFS", "LINENO",
     "OPTARG", "OPTIND", "PATH", "PIPESTATUS", "PPID", "PWD", "RANDOM", "REPLY", "SECONDS",
     "TMPDIR", "UID"}
)  # fmt: skip
_HEAD = re.compile(
    r"#!/bin/bash\n(?:#[^\n]*\n)+set -euo pipefail\n"
    r'# shellcheck source=hot/lib/step\.sh\nsource "\$HEATGEN_LIB/step\.sh"\n'
)
_VARIABLE = re.compile(r"\$\{?[#!]?([A-Z][A-Z0-9_]*)\b")
_ASSIGNED = re.compile(
    r"(?<![$A-Za-z0-9_{])([A-Z][A-Z0-9_]*)\+?=|\bread (?:-\w+ )*([A-Z][A-Z0-9_]*)"
)
_WORD = re.compile(r"\b[A-Z][A-Z0-9_]*")
_INPUT_FILE = re.compile(r'(?:input_file "?|heat_inputs_path\.)([A-Z][A-Z0-9_]*)(\$)?')
_OUTPUT = re.compile(r'(?:(?<!-)\boutput "?|heat_outputs_path\.)([a-z][a-z0-9_]*)(\$)?')
_BY_TURN = re.compile(r"^ *by_turn\b", re.MULTILINE)
_TEMPLATE = re.compile(r"\{\{|\{%|%index%|<%|__[A-Z][A-Z0-9_]*__")


@dataclass(frozen=True, order=True)
class Occurrence:
    """A match in a script: its line and column, counted from 1, and its text."""

    line: int
    column: int
    text: str


def has_head(script: str) -> bool:
    """Return whether a script begins with the common first lines (:data:`HEAD`)."""
    return _HEAD.match(script) is not None


def has_final_message(script: str) -> bool:
    """Return whether the last line of a script prints a message."""
    return script.rstrip().rpartition("\n")[2].startswith('echo "')


def template_expressions(script: str) -> Iterator[Occurrence]:
    """Yield placeholders of templating languages, which scripts must not contain."""
    return _occurrences(_TEMPLATE, script)


def undeclared(script: str, declared: frozenset[str]) -> Iterator[Occurrence]:
    """Yield upper-case names that a script uses but neither declares nor sets."""
    code = without_comments(script)
    own = {name for match in _ASSIGNED.finditer(code) for name in match.groups() if name}
    known = declared | own | PROVIDED | _SHELL
    seen = set()
    for occurrence in _occurrences(_VARIABLE, code):
        if occurrence.text not in known and occurrence.text not in seen:
            seen.add(occurrence.text)
            yield occurrence
    for match in _INPUT_FILE.finditer(code):
        name, open_end = match.groups()
        if not open_end and name not in declared and name not in seen:
            seen.add(name)
            yield _occurrence(code, match.start(1), name)


def uses_input(script: str, name: str) -> bool:
    """Return whether a script uses an input, by its name or by a computed name."""
    code = without_comments(script)
    if name in _WORD.findall(code):
        return True
    return any(open_end and name.startswith(start) for start, open_end in _INPUT_FILE.findall(code))


def writes_output(script: str, name: str) -> bool:
    """Return whether a script writes an output; ``by_turn`` writes the output ``turn``."""
    code = without_comments(script)
    found = _OUTPUT.findall(code)
    if name == "turn" and _BY_TURN.search(code):
        return True
    return any(name.startswith(start) if open_end else name == start for start, open_end in found)


def written_outputs(script: str) -> Iterator[Occurrence]:
    """Yield the outputs that a script writes, except those with computed names."""
    code = without_comments(script)
    for match in _OUTPUT.finditer(code):
        if not match.group(2):
            yield _occurrence(code, match.start(1), match.group(1))


def _occurrences(pattern: re.Pattern[str], text: str) -> Iterator[Occurrence]:
    for match in pattern.finditer(text):
        group = pattern.groups and 1
        yield _occurrence(text, match.start(group), match.group(group))


def _occurrence(text: str, offset: int, found: str) -> Occurrence:
    start = text.rfind("\n", 0, offset) + 1
    return Occurrence(text.count("\n", 0, offset) + 1, offset - start + 1, found)
