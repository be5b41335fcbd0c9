# SPDX-License-Identifier: Apache-2.0
"""Clusters beside the golden ones, rendered here: each way to reach the API, each size."""

from pathlib import Path
from typing import Any

from heatgen import catalog, document, library, pins, plan, render, spec

HA = Path(__file__).resolve().parents[1] / "golden" / "cases" / "ha"
_CONTROL_PLANE = "control_plane: {count: 3, flavor: m1.large}"

CASES = {
    "octavia": "control_plane: {count: 3, load_balancer: octavia}",
    "no balancer": "control_plane: {count: 3, load_balancer: none}",
    "five": "control_plane: {count: 5, image: debian-13}",
    "one with an address that moves": "control_plane: {load_balancer: vip}",
    "docker everywhere": "control_plane: {count: 3}\nruntime: {use: docker}",
    "no floating IP": "control_plane: {count: 3}",
}


def template(name: str) -> dict[str, Any]:
    """The template of a case: the golden ``ha`` with another control plane, as Heat gets it."""
    text = (HA / "cluster.yaml").read_text("utf-8")
    assert _CONTROL_PLANE in text
    text = text.replace(_CONTROL_PLANE, CASES[name])
    if name == "no floating IP":
        text = text.replace("access: {", "access: {floating_ip: false, ")
    blocks = catalog.build(library.tree(), library.schema("block"))
    parsed = document.parse("cluster.yaml", text.encode())
    wish = spec.read(parsed, blocks, library.schema("cluster"))
    pinned = pins.read("lock", (HA / "cluster.lock.yaml").read_bytes())
    return render.render(plan.build(wish, blocks, pinned, "")).as_dict()
