# SPDX-License-Identifier: Apache-2.0
"""Comments of shell scripts, which a template does not need: its size is limited."""

import re

_HEREDOC = re.compile(r"<<(-?)[ \t]*(['\"]?)([A-Za-z_]\w*)\2")
_BEFORE_COMMENT = frozenset(" \t;(")


def without_comments(script: str) -> str:
    """Return a bash script with an empty line in place of each line that is a comment.

    So the line numbers in the reason of a failure remain those of the file. The first line, and
    lines in here-documents and in quotes that span lines, stay as they are.
    """
    kept: list[str] = []
    quote = ""
    heredocs: list[tuple[str, str]] = []
    for line in script.split("\n"):
        is_comment = line.lstrip().startswith("#")
        if heredocs:
            tabs, word = heredocs[0]
            if (line.lstrip("\t") if tabs else line) == word:
                del heredocs[0]
        elif is_comment and kept and not quote and not kept[-1].endswith("\\"):
            line = ""
        elif not is_comment or quote:
            quote = _scan(line, quote, heredocs)
        kept.append(line)
    return "\n".join(kept)


def _scan(line: str, quote: str, heredocs: list[tuple[str, str]]) -> str:
    """Return the quote that is open after a line; add the here-documents that begin in it."""
    position = 0
    while position < len(line):
        char = line[position]
        if quote:
            if char == quote:
                quote = ""
            elif char == "\\" and quote == '"':
                position += 1
        elif char in "'\"":
            quote = char
        elif char == "\\":
            position += 1
        elif char == "#" and (not position or line[position - 1] in _BEFORE_COMMENT):
            break
        elif line.startswith("<<<", position):
            position += 2
        elif found := _HEREDOC.match(line, position):
            heredocs.append((found[1], found[3]))
            position = found.end() - 1
        position += 1
    return quote
