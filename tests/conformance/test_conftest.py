# SPDX-License-Identifier: Apache-2.0
"""The suite as a tool: outcomes, options, exit statuses, unreachable clusters."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from conformance.facts import model as facts_module
from conformance.facts import serialization
from conformance.results.records import NOT_EVALUATED
from tests.conformance import healthy
from tests.conformance.conftest import SUITE, SuiteRun, kubeconfig, run_suite

Json = dict[str, Any]
Replay = Callable[..., SuiteRun]

CONTROL, ONE, TWO = healthy.NODES


# ---- outcomes ----


def test_inconclusive_test_is_an_error(replay: Replay) -> None:
    """If a fact could not be collected, the test is an error with the reason, not a failure."""
    facts = healthy.facts()
    facts["views"][ONE]["subnet_env"] = {"unasked": "exec: no route", "permanent": False}
    verdicts = replay(facts)
    assert not verdicts.failed
    assert {name.partition("[")[0] for name in verdicts.errors} == {
        "test_subnet_env_matches_the_lease",
        "test_bridge_has_the_gateway_address",
        "test_pods_have_addresses_of_the_subnet",
    }
    assert all(text == "exec: no route" for text in verdicts.errors.values())
    assert verdicts.exit_status == 1


def test_unavailable_fact_is_a_skip(replay: Replay) -> None:
    """If a node lacks a tool, the test is skipped; the summary names node and tool."""
    facts = healthy.facts()
    facts["views"][ONE]["units"] = {"unasked": f"{ONE}: no systemctl", "permanent": True}
    verdicts = replay(facts)
    assert verdicts.exit_status == 0
    assert f"{ONE}: no systemctl" in verdicts.skipped[f"test_units_are_active[{ONE}]"]
    assert f"{ONE}: no systemctl" in verdicts.printed


def test_strict_turns_skips_into_failures(replay: Replay) -> None:
    """With --strict a skip is a failure with the reason of the skip."""
    verdicts = replay(healthy.facts(), "--strict")
    assert verdicts.exit_status == 1
    assert not verdicts.skipped
    assert "recording" in {**verdicts.failed, **verdicts.errors}["test_unconstrained_pod_runs"]


def test_only_skips_is_no_success(replay: Replay) -> None:
    """If every selected test is skipped, the exit status is not 0."""
    verdicts = replay(healthy.facts(), "-k", "test_scheduling")
    assert not verdicts.passed
    assert verdicts.skipped
    assert verdicts.exit_status == pytest.ExitCode.NO_TESTS_COLLECTED
    assert NOT_EVALUATED in verdicts.printed


def test_no_selected_test_is_no_success(replay: Replay) -> None:
    """If no test is selected, the exit status is not 0."""
    verdicts = replay(healthy.facts(), "-k", "no_such_test")
    assert verdicts.exit_status == pytest.ExitCode.NO_TESTS_COLLECTED


def test_failure_message(replay: Replay, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure has place, finding, cause, next step and code, and one line in the summary."""
    monkeypatch.setenv("COLUMNS", "200")  # the summary is cut to the width of the terminal
    facts = healthy.facts()
    facts["views"][ONE]["sysctls"]["net/ipv4/ip_forward"] = "0"
    verdicts = replay(facts)
    (message,) = verdicts.failed.values()
    lines = message.splitlines()
    assert lines[0] == f"{ONE}: /proc/sys/net/ipv4/ip_forward"
    labels = " ".join(line.split()[0] for line in lines[1:])
    assert labels == "expected seen likely next code"
    assert "Traceback" not in verdicts.printed
    assert "def test_" not in verdicts.printed
    assert f"{ONE}: /proc/sys/net/ipv4/ip_forward: expected 1, seen 0" in verdicts.printed


def test_one_node_is_enough(replay: Replay) -> None:
    """On a single node the checks between nodes are skipped, the others run."""
    facts = healthy.facts()
    for part in ("nodes", "views"):
        facts[part] = {CONTROL: facts[part][CONTROL]}
    facts["expected"]["nodes"] = {CONTROL: facts["expected"]["nodes"][CONTROL]}
    view = facts["views"][CONTROL]
    for pings in ("pod_pings", "host_pings", "node_ports"):
        view[pings] = {CONTROL: view[pings][CONTROL]}
    facts["pods"] = [pod for pod in facts["pods"] if pod["node"] == CONTROL]
    view["leases"] = view["leases"][:1]
    verdicts = replay(facts)
    assert verdicts.exit_status == 0, verdicts.printed
    assert "only one node" in verdicts.skipped["test_pod_reaches_pod[none]"]


def test_cluster_without_flannel_or_etcd_is_skipped(replay: Replay) -> None:
    """With another CNI and an inaccessible etcd, their checks are skipped with the reason."""
    facts = healthy.facts() | {"expected": None}
    for view in facts["views"].values():
        view |= {"subnet_env": None, "flanneld": False, "leases": None, "etcd": None}
    verdicts = replay(facts)
    assert verdicts.exit_status == 0, verdicts.printed
    assert "no node runs flannel" in verdicts.skipped[f"test_node_has_one_lease[{ONE}]"]
    assert "no process etcd" in verdicts.skipped[f"test_no_alarm_is_raised[{CONTROL}]"]
    assert f"test_pod_reaches_pod[{ONE}->{TWO}]" in verdicts.passed


