# SPDX-License-Identifier: Apache-2.0
"""Dependency graph of a cluster's steps: one row per layer, steps ordered from left to right.

A step that runs on several nodes is drawn once. An arrow means that the step waits for the other
one on at least one node. The SVG layout is computed here, because layers determine the rows.
"""

import html
from collections.abc import Mapping
from dataclasses import dataclass

from heatgen.hot.deployments import DISPLAY_ORDER, Task

WIDTH, HEIGHT, GAP_X, GAP_Y = 150, 44, 50, 14
"""Size of a box and space between boxes, in pixels."""
LEFT, MARGIN = 130, 16
"""Space for the names of the layers, and outer margin."""


@dataclass(frozen=True)
class StepGraph:
    """Steps and their dependencies, by title (layer/step)."""

    nodes: Mapping[str, tuple[str, ...]]
    """Nodes that each step runs on."""
    requires: Mapping[str, tuple[str, ...]]
    """Steps that each step waits for."""


def build_graph(tasks: Mapping[str, Task]) -> StepGraph:
    """Return the graph of tasks; tasks of one step on several nodes are merged."""
    nodes: dict[str, list[str]] = {}
    requires: dict[str, set[str]] = {}
    for task in tasks.values():
        nodes.setdefault(task.title, []).extend(task.nodes)
        before = {tasks[name].title for name in task.requires}
        requires.setdefault(task.title, set()).update(before - {task.title})
    direct = {title: tuple(sorted(_direct(title, requires))) for title in nodes}
    return StepGraph({title: tuple(names) for title, names in nodes.items()}, direct)


def dot(graph: StepGraph) -> str:
    """Return the graph in the DOT format of Graphviz."""
    lines = ["digraph steps {", "  rankdir=LR;", '  node [shape=box, fontname="sans-serif"];']
    for layer in DISPLAY_ORDER:
        titles = [title for title in graph.nodes if _layer(title) == layer]
        if titles:
            lines += [f'  subgraph "cluster_{layer}" {{', f'    label="{layer}";']
            lines += [
                f'    "{title}" [label="{_step(title)}\\n{_count(graph.nodes[title])}"];'
                for title in titles
            ]
            lines.append("  }")
    lines += [
        f'  "{before}" -> "{title}";'
        for title, others in graph.requires.items()
        for before in others
    ]
    return "\n".join([*lines, "}"]) + "\n"


def svg(graph: StepGraph) -> str:
    """Return the graph as SVG."""
    boxes, rows = _layout(graph)
    right = max(x for x, _ in boxes.values()) + WIDTH + 2 * MARGIN
    bottom = max(top + height for _, top, height in rows) + MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{right}" height="{bottom}" '
        f'viewBox="0 0 {right} {bottom}" font-family="sans-serif" font-size="13">',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8z" fill="#567"/></marker></defs>',
        f'<rect width="{right}" height="{bottom}" fill="#fff"/>',
    ]
    for layer, top, height in rows:
        parts.append(
            f'<rect x="{MARGIN}" y="{top}" width="{right - 2 * MARGIN}" height="{height}" rx="6" '
            f'fill="#eef2f6"/><text x="{MARGIN + 10}" y="{top + height // 2 + 5}" '
            f'font-weight="bold">{html.escape(layer)}</text>'
        )
    for title, others in graph.requires.items():
        parts += [_arrow(boxes[before], boxes[title]) for before in others]
    parts += [_box(title, graph.nodes[title], *boxes[title]) for title in graph.nodes]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _layout(
    graph: StepGraph,
) -> tuple[dict[str, tuple[int, int]], list[tuple[str, int, int]]]:
    """Return the position of each box, and name, top and height of each row from the top."""
    depth: dict[str, int] = {}
    for title in graph.nodes:
        _depth(title, graph.requires, depth)
    boxes: dict[str, tuple[int, int]] = {}
    rows = []
    top = MARGIN
    for layer in reversed(DISPLAY_ORDER):
        titles = [title for title in graph.nodes if _layer(title) == layer]
        if not titles:
            continue
        stacked: dict[int, int] = {}
        for title in titles:
            level = stacked.setdefault(depth[title], 0)
            x = MARGIN + LEFT + depth[title] * (WIDTH + GAP_X)
            boxes[title] = (x, top + GAP_Y + level * (HEIGHT + GAP_Y))
            stacked[depth[title]] += 1
        height = GAP_Y + max(stacked.values()) * (HEIGHT + GAP_Y)
        rows.append((layer, top, height))
        top += height + GAP_Y
    return boxes, rows


def _depth(title: str, requires: Mapping[str, tuple[str, ...]], known: dict[str, int]) -> int:
    """Return the length of the longest chain of steps before a step."""
    if title not in known:
        # Steps of different nodes can wait for each other in turn, so the merged graph has cycles.
        known[title] = 0
        before = [_depth(other, requires, known) for other in requires[title]]
        known[title] = 1 + max(before, default=-1)
    return known[title]


def _direct(title: str, requires: Mapping[str, set[str]]) -> set[str]:
    """Return the dependencies of a step without transitive ones."""
    others = requires[title]
    transitive = {far for other in others for far in _all_before(other, requires)}
    return others - transitive


def _all_before(title: str, requires: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    open_ends = [title]
    while open_ends:
        new = requires[open_ends.pop()] - found
        found |= new
        open_ends += new
    return found


def _box(title: str, nodes: tuple[str, ...], x: int, y: int) -> str:
    names = html.escape(", ".join(nodes))
    return (
        f'<g><title>{html.escape(title)} on {names}</title><rect x="{x}" y="{y}" width="{WIDTH}" '
        f'height="{HEIGHT}" rx="4" fill="#fff" stroke="#567"/><text x="{x + WIDTH // 2}" '
        f'y="{y + 19}" text-anchor="middle">{html.escape(_step(title))}</text><text '
        f'x="{x + WIDTH // 2}" y="{y + 35}" text-anchor="middle" font-size="11" fill="#567">'
        f"{_count(nodes)}</text></g>"
    )


def _arrow(start: tuple[int, int], end: tuple[int, int]) -> str:
    x1, y1 = start[0] + WIDTH, start[1] + HEIGHT // 2
    x2, y2 = end[0], end[1] + HEIGHT // 2
    bend = GAP_X
    return (
        f'<path d="M{x1} {y1} C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}" fill="none" '
        f'stroke="#567" marker-end="url(#tip)"/>'
    )


def _layer(title: str) -> str:
    return title.partition("/")[0]


def _step(title: str) -> str:
    return title.partition("/")[2]


def _count(nodes: tuple[str, ...]) -> str:
    return f"on {nodes[0]}" if len(nodes) == 1 else f"on {len(nodes)} nodes"
