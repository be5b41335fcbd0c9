# SPDX-License-Identifier: Apache-2.0
"""reStructuredText of the generated reference pages."""

from collections.abc import Iterable, Iterator, Sequence


def title(text: str) -> list[str]:
    """Return the lines of a heading of the second level."""
    return [text, "=" * len(text), ""]


def table(head: Sequence[str], rows: Iterable[Sequence[str]], widths: str = "") -> Iterator[str]:
    """Yield the lines of a list table.

    Args:
        head: the cells of the first row.
        rows: the cells of the others.
        widths: of the columns, in percent, separated by spaces; '' for automatic ones.
    """
    yield from (".. list-table::", "   :header-rows: 1")
    if widths:
        yield f"   :widths: {widths}"
    yield ""
    for row in (head, *rows):
        for number, cell in enumerate(row):
            yield f"   {' ' if number else '*'} - {cell}".rstrip()
    yield ""
