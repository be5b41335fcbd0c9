# SPDX-License-Identifier: Apache-2.0
"""``heatgen kubeconfig``."""

import argparse
from datetime import UTC, datetime, timedelta
from pathlib import Path

from heatgen.cli import progress_display
from heatgen.cli.base import CloudCommand, add_stack, add_timeout, print_message, write_output
from heatgen.cloud import stack
from heatgen.cloud.connection import Cloud
from heatgen.cloud.errors import CloudFailed
from heatgen.stack.progress import COMPLETE
from heatgen.yamlio.codes import Code
from heatgen.yamlio.problems import Problem, ProblemsFound

SOON = timedelta(days=2)
"""Remaining validity below which the renewal is recommended."""


class Kubeconfig(CloudCommand):
    """Write the administrator's kubeconfig, from outputs of the stack and the local key.

    An existing kubeconfig is extended: other clusters, users and contexts stay, and the context of
    the cluster becomes the current one.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of the command's arguments."""
        parser = super().get_parser(prog_name)
        add_stack(parser)
        parser.add_argument(
            "-o",
            "--output",
            type=Path,
            metavar="FILE",
            help="output file, which may be a kubeconfig of other clusters (default: stdout)",
        )
        add_key(parser)
        parser.add_argument(
            "--renew",
            action="store_true",
            help="create a key with a new certificate; the old key is kept until it is issued",
        )
        add_timeout(parser, 30, "the renewal")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Write the kubeconfig."""
        # Imported here to keep the start of commands fast.
        from heatgen.project import kubeconfig_file
        from heatgen.project.admin_key import Renewal
        from heatgen.project.files import check_output, read_file
        from heatgen.project.project import Files

        if parsed_args.output is not None:
            key = parsed_args.key
            own = Renewal(key).files if key.name else ()
            check_output(parsed_args.output, (*own, *Files.of_key(key).files))
        if parsed_args.renew:
            text = self._renew(parsed_args)
        else:
            secret = read_file(parsed_args.key)
            text = build(parsed_args.stack, parsed_args.key, secret, self.cloud(parsed_args))
        if parsed_args.output is None:
            write_output(text)
            return
        what = f"kubeconfig of stack {parsed_args.stack}"
        if kubeconfig_file.add(parsed_args.output, text):
            what += " added; other entries are kept"
        print_message(f"{parsed_args.output}: {what}")

    def _renew(self, parsed_args: argparse.Namespace) -> str:
        """Return the kubeconfig with a new key, and replace the old key."""
        from heatgen.plan.inputs import ADMIN_REQUEST
        from heatgen.project import admin_key
        from heatgen.project.files import read_file

        name, cloud = parsed_args.stack, self.cloud(parsed_args)
        cluster = (stack.outputs(name, cloud).get("conformance") or {}).get("cluster", name)
        renewal = admin_key.Renewal(parsed_args.key)
        changes = {ADMIN_REQUEST.name: renewal.request(cluster)}
        progress_display.update(name, changes, parsed_args.timeout, cloud)
        text = build(name, renewal.key_file, read_file(renewal.key_file), cloud)
        renewal.finish()
        print_message(f"{parsed_args.key}: replaced with the new key")
        return text


def add_key(parser: argparse.ArgumentParser) -> None:
    """Add the option for the administrator's key."""
    parser.add_argument(
        "--key",
        type=Path,
        metavar="FILE",
        default=Path("cluster.admin.key"),
        help="the administrator's key (default: %(default)s)",
    )


def build(name: str, key_file: Path, key: bytes, cloud: Cloud) -> str:
    """Return the kubeconfig of a stack.

    Args:
        name: name or id of the stack.
        key_file: file of the administrator's key, for problems.
        key: its content.
        cloud: the cloud.

    Raises:
        CloudFailed: no credentials, no response, no such stack, a stack that lacks the outputs and
            is not complete, or a certificate that has expired.
        ProblemsFound: the key is not that of the certificate.
    """
    # Imported here to keep the start of commands fast.
    from heatgen.stack import kubeconfig

    running = stack.get(name, cloud)
    if any(not running.outputs.get(output) for output in kubeconfig.OUTPUTS):
        stack.require_complete(running)
    elif running.status != COMPLETE:
        # An update in progress or a failure is when the cluster has to be inspected.
        print_message(f"note: stack {running.name} is {running.action}_{running.status}")
    try:
        text = kubeconfig.build(name, running.outputs, key)
    except kubeconfig.Mismatch as error:
        problem = Problem(str(key_file), None, str(error), error.hint, code=error.code)
        raise ProblemsFound([problem]) from None
    _check_validity(name, running.outputs["admin_certificate"])
    return text


def _check_validity(name: str, certificate: str) -> None:
    """Print until when a certificate is valid.

    Raises:
        CloudFailed: it has expired.
    """
    from cryptography import x509

    end = x509.load_pem_x509_certificate(certificate.encode()).not_valid_after_utc
    left = end - datetime.now(UTC)
    hint = f"run 'heatgen kubeconfig {name} --renew' to request a new one"
    when = f"{end:%Y-%m-%d %H:%M} UTC"
    if left <= timedelta():
        message = f"the administrator's certificate expired on {when}"
        raise CloudFailed(message, hint, code=Code.CERTIFICATE_EXPIRED)
    print_message(f"the administrator's certificate is valid until {when}")
    if left < SOON:
        print_message(f"note: {hint}")
