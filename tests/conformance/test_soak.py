# SPDX-License-Identifier: Apache-2.0
"""The soak: its history, what it makes of it, and when it stops; rounds on recorded facts."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from conformance.api.client import Cluster
from conformance.facts import model
from conformance.facts.components import Component, parse
from conformance.facts.serialization import from_plain
from conformance.results.records import Recording, Result
from conformance.soak import driver, history, object_counts, summary
from conformance.soak.history import THE_RUN, CheckRound, HistoryError, Pings, Red, Round
from tests.conformance import healthy
from tests.conformance.conftest import SUITE, kubeconfig
from tests.conformance.fake_api import FakeApi, serving

CONTROL, ONE, TWO = healthy.NODES
HOUR = 3600.0


def a_round(number: int, red: tuple[str, ...] = (), **known: object) -> Round:
    """The round of an hour; `red` checks failed, others passed."""
    names = {"test_a", "test_b", *red}
    checks = {name: CheckRound("failed" if name in red else "passed", 3, 1.0) for name in names}
    reds = [Red(f"test_x.py::{name}[n]", "failed", f"{name} is broken") for name in red]
    plain = Round(
        round=number,
        run=f"run{number}",
        cluster="uid",
        began=number * HOUR,
        seconds=40.0,
        exit=len(red),
        checks=checks,
        red=reds,
    )
    return replace(plain, **known)  # type: ignore[arg-type]


def many(marks: str, check: str = "test_a") -> list[Round]:
    """Rounds in which the check was green (+) or red (F)."""
    return [a_round(at, (check,) if mark == "F" else ()) for at, mark in enumerate(marks, 1)]


# ---- the history ----


def test_history_survives_a_kill(tmp_path: Path) -> None:
    """Half a line is passed over, and the next round gets a line of its own."""
    file = tmp_path / "soak.jsonl"
    history.append(file, a_round(1))
    text = file.read_text()
    file.write_text(text + text[:50])
    history.append(file, a_round(2, ("test_a",)))
    assert history.read(file) == [a_round(1), a_round(2, ("test_a",))]
    assert history.read(tmp_path / "none.jsonl") == []


def test_other_file_is_no_history(tmp_path: Path) -> None:
    """A soak does not append to what is not its own."""
    file = tmp_path / "notes.txt"
    file.write_text("my\nnotes\n")
    with pytest.raises(HistoryError, match="no history"):
        history.read(file)


def test_round_is_told_by_its_results_and_facts() -> None:
    """Worst outcome of each check, the red tests, pings, components."""
    plain = healthy.facts()
    plain["views"][ONE]["pod_pings"][TWO]["received"] = 0
    results = [
        Result(test="m.py::test_a[x]", check="test_a", layer="os", outcome="passed", seconds=1.0),
        Result(test="m.py::test_a[y]", check="test_a", layer="os", outcome="passed", seconds=3.0),
        Result(
            test="m.py::test_b[x]",
            check="test_b",
            layer="os",
            outcome="error",
            seconds=9.0,
            headline="no answer",
        ),
        Result(
            test="m.py::test_b[y]",
            check="test_b",
            layer="os",
            outcome="failed",
            seconds=9.0,
            headline="broken",
        ),
        Result(test="m.py::test_c", check="test_c", layer="os", outcome="skipped", seconds=0.0),
    ]
    made = history.round_of(
        Recording({"run": "r"}, results, {"notes": ["LEFT BEHIND: namespace x"]}),
        from_plain(model.Facts, plain),
        1,
        round=7, cluster="uid", began=1.0, seconds=2.0,
    )  # fmt: skip
    assert made.checks["test_a"] == CheckRound("passed", 2, 2.0)
    assert made.checks["test_b"].outcome == "failed"
    assert made.checks["test_c"].outcome == "skipped"
    assert made.checks[THE_RUN].outcome == "failed"
    assert [red.headline for red in made.red] == ["no answer", "broken", "LEFT BEHIND: namespace x"]
    assert made.pings is not None
    assert (made.pings.paths, made.pings.lost) == (6, [f"{ONE}->{TWO}"])
    assert {component.name for component in made.components[ONE]} > {"kubelet"}


@pytest.mark.parametrize(
    ("recording", "said"),
    [
        (None, "ended with exit status 4"),
        (Recording({}, [], {"problem": "no API"}), "no API"),
    ],
)
def test_round_that_could_not_begin_is_red(recording: Recording | None, said: str) -> None:
    """It stands in the history as such, as an error of the run itself."""
    made = history.round_of(recording, None, 4, round=1, cluster="", began=0.0, seconds=1.0)
    assert made.red == [Red(THE_RUN, "error", said)]


# ---- what rounds tell ----


def test_flake_rate_has_bounds() -> None:
    """One red of twenty: the rate, what it may really be, and in how many rounds it was judged."""
    (worst, *others) = summary.check_histories(many("+" * 19 + "F"))
    assert (worst.check, worst.red, worst.judged, worst.in_a_row) == ("test_a", 1, 20, 1)
    assert worst.low < 0.05 < worst.high < 0.25
    assert worst.marks.endswith("+F")
    assert all(each.red == 0 and each.high < 0.2 for each in others)


@pytest.mark.parametrize(
    ("marks", "regression"),
    [
        ("+" * 50, False),
        ("+" * 40 + "F", False),
        ("+" * 40 + "FF", False),
        ("+" * 40 + "FFF", True),  # in a row
        ("FFF", True),
        ("+" * 40 + "F+F+F+F+++", True),  # four of ten, and never before
        ("+" * 10 + "F" + "+" * 15 + "F" + "+" * 13 + "F+++++", False),  # its usual flakes
        ("F+" * 20, False),  # no worse than it always was
    ],
)
def test_regression_is_no_flake(marks: str, regression: bool) -> None:
    """Red in three rounds in a row, or more often than its own rate explains; else none."""
    assert bool(summary.regressions(many(marks))) is regression


def test_checks_that_skip_are_not_judged() -> None:
    """Rounds without a verdict count neither for nor against."""
    skipped = [replace(a_round(9), checks={"test_a": CheckRound("skipped", 1, 0.0)})] * 5
    found = summary.check_history([*many("+F"), *skipped], "test_a")
    assert (found.judged, found.red, found.rounds) == (2, 1, 7)


def test_slower_check_is_told() -> None:
    """A check that takes twice as long at the end drifts; one that only shakes does not."""
    slower, shaky = [], []
    for at in range(30):
        wobble = 0.05 * (at * 7 % 5)
        slower.append(replace(a_round(at), checks={"c": CheckRound("passed", 1, 1 + at / 20)}))
        shaky.append(replace(a_round(at), checks={"c": CheckRound("passed", 1, 1 + wobble)}))
    assert summary.check_history(slower, "c").drifts
    assert not summary.check_history(shaky, "c").drifts


def with_kubelet(number: int, rss: int, fds: int, pid: int = 7) -> Round:
    """A round that saw this kubelet."""
    return a_round(
        number,
        components={
            ONE: [Component(name="kubelet", pid=pid, started=900, rss=rss, fds=fds, threads=12)]
        },
    )


def test_growing_component_is_told() -> None:
    """A leak of memory or files grows; a level one does not; the same with a restart between."""
    told = summary.of([with_kubelet(at, 80_000 + 2000 * at, 40 + at % 2) for at in range(30)])
    memory, files = told.components
    assert (memory.where, memory.grows, files.grows) == (f"{ONE}: kubelet", True, False)
    assert told.restarts == []


def test_restarted_component_is_told() -> None:
    """Another process is a restart, and its memory is counted anew."""
    old = [with_kubelet(at, 90_000, 40) for at in range(5)]
    told = summary.of([*old, *(with_kubelet(at, 50_000, 40, pid=8) for at in range(5, 9))])
    assert told.restarts == [f"{ONE}: kubelet: another process 1 times"]
    assert len(told.components[0].values) == 4


def test_restarted_container_and_left_objects_are_told() -> None:
    """What was restarted before the soak is not counted; what is left each round grows."""
    told = summary.of(
        [
            a_round(at, objects={"secrets": 10 + at, "pods": 8}, restarts={"a/b/c": 5 + (at > 6)})
            for at in range(12)
        ]
    )
    assert told.restarts == ["a/b/c: its container restarted 1 times"]
    assert [each.what for each in told.objects if each.grows] == ["secrets"]


def test_pings_and_their_losses_are_told() -> None:
    """Medians over the rounds, and in how many paths something was lost."""
    told = summary.of(
        [
            a_round(at, pings=Pings(median=0.5, p95=0.9, most=2.0, paths=6, lost=["a->b"]))
            for at in range(3)
        ]
    )
    assert [each.values for each in told.pings] == [[0.5] * 3, [0.9] * 3, [1.0] * 3]


def test_rebuilt_cluster_is_another() -> None:
    """Rounds of a cluster that is gone are not mixed with those of its successor."""
    assert len(summary.same_cluster([a_round(1, cluster="old"), a_round(2), a_round(3)])) == 2


# ---- rounds ----


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


# ---- what there is in a cluster ----


def test_census_counts_and_names(tmp_path: Path) -> None:
    """Kinds are counted, restarts summed up, and what may not be listed is left out."""
    with serving(FakeApi()) as api:
        api.add_node("a", "192.0.2.10")
        api.add_namespace("kube-system", {}, datetime.now(UTC))
        api.objects["/api/v1/namespaces/kube-system"]["metadata"]["uid"] = "u-1"
        cluster = Cluster(kubeconfig(tmp_path, api.server))
        assert object_counts.identity(cluster) == "u-1"
        assert object_counts.counts(cluster)["nodes"] == 1
        assert object_counts.names(cluster)["namespaces"] == {"kube-system"}
        assert "runtime classes" not in object_counts.counts(cluster)
    before = {"namespaces": {"kube-system"}}
    after = {"namespaces": {"kube-system", "conformance-x"}, "unknown before": {"y"}}
    assert driver.new_names(before, after) == ["namespaces: conformance-x"]


# ---- components ----


def test_components_are_read() -> None:
    """A line a process; programs that nobody asked for are left out."""
    text = "kubelet 812 901 98304 64 17\nbash 5 1 1 1 1\netcd 700 850 65536 120 11\n"
    assert parse(text) == [
        Component(name="etcd", pid=700, started=850, rss=65536, fds=120, threads=11),
        Component(name="kubelet", pid=812, started=901, rss=98304, fds=64, threads=17),
    ]


def test_probe_tells_the_processes_of_this_machine() -> None:
    """The script itself, on this machine's /proc: this very process, with its open files."""
    script = SUITE / "collect" / "probe" / "components.sh"
    name = Path(f"/proc/{os.getpid()}/comm").read_text().strip()
    shell = f"components='nothing {name}'; . {script}; tell_components"
    said = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=True).stdout
    (mine,) = [line.split() for line in said.splitlines() if line.split()[1] == str(os.getpid())]
    started, rss, fds, threads = map(int, mine[2:])
    assert started > 0
    assert rss > 10_000
    assert abs(fds - len(list(Path("/proc/self/fd").iterdir()))) < 5
    assert threads >= 1
