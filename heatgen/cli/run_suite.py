# SPDX-License-Identifier: Apache-2.0
"""``heatgen test``: runs the conformance suite on a cluster."""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from types import FrameType

from heatgen.cli import kubeconfig
from heatgen.cli.base import CloudCommand, add_stack
from heatgen.cloud import stack
from heatgen.cloud.connection import Cloud
from heatgen.cloud.errors import CloudFailed
from heatgen.yamlio.codes import Code

SUITE = "conformance"
_SEPARATOR = "--"


class Test(CloudCommand):
    """Run the conformance suite on a stack's cluster; arguments after '--' are those of pytest.

    The kubeconfig and the expected cluster come from the stack and the administrator's key, and are
    removed after the run. The exit code is that of pytest: 0 if every check passed, 1 if one
    failed, 2 if the run was interrupted, 3 to 5 if it did not run.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of the command's arguments."""
        parser = super().get_parser(prog_name)
        add_stack(parser)
        kubeconfig.add_key(parser)
        parser.add_argument(
            "--kubeconfig",
            type=Path,
            metavar="FILE",
            help="use an existing kubeconfig instead of the key",
        )
        parser.add_argument(
            "arguments",
            nargs="*",
            metavar="-- ARGUMENT",
            help="arguments of pytest, such as '-- -n auto -m network --report report.html'",
        )
        own = parser.parse_args

        def parse(
            args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
        ) -> argparse.Namespace:
            # argparse would accept '--' only directly after STACK.
            words = list(sys.argv[1:] if args is None else args)
            end = words.index(_SEPARATOR) if _SEPARATOR in words else len(words)
            parsed: argparse.Namespace = own(words[:end], namespace)
            parsed.arguments = [*parsed.arguments, *words[end + 1 :]]
            return parsed

        parser.parse_args = parse  # type: ignore[method-assign, assignment]
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Write the suite's input files, and run pytest."""
        # Imported here to keep the start of commands fast.
        from heatgen.project.files import read_file

        name, file = parsed_args.stack, parsed_args.kubeconfig or parsed_args.key
        content = read_file(file)
        cloud = self.cloud(parsed_args)
        if parsed_args.kubeconfig is None:
            content = kubeconfig.build(name, file, content, cloud).encode()
        expected = json.dumps(_expected(name, cloud)).encode()
        with tempfile.TemporaryDirectory(prefix="heatgen-test-") as folder:
            options: list[str] = []
            for option, data in (("kubeconfig", content), ("expect", expected)):
                path = Path(folder) / option
                path.touch(mode=0o600)
                path.write_bytes(data)
                options += [f"--{option}", str(path)]
            self.code = _run([*options, *parsed_args.arguments])


def _expected(name: str, cloud: Cloud) -> object:
    """Return the description of the expected cluster, an output of the stack."""
    found = stack.get(name, cloud).outputs.get(SUITE)
    if not found:
        message = f"stack {name!r} has no output {SUITE!r}"
        hint = f"run 'heatgen status {name}': the stack is not complete, or not of heatgen"
        raise CloudFailed(message, hint, code=Code.INVALID_STACK_OUTPUT)
    return found


def _run(arguments: Sequence[str]) -> int:
    """Run the suite in a process of its own, and return pytest's exit code.

    Ctrl-C and the end of a job are signals for the suite, which then removes what it created.
    """
    found = find_spec(SUITE)
    if found is None or found.origin is None:
        raise FileNotFoundError(2, "the package is not installed", SUITE)
    # Also without installation. The working directory may have packages of the same name.
    root = str(Path(found.origin).parents[1])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", SUITE, *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )

    def forward(number: int, _: FrameType | None) -> None:
        # On Ctrl-C the terminal sends the signal to both processes.
        if number == signal.SIGTERM:
            process.send_signal(number)

    before = {number: signal.signal(number, forward) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        code = process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return code if code >= 0 else 128 - code
