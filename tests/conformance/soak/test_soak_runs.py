# SPDX-License-Identifier: Apache-2.0
"""Soaks, with rounds on recorded facts."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from conformance.soak import history
from tests.conformance import healthy
from tests.conformance.conftest import SUITE, kubeconfig, run_suite
from tests.conformance.soak.rounds import ONE, TWO, a_round


def soak_arguments(folder: Path, *arguments: str | Path) -> list[str]:
    """Return the arguments of a soak on facts with one lost path."""
    plain = healthy.facts()
    plain["views"][ONE]["pod_pings"][TWO]["received"] = 0
    (folder / "facts.json").write_text(json.dumps(plain))
    replay = ["-n", "0", "--replay", folder / "facts.json", "-k", "test_pod_reaches_pod"]
    return [*map(str, [*replay, "--soak-history", folder / "soak.jsonl", *arguments])]


def soak_command(folder: Path, *arguments: str | Path) -> list[str]:
    """Return the command of the same soak in a separate process."""
    return [sys.executable, "-m", "conformance", *soak_arguments(folder, *arguments)]


def test_soak_repeats_and_stops_on_regression(tmp_path: Path) -> None:
    """Each round is printed and added to the history; the third red one ends the soak."""
    command = soak_command(tmp_path, "--soak-rounds", "9", "--soak-stop-on-regression")
    ran = subprocess.run(
        command, cwd=SUITE.parent, capture_output=True, text=True, timeout=400, check=False
    )
    assert ran.returncode == 1, ran.stdout + ran.stderr
    rounds = history.read(tmp_path / "soak.jsonl")
    assert [each.round for each in rounds] == [1, 2, 3]
    assert "round 3/9" in ran.stdout
    assert "stopping early" in ran.stdout
    assert "test_pod_reaches_pod: red in the last 3 rounds" in ran.stdout
    assert (tmp_path / "soak.jsonl.red" / "round-3" / "output.txt").exists()


def test_soak_continues_its_history_until_sigterm(tmp_path: Path) -> None:
    """A second soak continues the history; SIGTERM ends it with status 2."""
    history.append(tmp_path / "soak.jsonl", a_round(41, cluster=""))
    process = subprocess.Popen(
        soak_command(tmp_path, "--soak", "1h"), cwd=SUITE.parent, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "round 1" in line:
            process.send_signal(signal.SIGTERM)
            break
    rest, _ = process.communicate(timeout=300)
    assert process.returncode == pytest.ExitCode.INTERRUPTED, lines + [rest]
    assert [each.round for each in history.read(tmp_path / "soak.jsonl")][:2] == [41, 42]
    assert "continuing" in lines[0]


def test_soak_ends_if_first_round_cannot_start(tmp_path: Path) -> None:
    """A soak ends with the reason if its first round cannot start."""
    config = kubeconfig(tmp_path, "http://127.0.0.1:9")
    command = [sys.executable, "-m", "conformance", "--kubeconfig", str(config), "--soak", "8h"]
    ran = subprocess.run(
        [*command, "--soak-history", str(tmp_path / "soak.jsonl")],
        cwd=SUITE.parent, capture_output=True, text=True, timeout=300, check=False,
        env=os.environ,
    )  # fmt: skip
    assert ran.returncode == pytest.ExitCode.USAGE_ERROR, ran.stdout
    assert "cannot be reached" in ran.stdout


@pytest.mark.parametrize(
    ("arguments", "words"), [(("--soak", "8"), "'8'"), (("--soak-rounds", "0"), "--soak-rounds 0")]
)
def test_invalid_soak_option_is_a_usage_error(
    tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    """An invalid option of a soak is reported before the first round."""
    ran = run_suite(*soak_arguments(tmp_path, *arguments))
    assert ran.exit_status == pytest.ExitCode.USAGE_ERROR
    assert words in ran.printed
