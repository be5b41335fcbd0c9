# SPDX-License-Identifier: Apache-2.0
"""``python -m cloudring``: run the cloud ring, and write its report."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

from cloudring import cloud as openstack
from cloudring import cluster_file, report
from cloudring.commands import ActionFailed, Commands
from cloudring.options import Options, UsageError, parse, stack_name
from cloudring.report import SystemResult
from cloudring.ring import Ring
from heatgen import VERSION
from heatgen.blocks.support import PASSED
from heatgen.cloud import connection
from heatgen.cloud.connection import Cloud
from heatgen.cloud.errors import CloudFailed
from heatgen.project import block_loader, project
from heatgen.yamlio import document, writer
from heatgen.yamlio.problems import ProblemsFound
from heatgen.yamlio.problems import report as problem_report

DONE, FAILED, INVALID, LACKING, LEFT, INTERRUPTED = 0, 1, 2, 3, 4, 130
LOCK_SECONDS = 600


class Lacking(Exception):
    """The cloud lacks requirements; the message lists them."""


def main(words: Sequence[str]) -> int:
    """Run the ring; return the exit status."""
    try:
        options = parse(words, os.environ, block_loader.installed())
        cloud = connection.connect(connection.Options(cloud=options.cloud))
        connection.call(cloud.connection.authorize)
        return _run(options, cloud)
    except UsageError as error:
        show(f"error: {error}")
    except ProblemsFound as found:
        show(problem_report(found.problems, found.sources))
    except CloudFailed as error:
        show(f"error[{error.code}]: {error}\n  hint: {error.hint}")
    except ActionFailed as error:
        show(f"error: {error}")
        return FAILED
    except Lacking as error:
        show(str(error))
        return LACKING
    return INVALID


def show(text: str) -> None:
    """Print progress and errors."""
    print(text, file=sys.stderr, flush=True)


def _run(options: Options, cloud: Cloud) -> int:
    stop = threading.Event()
    began = datetime.now(UTC)
    with _stopped_by_signals(stop):
        rings = list(_prepared(options, cloud, f"{began:%d%H%M%S}", stop))
        _require(rings, options, cloud)
        with ThreadPoolExecutor(max_workers=options.parallel) as pool:
            runs = [pool.submit(ring.run) for ring in rings]
            for run in runs:
                run.result()
        results = [ring.result for ring in rings]
    about = {"date": f"{began:%Y-%m-%d}", "heatgen": VERSION, "commit": _commit(),
             "cloud": options.cloud or os.environ.get("OS_CLOUD", ""),
             "interrupted": stop.is_set()}  # fmt: skip
    _write(options, results, about)
    for line in report.lines(results):
        print(line)
    show(f"report: {options.output / 'report.html'}")
    return status(results, interrupted=stop.is_set())


def status(results: Sequence[SystemResult], *, interrupted: bool) -> int:
    """Return the exit status for results."""
    if any(item.left for item in results):
        return LEFT
    if interrupted:
        return INTERRUPTED
    return DONE if all(item.verdict == PASSED for item in results) else FAILED


@contextmanager
def _stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    """Set the event on SIGINT, SIGTERM and SIGHUP: clusters must be deleted also then."""

    def handle(number: int, _: FrameType | None) -> None:
        if not stop.is_set():
            show(f"{signal.Signals(number).name}: deleting the clusters; please wait")
        stop.set()

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _prepared(options: Options, cloud: Cloud, run: str, stop: threading.Event) -> Iterator[Ring]:
    """Yield the ring of each system, with its ``cluster.yaml``."""
    fragments = {(name, path): _fragment(path) for name, path in options.fragments}
    common = [value for (name, _), value in fragments.items() if not name]
    given = {key for value in common for part in ("cloud", "access") for key in value.get(part, {})}
    found = openstack.defaults(cloud, options, given)
    environment = {**os.environ, **({"OS_CLOUD": options.cloud} if options.cloud else {})}
    for target in options.targets:
        name = stack_name(target, run)
        own = [value for (system, _), value in fragments.items() if system == target.name]
        spec = cluster_file.content(target, name, options, found, [*common, *own])
        # A directory for each run: it has the key of the administrator of a kept cluster.
        directory = (options.output / name).resolve()
        directory.mkdir(parents=True)
        (directory / "cluster.yaml").write_text(writer.dump(spec), "utf-8")
        result = SystemResult(name=target.name, block=target.block, image=target.image, stack=name)
        commands = Commands(directory, environment, stop)
        own_cloud = connection.connect(connection.Options(cloud=options.cloud))
        yield Ring(result, options, commands, own_cloud, show)


def _fragment(path: Path) -> dict[str, Any]:
    """Return the content of a part of ``cluster.yaml``."""
    try:
        data = document.parse(str(path), path.read_bytes()).data
    except OSError as error:
        raise UsageError(f"--cluster {path}: {error.strerror}") from None
    if not isinstance(data, dict):
        raise UsageError(f"--cluster {path}: must be a mapping, as cluster.yaml")
    return data


def _require(rings: Sequence[Ring], options: Options, cloud: Cloud) -> None:
    """Lock every cluster, and compare it with the cloud.

    Raises:
        ActionFailed: a lock cannot be created.
        Lacking: a requirement is not met.
        ProblemsFound: a cluster is not valid.
    """
    copies = len(rings) if options.keep else min(options.parallel, len(rings))
    lines: list[str] = []
    for ring in rings:
        file = ring.directory / "cluster.yaml"
        project.check(project.load(file))
        ring.commands.heatgen("lock", "cluster.yaml", seconds=LOCK_SECONDS)
        found = openstack.check(file, cloud, copies)
        ring.result.user_data_bytes = found.user_data_bytes
        lines += [
            f"error[{row.code}]: {ring.result.name}: {row.what}: required {row.needed}, found "
            f"{row.there}" + (f"\n  hint: {row.advice}" if row.advice else "")
            for row in found.missing
        ]
    if lines:
        raise Lacking("\n".join(dict.fromkeys(lines)))


def _commit() -> str:
    """Return the commit of the checkout; '' without git."""
    root = Path(__file__).resolve().parents[1]
    words = ["git", "-C", str(root), "describe", "--always", "--dirty"]
    try:
        found = subprocess.run(words, capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return found.stdout.strip()


def _write(options: Options, results: Sequence[SystemResult], about: dict[str, Any]) -> None:
    """Write the report and the records."""
    output = options.output
    plain = report.as_plain(results, about)
    (output / "report.json").write_text(json.dumps(plain, indent=1) + "\n", "utf-8")
    (output / "report.html").write_text(report.page(results, about), "utf-8")
    known = {item.name for item in block_loader.installed().support.systems}
    folder = output / "support"
    folder.mkdir(exist_ok=True)
    for item in results:
        record = report.record(item, options.ring, about["date"], about["heatgen"])
        if record and item.name in known and not about["interrupted"]:
            (folder / record.name).write_text(record.as_json(), "utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
