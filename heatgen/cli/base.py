# SPDX-License-Identifier: Apache-2.0
"""What all commands have in common: reports, exit codes, the way into the cloud, progress.

The same classes are commands of ``heatgen`` and, by :mod:`heatgen.cli.osc_plugin`, of ``openstack
kube``; there the client has the credentials and the options for them.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cliff import command, lister, show

from heatgen.cloud import connection
from heatgen.cloud.connection import Cloud, CloudFailed
from heatgen.yamlio.problems import Failed, ProblemsFound, report

if TYPE_CHECKING:
    from heatgen.blocks.catalog import Catalog
    from heatgen.project.project import Project

DONE, FAILED, INVALID, TIMED_OUT, INTERRUPTED = 0, 1, 2, 3, 130


def print_message(text: str) -> None:
    """Say something that is not the result: progress, notes, problems."""
    print(text, file=sys.stderr, flush=True)


def print_notices(project: "Project") -> None:
    """Print what is allowed in a cluster's file but rarely intended, and deprecated names."""
    # Imported here: the start of every command stays quick.
    from heatgen.spec import validation

    for notice in validation.notices(project.spec):
        print_message(f"note: {notice}")
    print_deprecations(project.catalog)


def print_deprecations(catalog: "Catalog") -> None:
    """Print the deprecated names that blocks use."""
    found = catalog.deprecations()
    if found:
        sources = {block.document.name: block.document.text for block in catalog.all_blocks()}
        print_message(report(found, sources, "warning"))


def run_command(run: Callable[[], int], *, debug: bool) -> int:
    """The exit code of a run; every failure becomes a report, never a traceback."""
    try:
        return run()
    except ProblemsFound as found:
        print_message(report(found.problems, found.sources))
        return FAILED if isinstance(found, Failed) else INVALID
    except CloudFailed as error:
        print_message(f"error[{error.code}]: {error}\n  hint: {error.hint}")
        return FAILED
    except TimeoutError as error:
        print_message(f"error: timed out: {error}")
        return TIMED_OUT
    except BrokenPipeError:
        return FAILED
    except Exception as error:
        if debug:
            raise
        print_message(f"error: {type(error).__name__}: {error}")
        print_message("  hint: this is a fault of heatgen; run it with --debug and report it")
        return FAILED


class Command(command.Command):
    """A command that asks no cloud."""

    auth_required = False
    """What python-openstackclient wants to know."""
    code = DONE
    """Exit code of a run without failure."""

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Run; every failure becomes a report and an exit code."""
        debug = bool(getattr(getattr(self.app, "options", None), "debug", False))
        return run_command(
            lambda: int(super(Command, self).run(parsed_args) or self.code), debug=debug
        )


class CloudCommand(Command):
    """A command that asks a cloud."""

    auth_required = True

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """The command's arguments."""
        parser = super().get_parser(prog_name)
        if not self._client():
            parser.add_argument("--os-cloud", metavar="NAME", help="entry of clouds.yaml")
        return parser

    def cloud(self, parsed_args: argparse.Namespace) -> Cloud:
        """The cloud: that of the client that runs us, else what the arguments name."""
        client = self._client()
        return Cloud(client.sdk_connection) if client else connection.connect(parsed_args.os_cloud)

    def _client(self) -> Any:
        """python-openstackclient's, if it runs us."""
        return getattr(self.app, "client_manager", None)


class Lister(Command, lister.Lister):
    """A command whose result is a table."""


class ShowOne(Command, show.ShowOne):
    """A command whose result is one thing with its properties."""


class CloudLister(CloudCommand, lister.Lister):
    """A command whose result is a table and that asks a cloud."""


def add_cluster(parser: argparse.ArgumentParser) -> None:
    """The cluster's file."""
    parser.add_argument("cluster", type=Path, metavar="CLUSTER.YAML", help="the cluster's file")


def add_stack(parser: argparse.ArgumentParser) -> None:
    """The cluster's stack."""
    parser.add_argument("stack", metavar="STACK", help="name or id of the stack")


def add_timeout(parser: argparse.ArgumentParser, minutes: int, what: str) -> None:
    """How long to wait."""
    parser.add_argument(
        "--timeout",
        type=_minutes,
        default=minutes,
        metavar="MINUTES",
        help=f"how long {what} may take (default: %(default)s)",
    )


def _minutes(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number
