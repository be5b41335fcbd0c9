# SPDX-License-Identifier: Apache-2.0
"""Results are recorded as each test ends, and survive if the run is killed."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from conformance.codes import Code
from conformance.results import records
from conformance.results.recorder import is_named
from tests.conformance import healthy
from tests.conformance.conftest import SUITE, SuiteRun, kubeconfig, run_suite
from tests.conformance.fake_api import FakeApi, serving

OUTCOMES = {records.PASSED, records.FAILED, records.ERROR, records.SKIPPED}

CONTROL, ONE, TWO = healthy.NODES

Replay = Callable[..., SuiteRun]


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """Return facts with one lost path and one unavailable fact."""
    facts = healthy.facts()
    facts["views"][ONE]["pod_pings"][TWO]["received"] = 0
    facts["views"][TWO]["subnet_env"] = {"unasked": "exec: no route", "permanent": False}
    file = tmp_path / "facts.json"
    file.write_text(json.dumps(facts))
    return file


@pytest.mark.parametrize("workers", ["0", "2"])
def test_every_test_is_recorded(broken: Path, tmp_path: Path, workers: str) -> None:
    """Results have layer, nodes, faults, code and message, with and without workers."""
    file = tmp_path / "results.jsonl"
    run_suite("--replay", broken, "--results", file, "-n", workers)
    found = records.read(file)
    assert found.header["run"] == "replay"
    assert found.header["nodes"] == [CONTROL, ONE, TWO]
    assert found.footer["exit"] == 1
    assert {result.outcome for result in found.results} == OUTCOMES
    assert len({result.test for result in found.results}) == len(found.results)
    (lost,) = [result for result in found.results if result.outcome == "failed"]
    assert lost.test == f"test_pod_network.py::test_pod_reaches_pod[{ONE}->{TWO}]"
    assert (lost.check, lost.layer) == ("test_pod_reaches_pod", "network")
    assert lost.nodes == [ONE, TWO]
    assert lost.headline.startswith(f"{ONE} -> {TWO}: ")
    assert lost.headline.endswith("seen 0 of 3")
    assert lost.detail.startswith(f"{ONE} -> {TWO}: ")
    assert lost.code == Code.PATH_LOST_ONE_WAY
    assert lost.asserts == "A pod on the source node pings a pod on the target node."
    errors = [result for result in found.results if result.outcome == "error"]
    assert "exec: no route" in {result.headline for result in errors}
    skipped = [result for result in found.results if result.outcome == "skipped"]
    assert all(result.headline for result in skipped)
    assert not any(result.code for result in found.results if result.outcome != "failed")


def test_killed_run_keeps_results(broken: Path, tmp_path: Path) -> None:
    """After kill -9 the file has the completed tests and no footer."""
    plugin = (
        "import os, signal\n\n"
        "def pytest_runtest_setup(item):\n"
        "    if 'test_pod_reaches_pod' in item.name:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert run_with_plugin(plugin, broken, tmp_path).returncode == -signal.SIGKILL
    found = records.read(tmp_path / "results.jsonl")
    assert len(found.results) > 20
    assert found.footer == {}


def test_interrupted_run_keeps_results(broken: Path, tmp_path: Path) -> None:
    """After Ctrl-C the file has the completed tests, and the exit status is in the footer."""
    plugin = (
        "def pytest_runtest_setup(item):\n"
        "    if 'test_pod_reaches_pod' in item.name:\n"
        "        raise KeyboardInterrupt\n"
    )
    assert run_with_plugin(plugin, broken, tmp_path).returncode == pytest.ExitCode.INTERRUPTED
    found = records.read(tmp_path / "results.jsonl")
    assert len(found.results) > 20
    assert found.footer["exit"] == pytest.ExitCode.INTERRUPTED


def run_with_plugin(plugin: str, facts: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the suite in a separate process, which the plug-in ends."""
    (folder / "end.py").write_text(plugin)
    command = [sys.executable, "-m", "conformance", "-n", "0", "-p", "end", "--replay", facts]
    return subprocess.run(
        [*map(str, command), "--results", str(folder / "results.jsonl")],
        cwd=SUITE.parent,
        env=os.environ | {"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_run_that_cannot_start_is_recorded(tmp_path: Path) -> None:
    """If the run cannot start, the footer has the problem."""
    with serving(FakeApi()) as api:
        api.add_node("a", "192.0.2.10")
        api.add_api_service()
        api.refused = {"ConfigMap"}
        config = kubeconfig(tmp_path, api.server)
        run_suite("--kubeconfig", config, "--results", tmp_path / "results.jsonl")
    found = records.read(tmp_path / "results.jsonl")
    assert found.results == []
    assert found.footer["exit"] == pytest.ExitCode.USAGE_ERROR
    assert "ConfigMaps are forbidden" in found.footer["problem"]


def test_properties_of_a_test_are_recorded(replay: Replay, tmp_path: Path) -> None:
    """Values of ``record_property`` are in the result."""
    (tmp_path / "test_own.py").write_text(
        "def test_it(record_property):\n    record_property('warning', 'slow')\n"
    )
    file = tmp_path / "results.jsonl"
    replay(healthy.facts(), "--results", file, tmp_path / "test_own.py", "-k", "test_it")
    (result,) = records.read(file).results
    assert result.properties["warning"] == "slow"


def test_nodes_are_matched_by_complete_names() -> None:
    """``worker-10`` and ``a.worker-1.b`` are not ``worker-1``."""
    assert is_named("worker-1", "worker-1: broken")
    assert is_named("worker-1", "path worker-0->worker-1.")
    assert not is_named("worker-1", "worker-10: broken")
    assert not is_named("worker-1", "my-worker-1 is broken")
    assert not is_named("a", "a.example.org is broken")
