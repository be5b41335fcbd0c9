# SPDX-License-Identifier: Apache-2.0
"""The suite, run as a user would run it, on a cluster of the lab or on facts."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from lab.faultinjection import results
from lab.faultinjection.results import Results
from lab.harness import controller
from lab.harness.cluster import Cluster

SECONDS = 300  # more than any run takes, on however broken a cluster
END_SECONDS = 60  # to tidy up when it is told to end
COMMAND = (str(controller.LAB), "shell", "python", "-m", "pytest")
ALWAYS = ("-n", "auto", "-p", "no:cacheprovider", "-q")


def on_cluster(
    cluster: Cluster, kept: Path, name: str, *options: str, seconds: float = SECONDS
) -> Results:
    """Judge a cluster; `NAME.jsonl` and `NAME.facts.json` of the folder `kept` hold its words."""
    facts = kept / f"{name}.facts.json"
    facts.unlink(missing_ok=True)  # what an earlier run kept is not this one's
    files = {
        "--kubeconfig": cluster.directory / "kubeconfig",
        "--expect": cluster.directory / "expect.json",
        "--save-facts": facts,
    }
    words = [word for option, path in files.items() for word in (option, str(path))]
    return _run([*COMMAND, *ALWAYS, *_targets(options), *words], kept / f"{name}.jsonl", seconds)


def on_facts(facts: Path, kept: Path, name: str) -> Results:
    """Judge facts, without a cluster."""
    command = [sys.executable, "-m", "pytest", "conformance/", "-p", "no:cacheprovider", "-q"]
    return _run([*command, "--replay", str(facts)], kept / f"{name}.jsonl", SECONDS)


def _targets(options: tuple[str, ...]) -> tuple[str, ...]:
    """All of the suite, unless the options name parts of it."""
    named = any(option.startswith("conformance/") for option in options)
    return options if named else ("conformance/", *options)


def started(command: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a run in a session of its own, so that all of it can be ended, also inside the lab."""
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=controller.CHECKOUT,
        start_new_session=True,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )


def _run(command: list[str], file: Path, limit: float) -> Results:
    file.unlink(missing_ok=True)
    began = time.time()
    process = started([*command, "--results", str(file)])
    try:
        printed, _ = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        printed = _end(process)
    except BaseException:
        _end(process)
        raise
    seconds = time.time() - began
    text = printed.decode(errors="replace")
    file.with_suffix(".log").write_text(text)
    return Results(
        tests=results.read(file),
        exit=process.returncode,
        printed=text,
        seconds=seconds,
        began=began,
    )


def _end(process: subprocess.Popen[bytes]) -> bytes:
    """Have it tidy up, then end it in any case."""
    os.killpg(process.pid, signal.SIGTERM)
    try:
        return process.communicate(timeout=END_SECONDS)[0]
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return process.communicate()[0]
