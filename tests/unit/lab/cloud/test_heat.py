# SPDX-License-Identifier: Apache-2.0
"""Selection of the Heat of the lab, and its virtual environment."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from lab.cloud import heat, paths
from lab.cloud.problem import USAGE, Problem


@pytest.fixture(autouse=True)
def no_selection(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Remove the selection of the caller, and use an empty state directory."""
    monkeypatch.delenv(heat.VARIABLE, raising=False)
    monkeypatch.setattr(heat, "RECORD", tmp_path / "heat")
    monkeypatch.setattr(heat, "LINK", tmp_path / "heat-27")


def test_the_newest_heat_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty variable selects the default, too."""
    assert heat.chosen() == "27"
    monkeypatch.setenv(heat.VARIABLE, "")
    assert heat.chosen() == "27"
    monkeypatch.setenv(heat.VARIABLE, "zed")
    assert heat.chosen() == "zed"


@pytest.mark.parametrize("value", ["26", "Zed", " 27", "27\n"])
def test_another_selection_is_an_error(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """An unknown name is refused before anything is installed."""
    monkeypatch.setenv(heat.VARIABLE, value)
    with pytest.raises(Problem) as caught:
        heat.install()
    assert caught.value.status == USAGE


def test_a_running_lab_keeps_its_heat(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another selection is refused; without one, the lab keeps its Heat."""
    monkeypatch.setenv(heat.VARIABLE, "zed")
    heat.select()
    heat.check_running()
    monkeypatch.delenv(heat.VARIABLE)
    heat.check_running()
    assert heat.running() == "zed"
    assert not heat.LINK.exists()
    monkeypatch.setenv(heat.VARIABLE, "27")
    with pytest.raises(Problem) as caught:
        heat.check_running()
    assert caught.value.status == USAGE


def test_pins() -> None:
    """All packages have exact versions, and Heat has that of the tests of templates."""
    lines = [line for line in heat.PINS.read_text().splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9A-Za-z.]*", line) for line in lines)
    project = tomllib.loads((paths.CHECKOUT / "pyproject.toml").read_text())
    [tested] = [x for x in project["dependency-groups"]["heat"] if x.startswith("openstack-heat")]
    assert tested in lines


def test_a_failed_installation_leaves_no_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """If pip fails, the error contains its message, and the next run starts again."""
    monkeypatch.setattr(paths, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(heat, "PINS", tmp_path / "pins")
    heat.PINS.write_text("./does-not-exist\n")
    with pytest.raises(Problem, match="does-not-exist"):
        heat.install()
    assert not heat.environment().exists()


FAILING = """
import ast
real, calls = ast.parse, []
def parse(*arguments, **options):
    calls.append(1)
    if len(calls) < 3:
        raise SystemError("AST constructor recursion depth mismatch (before=51, after=75)")
    return real(*arguments, **options)
ast.parse = parse
import lab.cloud.repeated_parse
assert ast.literal_eval("(1, 'a')") == (1, "a")
assert len(calls) == 3
"""


def test_start_code_repeats_parsing() -> None:
    """`ast.literal_eval` succeeds although CPython raises SystemError twice."""
    done = subprocess.run([sys.executable, "-c", FAILING], cwd=paths.CHECKOUT, check=False)
    assert done.returncode == 0
