# SPDX-License-Identifier: Apache-2.0
"""`lab/lab fault`: put faults into a cluster of the lab one by one, and judge the suite."""

import argparse
import signal
import sys
from pathlib import Path

from conformance.faults import FAULTS
from lab.faultinjection import catalog, clusters, recordings, report, runner
from lab.faultinjection.campaign import Campaign
from lab.faultinjection.catalog import KINDS
from lab.faultinjection.runner import TrialError

EPILOG = "exit status: 0 exact and green again, 1 not, 2 wrong use or no cluster, 130 interrupted"
INTERRUPTED = 130


def main(words: list[str]) -> int:
    """Do what the words say; return the exit status."""
    arguments = parser().parse_args(words)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a cancelled job heals, too
    try:
        return act(arguments)
    except (TrialError, AssertionError) as problem:
        print(f"lab fault: {problem}", file=sys.stderr)
        return 1
    except LookupError as problem:
        print(f"lab fault: {problem}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return INTERRUPTED


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    made = argparse.ArgumentParser(
        prog="lab/lab fault",
        description="Put a fault into a cluster of the lab: the suite must see it, and only it.",
        epilog=EPILOG,
    )
    made.add_argument("names", nargs="*", metavar="NAME", help="faults, one after the other")
    made.add_argument("--list", action="store_true", help="name all faults, and how each is made")
    made.add_argument("--cluster", default="", help="default: the smallest that will do")
    made.add_argument("--keep", action="store_true", help="leave the fault in, to look at it")
    made.add_argument(
        "--heal", action="store_true", help="take NAME out, or without NAME what was left in"
    )
    made.add_argument(
        "--assume-green", action="store_true", help="do not run the suite before the first fault"
    )
    made.add_argument(
        "--despite",
        action="store_true",
        help="go on if the cluster is not sound: what was red before is no part of the verdict",
    )
    made.add_argument(
        "--publish",
        action="store_true",
        help="put the folder's records and recordings into the checkout, and write the documents",
    )
    made.add_argument(
        "--judge",
        action="store_true",
        help="judge again what the folder keeps of NAME's run, by what is declared now",
    )
    made.add_argument("--folder", type=Path, help=f"for records (default {runner.report_folder()})")
    return made


def act(arguments: argparse.Namespace) -> int:
    """List, heal, or hold trials."""
    if arguments.list:
        return show()
    if arguments.heal:
        return heal(arguments)
    folder = arguments.folder or runner.report_folder()
    folder.mkdir(parents=True, exist_ok=True)
    if arguments.publish:
        return publish(folder)
    if not arguments.names:
        parser().error("name a fault, or --list")
    if arguments.keep and len(arguments.names) > 1:
        parser().error("--keep leaves one fault in, not several")
    chosen = [catalog.fault(name) for name in arguments.names]
    good = True
    if arguments.judge:
        records = [runner.judge_again(fault, folder) for fault in chosen]
        print("\n".join("\n  ".join([each.line(), *each.problems]) for each in records))
        report.write(folder)
        return 0 if all(each.good for each in records) else 1
    with Campaign(
        folder=folder,
        named=arguments.cluster,
        assume_green=arguments.assume_green,
        despite=arguments.despite,
    ) as campaign:
        for fault in chosen:
            record = campaign.run(fault, arguments.keep)
            print("\n  ".join([record.line(), *record.problems]), flush=True)
            good = good and (record.exact if arguments.keep else record.good)
    return 0 if good else 1


def heal(arguments: argparse.Namespace) -> int:
    """Take faults out of clusters, whoever put them there."""
    for name in arguments.names:
        fault = catalog.fault(name)
        if not fault.replayed:
            context = clusters.context(clusters.choose(fault, arguments.cluster))
            fault.module.heal(context)
            if context.journal.fault == name:
                context.journal.end()
            print(f"{name} is out of {context.cluster.name}")
    if not arguments.names:
        for cluster in clusters.standing():
            left = runner.heal_left(clusters.context(cluster))
            print(
                f"{cluster.name}: {f'{left} is out of it' if left else 'no fault was left in it'}"
            )
    return 0


def publish(folder: Path) -> int:
    """Put recordings into the checkout, if none of the clusters' secrets is in any of them."""
    found = report.secrets_in(recordings.publishable(folder), clusters.standing())
    if found:
        raise TrialError("secrets in the recordings:\n  " + "\n  ".join(found))
    for path in [*recordings.publish(folder), report.write_page()]:
        print(path)
    return 0


def show() -> int:
    """Name all faults: how each is made, what it needs, what it is."""
    there = catalog.faults()
    for name, meaning in FAULTS.items():
        made = there.get(name)
        kind, needs = (made.kind, made.needs) if made else ("no module", "")
        needs = "-" if made and made.replayed else needs
        print(f"{name:<30} {kind:<10} {needs:<7} {meaning}")
    print("\n".join(["", *(f"{kind:<10} {meaning}" for kind, meaning in KINDS.items())]))
    return 0