def test_workers_do_not_change_outcomes(tmp_path: Path) -> None:
    """``-n 2`` and ``-n 0`` have the same outcome for every test."""
    facts = healthy.facts()
    facts["views"][ONE]["pod_pings"][TWO]["received"] = 0
    file = tmp_path / "facts.json"
    file.write_text(json.dumps(facts))
    outcomes = []
    for workers in ("0", "2"):
        ran = suite("--replay", file, "-n", workers, "-rA", "-q")
        assert ran.returncode == 1, ran.stdout + ran.stderr
        words = ("PASSED", "FAILED", "ERROR")
        lines = [line for line in ran.stdout.splitlines() if line.startswith(words)]
        outcomes.append(sorted(line.split(" - ")[0] for line in lines))
    assert outcomes[0] == outcomes[1]
    assert len(outcomes[0]) > 90


# ---- unreachable cluster ----


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Yield a port that accepts connections and never responds."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def closed_port() -> int:
    """Return a port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_refused_connection_is_a_usage_error(tmp_path: Path) -> None:
    """A closed port is a single error with reason and next command; no test runs."""
    port = closed_port()
    verdicts = run_suite("--kubeconfig", kubeconfig(tmp_path, f"http://127.0.0.1:{port}"))
    assert verdicts.exit_status == pytest.ExitCode.USAGE_ERROR
    assert not verdicts.errors
    assert not verdicts.failed
    (line,) = [line for line in verdicts.printed.splitlines() if "ERROR" in line]
    assert "cannot be reached" in line
    assert f"127.0.0.1:{port}" in line
    assert "refused" in line
    assert "get --raw /version" in verdicts.printed
    assert "Traceback" not in verdicts.printed


def test_silent_server_times_out(tmp_path: Path, silent_port: int) -> None:
    """A server that does not respond is a usage error after a time limit."""
    file = kubeconfig(tmp_path, f"http://127.0.0.1:{silent_port}")
    ran = suite("--kubeconfig", file, "-n", "2")
    assert ran.returncode == pytest.ExitCode.USAGE_ERROR
    # The suite's own time limit; measured durations would depend on the load of the machine.
    assert "no answer within 9 s" in ran.stdout + ran.stderr


# ---- options ----


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--kubeconfig", "nowhere/config"), ("nowhere/config", "--kubeconfig")),
        (("--replay", "nowhere.json"), ("--replay nowhere.json",)),
        (("--replay", "{bad}"), ("bad.json",)),
        (("--replay", "{good}", "--expect", "{bad}"), ("bad.json",)),
        (("--replay", "{good}", "--patience", "0"), ("--patience 0",)),
        (("--replay", "{good}", "--save-facts", "nowhere/f"), ("--save-facts nowhere/f",)),
    ],
)
def test_invalid_option_is_a_usage_error(
    tmp_path: Path, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    """An unusable file or invalid value is named; the exit status is 4."""
    (tmp_path / "good.json").write_text(json.dumps(healthy.facts()))
    (tmp_path / "bad.json").write_text('{"no": "facts"}')
    files = {"good": tmp_path / "good.json", "bad": tmp_path / "bad.json"}
    verdicts = run_suite(*(argument.format(**files) for argument in arguments))
    assert verdicts.exit_status == pytest.ExitCode.USAGE_ERROR
    for word in words:
        assert word in verdicts.printed
    assert "Traceback" not in verdicts.printed


def test_kubeconfig_variable_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the option, the first existing file of KUBECONFIG is used."""
    file = kubeconfig(tmp_path, f"http://127.0.0.1:{closed_port()}")
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join(["/nowhere", str(file)]))
    verdicts = run_suite()
    assert "cannot be reached" in verdicts.printed
    assert str(file) in verdicts.printed


def test_help_needs_no_cluster() -> None:
    """``--help`` works without a cluster."""
    ran = suite("--help")
    assert ran.returncode == 0
    assert "--kubeconfig=FILE" in ran.stdout
    assert "--save-facts=FILE" in ran.stdout


def suite(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run ``python -m conformance``."""
    command = [sys.executable, "-m", "conformance", *map(str, arguments)]
    return subprocess.run(
        command, cwd=SUITE.parent, capture_output=True, text=True, timeout=120, check=False
    )


# ---- facts files ----


def test_facts_round_trip(tmp_path: Path) -> None:
    """Saved facts, including unavailable ones, are loaded unchanged."""
    plain = healthy.facts()
    plain["views"][ONE]["leases"] = {"unasked": "why", "permanent": True}
    file = tmp_path / "facts.json"
    file.write_text(json.dumps(plain))
    loaded = serialization.load(file)
    saved = json.loads(serialization.dump(loaded))
    assert contains(saved, plain)
    assert serialization.from_plain(facts_module.Facts, saved) == loaded


def contains(full: Any, part: Any) -> bool:
    """Return whether ``full`` has all of ``part``; it may have additional fields."""
    if isinstance(part, dict) and isinstance(full, dict):
        return all(key in full and contains(full[key], value) for key, value in part.items())
    return bool(full == part)


@pytest.mark.parametrize("name", ["facts.json", "facts.json.gz"])
def test_compressed_facts(tmp_path: Path, name: str) -> None:
    """Facts are compressed if the name ends in .gz, always to the same bytes."""
    facts = serialization.from_plain(facts_module.Facts, healthy.facts())
    file = tmp_path / name
    serialization.write(file, serialization.dump(facts))
    before = file.read_bytes()
    serialization.write(file, serialization.dump(serialization.load(file)))
    assert serialization.load(file) == facts
    assert file.read_bytes() == before
    assert (len(before) < 9000) == name.endswith(".gz")


def test_invalid_compressed_facts(tmp_path: Path) -> None:
    """A file with the suffix .gz that is not compressed is an error with its name."""
    file = tmp_path / "facts.json.gz"
    file.write_text("{}")
    with pytest.raises(serialization.FactsError, match=r"facts\.json\.gz"):
        serialization.load(file)
