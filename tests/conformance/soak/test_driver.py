# SPDX-License-Identifier: Apache-2.0
"""The soak: rounds on recorded facts, when it goes on and when it stops."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from conformance.soak import driver, history
from tests.conformance import healthy
from tests.conformance.conftest import SUITE, kubeconfig
from tests.conformance.soak.rounds import ONE, TWO, a_round


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30m", 1800), ("8h", 28800), ("1h30m", 5400), ("1d", 86400)]
)
def test_durations(text: str, seconds: float) -> None:
    """As people write them."""
    assert driver.duration(text) == seconds


@pytest.mark.parametrize("text", ["", "8", "h", "8 h", "-1h", "8hours"])
def test_other_durations_are_refused(text: str) -> None:
    """With the way to write them."""
    with pytest.raises(ValueError, match="write 90s"):
        driver.duration(text)


def test_rounds_get_what_is_not_the_soaks_own() -> None:
    """Options of the whole are not passed on, with their values, however they are written."""
    given = (
        "conformance/", "-n", "auto", "--soak", "8h", "--soak-rounds=3", "--report", "r.html",
        "--junitxml=x", "--soak-stop-on-regression", "--kubeconfig", "k", "--results", "f",
        "-m", "os",
    )  # fmt: skip
    kept = ["conformance/", "-n", "auto", "--kubeconfig", "k", "-m", "os"]
    assert driver.for_rounds(given) == kept


def soaking(folder: Path, *arguments: str | Path) -> list[str]:
    """The command of a soak on facts with one lost path."""
    plain = healthy.facts()
    plain["views"][ONE]["pod_pings"][TWO]["received"] = 0
    (folder / "facts.json").write_text(json.dumps(plain))
    command = [sys.executable, "-m", "conformance", "-n", "0", "--replay", folder / "facts.json"]
    own = ["--soak-history", folder / "soak.jsonl", "-k", "test_pod_reaches_pod"]
    return [*map(str, command), *map(str, own), *map(str, arguments)]


def test_soak_repeats_and_stops_on_regression(tmp_path: Path) -> None:
    """Each round is a run, is told in a line, is in the history; the third red one ends it."""
    command = soaking(tmp_path, "--soak-rounds", "9", "--soak-stop-on-regression")
    ran = subprocess.run(
        command, cwd=SUITE.parent, capture_output=True, text=True, timeout=400, check=False
    )
    assert ran.returncode == 1, ran.stdout + ran.stderr
    kept = history.read(tmp_path / "soak.jsonl")
    assert [each.round for each in kept] == [1, 2, 3]
    assert "round 3/9" in ran.stdout
    assert "stopped early" in ran.stdout
    assert "test_pod_reaches_pod: red in the last 3 rounds" in ran.stdout
    assert (tmp_path / "soak.jsonl.red" / "round-3" / "output.txt").exists()


def test_soak_goes_on_with_its_history_and_ends_when_told(tmp_path: Path) -> None:
    """A second soak counts on; SIGTERM ends it at once, with status 2 and the rounds so far."""
    history.append(tmp_path / "soak.jsonl", a_round(41, cluster=""))
    process = subprocess.Popen(
        soaking(tmp_path, "--soak", "1h"), cwd=SUITE.parent, stdout=subprocess.PIPE, text=True
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
    assert "going on with" in lines[0]


def test_soak_whose_first_round_cannot_begin_says_why(tmp_path: Path) -> None:
    """Nobody waits eight hours for a kubeconfig that does not work."""
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
    ("arguments", "said"),
    [(("--soak", "8"), "no duration"), (("--soak-rounds", "0"), "give a number, 1 or more")],
)
def test_bad_soak_is_one_clear_error(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    """Before anything runs."""
    ran = subprocess.run(
        soaking(tmp_path, *arguments), cwd=SUITE.parent, capture_output=True, text=True,
        timeout=300, check=False,
    )  # fmt: skip
    assert ran.returncode == pytest.ExitCode.USAGE_ERROR
    assert said in ran.stdout + ran.stderr
