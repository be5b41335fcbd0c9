#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measure the cost of the matrix of N x N paths for several numbers of nodes.

The suite collects facts with one exec per node, which returns one row of the matrix. Only the size
of the facts and the evaluation of checks grow with N x N. This program replays healthy facts of
clusters of several sizes and evaluates their paths in one process. The ratio is the time per path,
including the start of pytest, relative to the smallest cluster.

    bench/matrix_cost.py [--json]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from lab.faultinjection import recordings  # noqa: E402

CONTROL, WORKER = "demo-control-0", "demo-worker-0"
Json = dict[str, Any]

COUNTS = (3, 10, 30, 60)
CHECKS = "test_pod_reaches_pod or test_host_reaches_pod or test_node_has_route_to_peer"


def main() -> int:
    """Measure all sizes."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print JSON")
    as_json = parser.parse_args().json
    found = [cost(count) for count in COUNTS]
    for each in found:
        each["ratio"] = each["seconds"] / each["paths"] / (found[0]["seconds"] / found[0]["paths"])
    if as_json:
        print(json.dumps(found, indent=1))
        return 0
    for each in found:
        print(
            f"{each['nodes']:4.0f} nodes, as many execs: {each['paths']:6.0f} paths checked in "
            f"{each['seconds']:6.1f} s of CPU time, {each['ratio']:5.2f} per path; "
            f"facts {each['bytes'] / 1000:8.0f} kB"
        )
    return 0


def cost(count: int) -> dict[str, float]:
    """Check the paths of a healthy cluster with `count` nodes."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "facts.json"
        file.write_text(json.dumps(cluster(count)))
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


def cluster(count: int) -> Json:
    """Return facts of a healthy cluster: the recorded control plane, and copies of one worker."""
    found = recordings.sound("demo")
    (lease,) = (
        each for each in found["views"][CONTROL]["leases"]
        if each["public_ip"] == found["nodes"][CONTROL]["address"]
    )  # fmt: skip
    leases = {CONTROL: lease} | {
        f"demo-worker-{index}": {
            "backend": "vxlan",
            "mac": f"aa:00:00:00:00:{index:02x}",
            "public_ip": f"192.0.2.{index + 10}",
            "subnet": f"10.244.{index}.0/24",
            "vni": 1,
        }
        for index in range(1, count)
    }
    for part in ("nodes", "views"):
        control, worker = found[part][CONTROL], found[part][WORKER]
        found[part] = {name: dict(control if name == CONTROL else worker) for name in leases}
    for name, own in leases.items():
        found["nodes"][name] |= {"name": name, "address": own["public_ip"]}
        found["views"][name] |= paths(leases, name)
    found["views"][CONTROL]["leases"] = list(leases.values())
    found["expected"]["nodes"] = {
        name: {
            "address": own["public_ip"],
            "group": "control" if name == CONTROL else "worker",
            "role": "control" if name == CONTROL else "worker",
            "runtime": "containerd",
        }
        for name, own in leases.items()
    }
    return found


def paths(leases: dict[str, Json], source: str) -> Json:
    """Return the facts of a node about the paths to all others."""
    others = [lease for name, lease in leases.items() if name != source]
    gateways = [each["subnet"].removesuffix("/24") for each in others]
    pings = {name: {"least": 0.1, "ms": 0.2, "received": 5, "sent": 5} for name in leases}
    return {
        "forwards": [{"mac": each["mac"], "address": each["public_ip"]} for each in others],
        "host_pings": pings,
        "neighbours": [
            {"address": gateway, "mac": each["mac"], "state": "PERMANENT"}
            for each, gateway in zip(others, gateways, strict=True)
        ],
        "pod_pings": pings,
        "routes": [
            {"device": "flannel.1", "to": f"{gateway}/24", "via": gateway} for gateway in gateways
        ],
    }


if __name__ == "__main__":
    sys.exit(main())
