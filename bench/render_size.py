#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How long does rendering take, how large is the template, how long does the command line take?

Reads, plans and renders the golden cluster `ha` with 1, 100 and 1,000 workers, in this process and
with the catalog read before. Heat's usual limit of resources, which the largest exceeds, is not
asked. Goals: 0.2 s, a size that does not depend on the number, 0.3 s for the start of `--help`.

Each number is the median of several runs: seconds by the clock, and seconds of the processor, which
are the better ones on a machine that has other things to do.

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
    """Measure."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="for programs")
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
        times = f"{numbers['clock']:6.3f} s, processor {numbers['processor']:6.3f} s"
        print(f"{what:14s} {times} {size}".rstrip())
    return 0


def maker(count: int) -> Callable[[], str]:
    """What renders a cluster with so many workers in each of its groups together."""
    catalog, schema = block_loader.catalog(), block_loader.schema("cluster")
    # A pods' network with a part for each node.
    text = (CASE / "cluster.yaml").read_text("utf-8") + "network: {pods: 10.128.0.0/10}\n"
    text = text.replace("{name: worker, count: 2}", f"{{name: worker, count: {count}}}")
    text = text.replace("flavor: m1.medium", "flavor: m1.medium\n  nodes: 10.0.0.0/20")
    lock = pins.read("lock", (CASE / "cluster.lock.yaml").read_bytes())

    def make() -> str:
        wish = read_spec(document.parse("cluster.yaml", text.encode()), catalog, schema)
        return to_yaml(render(build_plan(wish, catalog, lock, "")).as_dict(), "")

    return make


def run(*arguments: str) -> None:
    """The command line, as a user starts it."""
    program = Path(sys.executable).with_name("heatgen")
    subprocess.run([program, *arguments], capture_output=True, check=True)


def median(what: Callable[[], object]) -> dict[str, float]:
    """Median of the seconds that something takes, its child processes among it."""
    clock, processor = [], []
    for _ in range(RUNS):
        start, used = time.perf_counter(), sum(os.times()[:4])
        what()
        clock.append(time.perf_counter() - start)
        processor.append(sum(os.times()[:4]) - used)
    return {"clock": statistics.median(clock), "processor": statistics.median(processor)}


if __name__ == "__main__":
    sys.exit(main())
