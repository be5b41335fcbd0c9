#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measure the time of rendering and of the command line, and the size of the template.

Reads, plans and renders the golden cluster `ha` with 1, 100 and 1,000 workers, in this process,
after the catalog was read. The default resource limit of Heat, which the largest cluster exceeds,
is not checked. Goals: 0.2 s, a size that does not depend on the number, 0.3 s for `--help`.

Each number is the median of several runs: elapsed time, and CPU time, which is more reliable on a
busy machine.

    bench/render_size.py [--json]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from heatgen.blocks import pins  # noqa: E402
from heatgen.hot.template import to_yaml  # noqa: E402
from heatgen.plan.build import build_plan  # noqa: E402
from heatgen.project import block_loader  # noqa: E402
from heatgen.render.template import render  # noqa: E402
from heatgen.spec.reader import read_spec  # noqa: E402
from heatgen.yamlio import document  # noqa: E402

CASE = ROOT / "tests" / "golden" / "cases" / "ha"
COUNTS = (1, 100, 1000)
RUNS = 7


def main() -> int:
    """Measure all cases."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print JSON")
    as_json = parser.parse_args().json
    found: dict[str, dict[str, float]] = {}
    for count in COUNTS:
        make = maker(count)
        found[f"{count} workers"] = {**median(make), "bytes": len(make().encode())}
    found["heatgen --help"] = median(lambda: run("--help"))
    found["heatgen plan"] = median(lambda: run("plan", str(CASE / "cluster.yaml")))
    if as_json:
        print(json.dumps(found, indent=1))
        return 0
    for what, numbers in found.items():
        size = f"{numbers['bytes']:9d} bytes" if "bytes" in numbers else ""
        times = f"{numbers['clock']:6.3f} s, CPU {numbers['processor']:6.3f} s"
        print(f"{what:14s} {times} {size}".rstrip())
    return 0


def maker(count: int) -> Callable[[], str]:
    """Return a function that renders the cluster with `count` workers in the group `worker`."""
    catalog, schema = block_loader.catalog(), block_loader.schema("cluster")
    # A pod network with a subnet for each node.
    text = (CASE / "cluster.yaml").read_text("utf-8") + "network: {pods: 10.128.0.0/10}\n"
    text = text.replace("{name: worker, count: 2}", f"{{name: worker, count: {count}}}")
    text = text.replace("flavor: m1.medium", "flavor: m1.medium\n  nodes: 10.0.0.0/20")
    lock = pins.read("lock", (CASE / "cluster.lock.yaml").read_bytes())

    def make() -> str:
        spec = read_spec(document.parse("cluster.yaml", text.encode()), catalog, schema)
        return to_yaml(render(build_plan(spec, catalog, lock, "")).as_dict(), "")

    return make


def run(*arguments: str) -> None:
    """Run the command line."""
    program = Path(sys.executable).with_name("heatgen")
    subprocess.run([program, *arguments], capture_output=True, check=True)


def median(what: Callable[[], object]) -> dict[str, float]:
    """Return the median of the seconds of a function, including child processes."""
    clock, processor = [], []
    for _ in range(RUNS):
        start, used = time.perf_counter(), sum(os.times()[:4])
        what()
        clock.append(time.perf_counter() - start)
        processor.append(sum(os.times()[:4]) - used)
    return {"clock": statistics.median(clock), "processor": statistics.median(processor)}


if __name__ == "__main__":
    sys.exit(main())
