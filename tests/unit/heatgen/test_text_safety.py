# SPDX-License-Identifier: Apache-2.0
"""Hostile text in any key or value of a valid ``cluster.yaml``.

It is refused at its place, or it reaches the template as data: the same text, and nothing else of
the template changes.
"""

import contextlib
import copy
import json
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from heatgen.blocks import pins
from heatgen.blocks.catalog import Catalog
from heatgen.plan.build import build_plan
from heatgen.project import block_loader
from heatgen.render.template import render
from heatgen.spec.reader import read_spec
from heatgen.spec.template_safety import FUNCTIONS
from heatgen.yamlio import document
from heatgen.yamlio.problems import ProblemsFound, report

from .support import tiny

LOCK = Path(__file__).parents[2] / "golden" / "cases" / "ha" / "cluster.lock.yaml"
CLUSTER: dict[str, Any] = {
    "name": "the-name",
    "cloud": {
        "external_network": "the-external",
        "image": "the-image",
        "flavor": "the-flavor",
        "nodes": "192.0.2.0/24",
        "network": "the-network",
        "subnet": "the-subnet",
        "first_address": "192.0.2.30",
        "availability_zone": "the-zone",
        "volume_availability_zone": "the-volume-zone",
        "boot_volume": {"size": 20, "type": "the-boot-type"},
        "metadata": {"the-key": "the-meta", "other": "the-other-value"},
        "tags": ["the-tag"],
    },
    "control_plane": {
        "flavor": "the-control-flavor",
        "image": "the-control-image",
        "availability_zones": ["the-control-zone"],
    },
    "workers": [
        {
            "name": "zgroup",
            "flavor": "the-worker-flavor",
            "image": "the-worker-image",
            "availability_zone": "the-worker-zone",
            "labels": {"example.org/the-label": "the-label-value"},
            "taints": ["the-taint=the-taint-value:NoSchedule"],
        }
    ],
    "runtime": {"version": "2.4.2"},
    "kvstore": {"volume_size": 10, "volume_type": "the-volume-type"},
    "network": {"pods": "10.240.0.0/14"},
    "orchestration": {"services": "10.96.0.0/16", "version": "1.37.2"},
    "access": {
        "api": ["198.51.100.0/24"],
        "ssh": ["203.0.113.0/24"],
        "ssh_key": "the-key-pair",
    },
    "artifacts": {"mirror": "http://the-mirror:8080/a", "registry": "the-registry:5000"},
    "site": {
        "http_proxy": "http://the-proxy:3128",
        "https_proxy": "http://the-https-proxy:3128",
        "no_proxy": [".the-domain"],
        "ntp_servers": ["the-ntp"],
    },
    "overrides": {
        "kubelet": {
            "systemReserved": {"the-option": "the-override"},
            "allowedUnsafeSysctls": ["the-item"],
        },
        "containerd": {"the-table": {"x": "the-toml"}},
    },
}
PIECES = [
    *(chr(code) for code in [*range(0x20), 0x7F, 0x85, 0x9B, 0x2028, 0x2029, 0x202E]),
    *"$`\"'\\;&|<>(){}[]*?!#~=%^,:@/ ",
    "$(id)", "`id`", "${HOME}", "\nid\n", "'; id; '", "\nLD_PRELOAD=x", "\n- get_param: x",
    "%index%", "{get_param: image}", "{{x}}", "_END_OF_FILE_", "EOF", "-----BEGIN PRIVATE KEY-----",
    "http://u:w@h", "user:pw@", "../..", "é", "日本", "\u00a0", *sorted(FUNCTIONS), "Fn::Join",
]  # fmt: skip
"""Metacharacters of shells, HOT, YAML, TOML and environment files, and control characters."""


@cache
def catalog() -> Catalog:
    """Return the installed blocks."""
    return block_loader.catalog()


def rendered(data: Any) -> dict[str, Any]:
    """Return the template of a cluster."""
    text = json.dumps(data, ensure_ascii=True)
    parsed = document.parse("cluster.yaml", text.encode())
    spec = read_spec(parsed, catalog(), block_loader.schema("cluster"))
    lock = pins.read("cluster.lock.yaml", LOCK.read_bytes())
    return render(build_plan(spec, catalog(), lock, tiny.REQUEST)).as_dict()


@cache
def baseline() -> dict[str, Any]:
    """Return the template of the unchanged cluster."""
    return rendered(CLUSTER)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], bool]]:
    """Yield the path of every string, and of every key that a user chooses (True)."""
    if isinstance(value, str):
        yield path, False
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from places(item, (*path, number))
    elif isinstance(value, dict):
        for key, item in value.items():
            if "the-" in key:
                yield (*path, key), True
            yield from places(item, (*path, key))


PLACES = list(places(CLUSTER))


def changed(path: tuple[Any, ...], key: bool, text: str) -> dict[str, Any]:
    """Return the cluster with another text at a path."""
    data = copy.deepcopy(CLUSTER)
    parent = data
    for part in path[:-1]:
        parent = parent[part]
    if key:
        parent[text] = parent.pop(path[-1])
    else:
        parent[path[-1]] = text
    return data


