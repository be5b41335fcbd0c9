# SPDX-License-Identifier: Apache-2.0
"""Sections as the probes print them, framed, and the view that is read from them."""

from conformance.collect import parse_node
from conformance.facts.model import NodeView

WEB = "10.96.7.7:80"


def framed(name: str, text: str, status: int = 0, problem: str = "") -> str:
    """A section as collect.sh frames it."""
    return f"@@run begin {name}\n{text}\n@@run end {name} {status} {problem}\n"


def view(*printed: str) -> NodeView:
    """What a node told that printed this."""
    return parse_node.node_view("node", "run", "".join(printed), "https://192.0.2.10:2379", WEB)
