# SPDX-License-Identifier: Apache-2.0
"""Framed sections in the format of the probes, and their parsed view."""

from conformance.collect import parse_node
from conformance.facts.model import NodeView

WEB = "10.96.7.7:80"


def framed(name: str, text: str, status: int = 0, problem: str = "") -> str:
    """Return a section in the format of collect.sh."""
    return f"@@run begin {name}\n{text}\n@@run end {name} {status} {problem}\n"


def view(*printed: str) -> NodeView:
    """Return the parsed view of the probe's output."""
    return parse_node.node_view("node", "run", "".join(printed), "https://192.0.2.10:2379", WEB)
