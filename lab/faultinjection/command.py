# SPDX-License-Identifier: Apache-2.0
"""`lab/lab fault`: inject faults into a cluster of the lab, and evaluate the suite."""

import argparse
import signal
import sys
from pathlib import Path

from conformance.faults import FAULTS
from lab.faultinjection import catalog, clusters, recordings, report, runner
from lab.faultinjection.campaign import Campaign
from lab.faultinjection.catalog import KINDS
from lab.faultinjection.runner import TrialError

EPILOG = "exit status: 0 exact and green again, 1 not, 2 wrong usage or no cluster, 130 interrupted"
INTERRUPTED = 130


def main(argv: list[str]) -> int:
    """Run the command; return the exit status."""
    arguments = parser().parse_args(argv)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a cancelled job also heals
    try:
        return execute(arguments)
    except (TrialError, AssertionError) as problem:
        print(f"lab fault: {problem}", file=sys.stderr)
        return 1
    except LookupError as problem:
        print(f"lab fault: {problem}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return INTERRUPTED


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    result = argparse.ArgumentParser(
        prog="lab/lab fault",
        description="Inject faults into a cluster of the lab; the suite must detect exactly them.",
        epilog=EPILOG,
    )
    result.add_argument("names", nargs="*", metavar="NAME", help="faults to inject, one by one")
    result.add_argument("--list", action="store_true", help="list all faults and their kinds")
    result.add_argument("--cluster", default="", help="default: the smallest suitable cluster")
    result.add_argument("--keep", action="store_true", help="do not heal the fault, for inspection")
    result.add_argument(
        "--heal", action="store_true", help="heal NAME; without NAME, heal what an earlier run left"
    )
    result.add_argument(
        "--assume-green", action="store_true", help="do not run the suite before the first fault"
    )
    result.add_argument(
        "--despite",
        action="store_true",
        dest="allow_red",
        help="continue if the suite does not pass before the fault; ignore the checks that fail",
    )
    result.add_argument(
        "--publish",
        action="store_true",
        help="copy records and recordings of the folder to the repository; update documentation",
    )
    result.add_argument(
        "--judge",
        action="store_true",
        dest="reevaluate",
        help="evaluate the last run of NAME in the folder again with the current declarations",
    )
    result.add_argument(
        "--folder", type=Path, help=f"for records (default {runner.report_folder()})"
    )
    return result


def execute(arguments: argparse.Namespace) -> int:
    """List faults, heal, publish, reevaluate, or run trials."""
    if arguments.list:
        return list_faults()
    if arguments.heal:
        return heal(arguments)
    folder = arguments.folder or runner.report_folder()
    folder.mkdir(parents=True, exist_ok=True)
    if arguments.publish:
        return publish(folder)
    if not arguments.names:
        parser().error("NAME or --list is required")
    if arguments.keep and len(arguments.names) > 1:
        parser().error("--keep requires exactly one NAME")
    chosen = [catalog.fault(name) for name in arguments.names]
    passed = True
    if arguments.reevaluate:
        records = [runner.reevaluate(fault, folder) for fault in chosen]
        print("\n".join("\n  ".join([each.summary(), *each.problems]) for each in records))
        report.write(folder)
        return 0 if all(each.passed for each in records) else 1
    with Campaign(
        folder=folder,
        cluster=arguments.cluster,
        assume_green=arguments.assume_green,
        allow_red=arguments.allow_red,
    ) as campaign:
        for fault in chosen:
            record = campaign.run(fault, arguments.keep)
            print("\n  ".join([record.summary(), *record.problems]), flush=True)
            passed = passed and (record.exact if arguments.keep else record.passed)
    return 0 if passed else 1


def heal(arguments: argparse.Namespace) -> int:
    """Heal the named faults, however they were injected, or all leftover faults."""
    for name in arguments.names:
        fault = catalog.fault(name)
        if not fault.replayed:
            context = clusters.context(clusters.select(fault, arguments.cluster))
            fault.module.heal(context)
            if context.journal.fault == name:
                context.journal.end()
            print(f"{context.cluster.name}: healed {name}")
    if not arguments.names:
        for cluster in clusters.running():
            leftover = runner.heal_leftover(clusters.context(cluster))
            print(f"{cluster.name}: {f'healed {leftover}' if leftover else 'no leftover fault'}")
    return 0


def publish(folder: Path) -> int:
    """Copy recordings to the repository, unless they contain a secret of a cluster."""
    found = report.secrets_in(recordings.publishable(folder), clusters.running())
    if found:
        raise TrialError("secrets in the recordings:\n  " + "\n  ".join(found))
    for path in [*recordings.publish(folder), report.write_page()]:
        print(path)
    return 0


def list_faults() -> int:
    """Print all faults with kind, requirements and meaning."""
    known = catalog.faults()
    for name, meaning in FAULTS.items():
        fault = known.get(name)
        kind, needs = (fault.kind, fault.needs) if fault else ("no module", "")
        needs = "-" if fault and fault.replayed else needs
        print(f"{name:<30} {kind:<10} {needs:<7} {meaning}")
    print("\n".join(["", *(f"{kind:<10} {meaning}" for kind, meaning in KINDS.items())]))
    return 0
