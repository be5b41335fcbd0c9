# SPDX-License-Identifier: Apache-2.0
"""Processes of cluster components: script and parser."""

import os
import subprocess
from pathlib import Path

from conformance.facts.components import Component, parse
from tests.conformance.conftest import SUITE


def test_components_are_parsed() -> None:
    """Each line is a process; other programs are ignored."""
    text = "kubelet 812 901 98304 64 17\nbash 5 1 1 1 1\netcd 700 850 65536 120 11\n"
    assert parse(text) == [
        Component(name="etcd", pid=700, started=850, rss=65536, fds=120, threads=11),
        Component(name="kubelet", pid=812, started=901, rss=98304, fds=64, threads=17),
    ]


def test_script_prints_this_process() -> None:
    """The script, run on this host, prints memory and open files of this process."""
    script = SUITE / "collect" / "probe" / "components.sh"
    name = Path(f"/proc/{os.getpid()}/comm").read_text().strip()
    shell = f"components='nothing {name}'; . {script}; print_components"
    output = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=True).stdout
    (mine,) = [line.split() for line in output.splitlines() if line.split()[1] == str(os.getpid())]
    started, rss, fds, threads = map(int, mine[2:])
    assert started > 0
    assert rss > 10_000
    assert abs(fds - len(list(Path("/proc/self/fd").iterdir()))) < 5
    assert threads >= 1
