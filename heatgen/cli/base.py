# SPDX-License-Identifier: Apache-2.0
"""Base classes and helpers of all commands: reports, exit codes, connection to the cloud.

The same classes are commands of ``heatgen`` and, through :mod:`heatgen.cli.osc_plugin`, of
``openstack kube``, where the client provides the credentials and their options.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cliff import command, lister, show

from heatgen.cli import standard_streams
from heatgen.cloud import connection
from heatgen.cloud.connection import Cloud
from heatgen.cloud.errors import CloudFailed
from heatgen.kube.errors import KubernetesFailed
from heatgen.yamlio.codes import Code
from heatgen.yamlio.problems import Failed, Problem, ProblemsFound, report

if TYPE_CHECKING:
    from heatgen.blocks.catalog import Catalog
    from heatgen.project.project import Project

DONE, FAILED, INVALID, TIMED_OUT, INTERRUPTED = 0, 1, 2, 3, 130
REFUSED_BY_CLUSTER = 7
"""Exit code if the cluster does not permit to remove or replace nodes; see ``heatgen scale``."""
_CLUSTER_CODES = {
    Code.PODS_NOT_MOVED: TIMED_OUT,
    Code.VOLUMES_ATTACHED: TIMED_OUT,
    Code.DISRUPTION_BUDGET: REFUSED_BY_CLUSTER,
    Code.UNMANAGED_PODS: REFUSED_BY_CLUSTER,
    Code.TOO_MANY_UNHEALTHY: REFUSED_BY_CLUSTER,
    Code.NO_MAJORITY: REFUSED_BY_CLUSTER,
}


def print_message(text: str) -> None:
    """Print progress, notes or problems to standard error."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        # Nothing can be reported any more; the exit code remains.
        standard_streams.discard_errors()


def write_output(text: str) -> None:
    """Write the result of a command to standard output, as UTF-8.

    Raises:
        OSError: it cannot be written; :func:`run_command` reports this.
    """
    standard_streams.use_utf8()
    sys.stdout.write(text)


def print_error(code: Code, text: object, hint: str = "") -> None:
    """Print an error in the form of reports."""
    print_message(f"error[{code}]: {text}" + (f"\n  hint: {hint}" if hint else ""))


def print_notices(project: "Project") -> None:
    """Print deprecated names, and settings that are valid but rarely intended."""
    for notice in notices(project):
        print_message(f"note: {notice}")
    print_deprecations(project.catalog)


def notices(project: "Project") -> list[str]:
    """Return messages about settings that are valid but rarely intended."""
    # Imported here to keep the start of commands fast.
    from heatgen.spec import overrides, validation

    spec, catalog = project.spec, project.catalog
    return [
        *validation.notices(spec),
        *validation.volume_notices(spec, catalog),
        *overrides.notices(spec, catalog),
    ]


def print_deprecations(catalog: "Catalog") -> None:
    """Print the deprecated names that blocks use."""
    found = catalog.deprecations()
    if found:
        sources = {block.document.name: block.document.text for block in catalog.all_blocks()}
        print_message(report(found, sources, "warning"))


def run_command(run: Callable[[], int], *, debug: bool) -> int:
    """Run and return the exit code; failures are reported, without a traceback."""
    try:
        code = run()
        return flush_output() or code
    except ProblemsFound as found:
        print_message(report(found.problems, found.sources))
        return FAILED if isinstance(found, Failed) else INVALID
    except CloudFailed as error:
        print_error(error.code, error, error.hint)
        return TIMED_OUT if error.code == Code.TIMED_OUT else FAILED
    except KubernetesFailed as error:
        print_error(error.code, error, error.hint)
        return _CLUSTER_CODES.get(error.code, FAILED)
    except TimeoutError as error:
        print_error(Code.TIMED_OUT, error)
        return TIMED_OUT
    except OSError as error:
        if debug and not isinstance(error, BrokenPipeError):
            raise
        return _os_failure(error)
    except Exception as error:
        if debug:
            raise
        hint = "this is a bug in heatgen: rerun with --debug and report it"
        print_error(Code.INTERNAL_ERROR, f"{type(error).__name__}: {error}", hint)
        return FAILED


def flush_output() -> int:
    """Flush standard output; report a failure and return its exit code, else 0."""
    try:
        sys.stdout.flush()
    except OSError as error:
        return _os_failure(error)
    return DONE


def _os_failure(error: OSError) -> int:
    """Report an error of the operating system, and return its exit code."""
    if isinstance(error, BrokenPipeError):
        # The reader has what it needs.
        standard_streams.discard_output()
        return FAILED
    problem = standard_streams.output_problem(error)
    if problem is not None:
        print_message(report([problem], {}))
        return INVALID
    place = f"{error.filename}: " if error.filename else ""
    print_error(Code.SYSTEM_ERROR, f"{place}{error.strerror or error or type(error).__name__}")
    return FAILED


