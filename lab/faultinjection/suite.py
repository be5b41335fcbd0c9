# SPDX-License-Identifier: Apache-2.0
"""Run the suite as a user would, on a cluster of the lab or on recorded facts."""

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

SECONDS = 300  # longer than any run, whatever the fault
SLOW_SECONDS = 1500  # the same for a cluster with a virtual machine
END_SECONDS = 60  # for cleanup after SIGTERM
COMMAND = (str(controller.LAB), "shell", "python", "-m", "pytest")
ALWAYS = ("-n", "auto", "-p", "no:cacheprovider", "-q")


def on_cluster(
    cluster: Cluster, folder: Path, name: str, *options: str, seconds: float = 0.0
) -> Results:
    """Run the suite on a cluster; write `NAME.jsonl` and `NAME.facts.json` to the folder.

    seconds: time limit; by default longer than any run.
    """
    limit = seconds or (SLOW_SECONDS if cluster.machines else SECONDS)
    options = (*cluster.suite_options, *options)
    facts = folder / f"{name}.facts.json"
    facts.unlink(missing_ok=True)  # of an earlier run
    files = {
        "--kubeconfig": cluster.directory / "kubeconfig",
        "--expect": cluster.directory / "expect.json",
        "--save-facts": facts,
    }
    paths = [argument for option, path in files.items() for argument in (option, str(path))]
    return _run([*COMMAND, *ALWAYS, *_targets(options), *paths], folder / f"{name}.jsonl", limit)


def on_facts(facts: Path, folder: Path, name: str) -> Results:
    """Run the suite on recorded facts, without a cluster."""
    command = [sys.executable, "-m", "pytest", "conformance/", "-p", "no:cacheprovider", "-q"]
    return _run([*command, "--replay", str(facts)], folder / f"{name}.jsonl", SECONDS)


def _targets(options: tuple[str, ...]) -> tuple[str, ...]:
    """Add the whole suite to the options, unless they name parts of it."""
    has_target = any(option.startswith("conformance/") for option in options)
    return options if has_target else ("conformance/", *options)


def start(command: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a run in its own session, so that all its processes, also in the lab, can be killed."""
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
    process = start([*command, "--results", str(file)])
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
    """Terminate the run, and kill it if its cleanup exceeds the limit."""
    os.killpg(process.pid, signal.SIGTERM)
    try:
        return process.communicate(timeout=END_SECONDS)[0]
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return process.communicate()[0]
