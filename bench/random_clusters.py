# SPDX-License-Identifier: Apache-2.0
"""Generate random ``cluster.yaml`` files, valid and invalid, and check the result of each."""

import functools
import json
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from heatgen.blocks import pins
from heatgen.blocks.catalog import Catalog
from heatgen.hot.template import to_yaml
from heatgen.layers import LAYERS
from heatgen.plan.build import build_plan
from heatgen.project import block_loader
from heatgen.render import heat_limits
from heatgen.render.summary import summarize
from heatgen.render.template import render
from heatgen.spec import validation
from heatgen.spec.reader import read_spec
from heatgen.yamlio import document, problems
from heatgen.yamlio.problems import ProblemsFound

VALID = """\
name: demo
cloud: {external_network: public, image: debian-12, flavor: m1.medium, nodes: 10.0.0.0/24}
control_plane: {count: 3, availability_zones: [a, b]}
workers:
  - {name: worker, count: 2}
  - {name: docker, count: 1, runtime: docker, labels: {a: b}, taints: ['k=v:NoSchedule']}
kvstore: {volume_size: 10}
network: {pods: 10.244.0.0/16}
access: {api: [198.51.100.0/24], ssh_key: mine}
site: {https_proxy: 'http://proxy.example:3128', no_proxy: [.example]}
overrides: {kubelet: {maxPods: 50}}
"""

_TEXTS = st.text(max_size=12) | st.sampled_from(
    ["", "x", "debian", "docker", "none", "10.0.0.0/8", "0.0.0.0/0", "10.244.0.0/31", "10.0.0.1",
     "1.37.2", "1.0", "yes", "{version}", "%index%", "a" * 300, "-", "ä", "\\u0000", "x\ny"]
)  # fmt: skip
_SCALARS = st.none() | st.booleans() | st.integers(-5, 2000) | st.floats(allow_nan=False) | _TEXTS
_USUAL = st.sampled_from(
    [None, True, False, 0, 1, 3, 5, "x", "debian", "10.9.0.0/16", "vip", "none", [], {}, ["x"],
     ["192.0.2.0/24"], {"size": 5}, {"x": "y"}, "1.37.1"]
)  # fmt: skip
VALUES = _USUAL | st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXTS, inner, max_size=4),
    max_leaves=8,
)
"""Any value, in place of a valid one."""


@functools.cache
def blocks() -> Catalog:
    """Return the blocks of the project."""
    return block_loader.catalog()


@functools.cache
def schema() -> dict[str, Any]:
    """Return the schema of ``cluster.yaml``."""
    return block_loader.schema("cluster")


@functools.cache
def key_paths() -> list[tuple[str, ...]]:
    """Return every path of one or two keys that a ``cluster.yaml`` may contain."""
    found: list[tuple[str, ...]] = []
    for key, part in schema()["properties"].items():
        found.append((key,))
        found += [(key, inner) for inner in part.get("properties", {})]
    for layer in LAYERS:
        for name in blocks().names(layer):
            found += [(layer, option) for option in blocks().blocks[layer, name].options]
    return sorted(set(found))


class AnyPins(dict[str, str]):
    """Pins that contain every key, with one value."""

    def __init__(self, value: str) -> None:
        super().__init__()
        self.value = value

    def __contains__(self, key: object) -> bool:
        """Return True."""
        return True

    def __getitem__(self, key: str) -> str:
        """Return the value."""
        return self.value


@st.composite
def changed_data(draw: st.DrawFn) -> bytes:
    """Return a valid cluster with random values of some keys, as JSON, which is YAML."""
    data = document.parse("valid", VALID.encode()).data
    for path in draw(st.lists(st.sampled_from(key_paths()), min_size=1, max_size=3)):
        value = draw(VALUES)
        inner = data.get(path[0])
        if len(path) == 1:
            data[path[0]] = value
        elif isinstance(inner, dict):
            inner[path[1]] = value
        else:
            data[path[0]] = {path[1]: value}
    return json.dumps(data, ensure_ascii=False).encode("utf-8", "surrogatepass")


@st.composite
def changed_text(draw: st.DrawFn) -> bytes:
    """Return the text of a valid cluster with pieces removed and inserted."""
    text = VALID
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        length = draw(st.integers(0, 12))
        piece = draw(st.text("ab1:-[]{}&*!|>'\"# \n\t,?%@`.~<", max_size=6) | _TEXTS)
        text = text[:start] + piece + text[start + length :]
    return text.encode("utf-8", "surrogatepass")


def check(raw: bytes) -> str:
    """Read, plan and render a file; return ``problems`` or ``template``.

    Every problem has a file and a message, and is in the printed report. A valid file can be
    rendered, and gives the same YAML a second time.
    """
    try:
        return _check(raw)
    except ProblemsFound as error:
        found = error
    assert found.problems
    assert all(problem.file and problem.message for problem in found.problems)
    report = problems.report(found.problems, found.sources)
    assert report.count(": error[") >= len(found.problems)
    return "problems"


def _check(raw: bytes) -> str:
    spec = read_spec(document.parse("cluster.yaml", raw), blocks(), schema())
    validation.notices(spec)
    pinned: Mapping[str, str] = AnyPins("0" * 64)
    texts = []
    for _ in range(2):
        planned = build_plan(spec, blocks(), pins.Pins(pinned, AnyPins("sha256:" + "0" * 64)), "")
        template = render(planned).as_dict()
        heat_limits.usage(planned, template)
        summarize(planned, template)
        texts.append(to_yaml(template, "x"))
    assert texts[0] == texts[1]
    return "template"
