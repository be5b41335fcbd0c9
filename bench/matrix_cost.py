#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What does the matrix of N x N paths cost as nodes grow?

A cluster is asked with one exec a node, whose row of the matrix it brings along, so N nodes cost N
execs. What grows with N x N is what comes after: facts to keep, tests to judge them. Here sound
facts of clusters of several sizes are replayed, and the suite judges the paths in them, in one
process. The ratio is to the smallest, per path, the start of pytest included: 1.0 means that a path
costs what it costs there.

    bench/matrix_cost.py [--json]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.conformance import healthy  # noqa: E402

COUNTS = (3, 10, 30, 60)
CHECKS = "test_pod_reaches_pod or test_host_reaches_pod or test_node_knows_the_way"


def main() -> int:
    """Measure."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="for programs")
    as_json = parser.parse_args().json
    found = [cost(count) for count in COUNTS]
    for each in found:
        each["ratio"] = each["seconds"] / each["paths"] / (found[0]["seconds"] / found[0]["paths"])
    if as_json:
        print(json.dumps(found, indent=1))
        return 0
    for each in found:
        print(
            f"{each['nodes']:4.0f} nodes, as many execs: {each['paths']:6.0f} paths judged in "
            f"{each['seconds']:6.1f} s of the processor, {each['ratio']:5.2f} a path; "
            f"facts {each['bytes'] / 1000:8.0f} kB"
        )
    return 0


def cost(count: int) -> dict[str, float]:
    """Judge the paths of a sound cluster of so many nodes."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "facts.json"
        file.write_text(json.dumps(healthy.facts(nodes(count))))
        words = ["conformance/", "-q", "-n", "0", "-p", "no:cacheprovider", "-k", CHECKS]
        before = os.times()
        ran = subprocess.run(
            [sys.executable, "-m", "pytest", *words, "--replay", str(file)],
            cwd=ROOT, capture_output=True, text=True, check=True, timeout=900,
        )  # fmt: skip
        after = os.times()
        passed = float(ran.stdout.rpartition(" passed")[0].split()[-1])
        seconds = sum(after[2:4]) - sum(before[2:4])
        return {
            "nodes": count, "paths": passed, "seconds": seconds, "bytes": file.stat().st_size,
        }  # fmt: skip


def nodes(count: int) -> healthy.Nodes:
    """One of the control plane, the rest workers, each with a subnet of its own."""
    return {
        f"demo-{role}-{index}": healthy.Node(
            role=role,
            address=f"192.0.2.{index + 10}",
            subnet=f"10.244.{index + 1}",
            mac=f"aa:00:00:00:00:{index + 1:02x}",
            group=role,
        )
        for index, role in enumerate(["control", *["worker"] * (count - 1)])
    }


if __name__ == "__main__":
    sys.exit(main())