class Command(command.Command):
    """A command that does not need a cloud."""

    auth_required = False
    """Whether python-openstackclient has to authenticate."""
    code = DONE
    """Exit code of a run without failure."""

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Run and return the exit code; failures are reported."""
        debug = bool(getattr(getattr(self.app, "options", None), "debug", False))
        return run_command(
            lambda: int(super(Command, self).run(parsed_args) or self.code), debug=debug
        )


class CloudCommand(Command):
    """A command that needs a cloud."""

    auth_required = True

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of the command's arguments."""
        parser = super().get_parser(prog_name)
        if not self._client():
            add_cloud(parser)
        return parser

    def cloud(self, parsed_args: argparse.Namespace) -> Cloud:
        """Connect to the cloud of the client that runs the command, else of the arguments."""
        client = self._client()
        if client:
            return connection.call(lambda: connection.from_sdk(client.sdk_connection))
        return connection.connect(
            connection.Options(
                cloud=parsed_args.os_cloud,
                region=parsed_args.os_region_name,
                interface=parsed_args.os_interface,
                cacert=parsed_args.os_cacert,
                insecure=parsed_args.insecure,
            )
        )

    def _client(self) -> Any:
        """Return the client manager of python-openstackclient if it runs the command."""
        return getattr(self.app, "client_manager", None)


class Lister(Command, lister.Lister):
    """A command that prints a table."""


class ShowOne(Command, show.ShowOne):
    """A command that prints the properties of one object."""


class CloudLister(CloudCommand, lister.Lister):
    """A command that needs a cloud and prints a table."""


def add_cloud(parser: argparse.ArgumentParser) -> None:
    """Add the options of python-openstackclient for the connection to the cloud."""
    group = parser.add_argument_group("cloud", "defaults are those of clouds.yaml and OS_*")
    group.add_argument("--os-cloud", metavar="NAME", help="entry of clouds.yaml")
    group.add_argument("--os-region-name", metavar="REGION", help="region of the services")
    group.add_argument(
        "--os-interface",
        choices=("public", "internal", "admin"),
        help="interface of the endpoints in the catalog",
    )
    tls = group.add_mutually_exclusive_group()
    tls.add_argument(
        "--os-cacert", metavar="FILE", help="certificates of the authorities of the cloud (PEM)"
    )
    tls.add_argument(
        "--insecure", action="store_true", help="do not verify the certificates of the cloud"
    )


def confirmed(question: str, answer: str, command: str, what: str) -> bool:
    """Prompt for a confirmation; return whether the expected answer was entered.

    Args:
        question: the question.
        answer: the expected answer.
        command: the command, for the problem.
        what: what the command does, for the hint to use --yes.

    Raises:
        ProblemsFound: standard input is not a terminal.
    """
    if not sys.stdin.isatty():
        message = "confirmation is required, but standard input is not a terminal"
        hint = f"use --yes to {what} without confirmation"
        code = Code.CONFIRMATION_REQUIRED
        raise ProblemsFound([Problem(command, None, message, hint, code=code)])
    # Not input(), which prints the prompt to stdout.
    print(question, end=" ", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip() == answer


def add_cluster(parser: argparse.ArgumentParser) -> None:
    """Add the argument for the cluster's file."""
    parser.add_argument("cluster", type=Path, metavar="CLUSTER.YAML", help="file of the cluster")


def add_stack(parser: argparse.ArgumentParser) -> None:
    """Add the argument for the cluster's stack."""
    parser.add_argument("stack", metavar="STACK", help="name or id of the stack")


def add_locked(parser: argparse.ArgumentParser) -> None:
    """Add the option to render without side effects."""
    parser.add_argument(
        "--locked",
        action="store_true",
        help="create no other file and use no network: lock and certificate request must exist",
    )


def add_timeout(
    parser: argparse.ArgumentParser, minutes: int, what: str, *, longer: str = ""
) -> None:
    """Add the option for the timeout of an operation.

    Args:
        parser: the parser of the command.
        minutes: the default.
        what: the operation.
        longer: when the command chooses a longer one; then there is no default.
    """
    parser.add_argument(
        "--timeout",
        type=positive,
        default=None if longer else minutes,
        metavar="MINUTES",
        help=f"timeout of {what} (default: {minutes}{', ' + longer if longer else ''})",
    )


def positive(text: str) -> int:
    """Return the number in an argument, which must be at least 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number