def old_text(path: tuple[Any, ...], key: bool) -> str:
    """Return the text at a path."""
    if key:
        return str(path[-1])
    value: Any = CLUSTER
    for part in path:
        value = value[part]
    return str(value)


def same(new: Any, old: Any, texts: dict[str, str]) -> bool:
    """Return whether two templates differ in nothing but the text.

    Args:
        new: a part of the new template.
        old: the same part of the old one.
        texts: the forms of the old text to those of the new one.
    """
    if isinstance(new, dict) and isinstance(old, dict):
        keys = {_replaced(key, texts): value for key, value in old.items()}
        return new.keys() == keys.keys() and all(same(new[key], keys[key], texts) for key in new)
    if isinstance(new, list) and isinstance(old, list):
        return len(new) == len(old) and all(
            same(*pair, texts) for pair in zip(new, old, strict=True)
        )
    if isinstance(new, str) and isinstance(old, str) and new != old:
        if new == _replaced(old, texts):
            return True
        data, before = parsed(new), parsed(old)
        return data is not None and before is not None and same(data, before, texts)
    return bool(new == old)


def parsed(text: str) -> Any:
    """Return the data of a configuration in JSON or TOML; None if it is neither."""
    for parse in (json.loads, tomllib.loads):
        with contextlib.suppress(ValueError):
            return parse(text)
    return None


def _replaced(text: str, texts: dict[str, str]) -> str:
    for before, after in texts.items():
        text = text.replace(before, after)
    return text


def _check_report(found: ProblemsFound) -> None:
    assert all(problem.position for problem in found.problems), found.problems
    shown = report(found.problems, found.sources)
    assert not set(shown) & {chr(code) for code in [*range(10), *range(11, 32), 0x7F, 0x9B]}
    assert "u:w@h" not in shown


def check(path: tuple[Any, ...], key: bool, text: str) -> None:
    """Check that a text at a path is refused at a place, or is data in the template."""
    old = old_text(path, key)
    if text in ("", old):
        return
    try:
        template = rendered(changed(path, key, text))
    except ProblemsFound as found:
        _check_report(found)
        return
    assert json.dumps(template).count("%index%") == json.dumps(baseline()).count("%index%")
    # URLs lose their final slashes; taints without a value get an empty one.
    forms = [{old: text}, {old: text.rstrip("/")}]
    assert any(same(template, baseline(), texts) for texts in forms), (path, text)


def test_every_text_is_in_the_template() -> None:
    """The cluster is valid, and its texts reach the template."""
    shown = json.dumps(baseline())
    # Each group has its own flavor and zones.
    unused = {("cloud", "flavor"), ("cloud", "availability_zone")}
    for path, key in PLACES:
        text = old_text(path, key)
        assert text in shown or path in unused or "the-" not in text, path


@pytest.mark.parametrize(("path", "key"), PLACES)
def test_line_feeds_and_secrets(path: tuple[Any, ...], key: bool) -> None:
    """Nothing takes a line feed at its end, ``%index%`` or a private key, except overrides."""
    old = old_text(path, key)
    hostile = [f"{old}%index%", f"{old}\x1b", "-----BEGIN PRIVATE KEY-----", "http://u:w@h"]
    if path[0] != "overrides" or key:
        hostile.append(f"{old}\n")
    for text in hostile:
        with pytest.raises(ProblemsFound) as found:
            rendered(changed(path, key, text))
        assert found.value.problems[0].position


# The same examples in every run, so that this test is not flaky.
@settings(
    max_examples=100, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
@given(
    place=st.sampled_from(PLACES),
    before=st.sampled_from(["", "OLD", "OL"]),
    pieces=st.lists(st.sampled_from(PIECES), min_size=1, max_size=2),
    after=st.sampled_from(["", "OLD", "x"]),
)
@example((("cloud", "metadata", "the-key"), True), "", ["get_param"], "")
@example((("site", "http_proxy"), False), "OLD", ["\nid"], "")
@example((("overrides", "kubelet", "systemReserved", "the-option"), False), "", ['"}\n{"'], "OLD")
def test_hostile_text(
    place: tuple[tuple[Any, ...], bool], before: str, pieces: list[str], after: str
) -> None:
    """Metacharacters and control characters are refused, or arrive as the same text."""
    path, key = place
    old = old_text(path, key)
    words = {"OLD": old, "OL": old[:-1]}
    check(path, key, words.get(before, before) + "".join(pieces) + words.get(after, after))


@pytest.mark.parametrize("function", [*sorted(FUNCTIONS), "Fn::GetAZs"])
def test_functions_of_heat(function: str) -> None:
    """Metadata that Heat would evaluate is refused; with a second key it is data."""
    data = copy.deepcopy(CLUSTER)
    data["cloud"]["metadata"] = {function: "x"}
    with pytest.raises(ProblemsFound) as found:
        rendered(data)
    assert [problem.code for problem in found.value.problems] == ["heat-syntax"]
    data["cloud"]["metadata"]["other"] = "x"
    assert f'"{function}": "x"' in json.dumps(rendered(data))
