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
        parser.add_argument(
            "--key",
            type=Path,
            metavar="FILE",
            default=Path("cluster.admin.key"),
            help="the administrator's key (default: %(default)s)",
        )
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
        from heatgen.project.files import check_output

        if parsed_args.output is not None:
            check_output(parsed_args.output, _files_of_cluster(parsed_args.key))
        text = self._renew(parsed_args) if parsed_args.renew else self._build(parsed_args)
        if parsed_args.output is None:
            write_output(text)
            return
        what = f"kubeconfig of stack {parsed_args.stack}"
        if kubeconfig_file.add(parsed_args.output, text):
            what += " added; other entries are kept"
        print_message(f"{parsed_args.output}: {what}")

    def _build(
        self,
        parsed_args: argparse.Namespace,
        key_file: Path | None = None,
        cloud: Cloud | None = None,
    ) -> str:
        """Return the kubeconfig with the key in a file."""
        from heatgen.project.files import read_file
        from heatgen.stack import kubeconfig

        path = key_file or parsed_args.key
        key = read_file(path)
        running = stack.get(parsed_args.stack, cloud or self.cloud(parsed_args))
        if any(not running.outputs.get(name) for name in kubeconfig.OUTPUTS):
            stack.require_complete(running)
        elif running.status != COMPLETE:
            # An update in progress or a failure is when the cluster has to be inspected.
            print_message(f"note: stack {running.name} is {running.action}_{running.status}")
        try:
            text = kubeconfig.build(parsed_args.stack, running.outputs, key)
        except kubeconfig.Mismatch as error:
            problem = Problem(str(path), None, str(error), error.hint, code=error.code)
            raise ProblemsFound([problem]) from None
        _check_validity(parsed_args.stack, running.outputs["admin_certificate"])
        return text

    def _renew(self, parsed_args: argparse.Namespace) -> str:
        """Return the kubeconfig with a new key, and replace the old key."""
        from heatgen.plan.inputs import ADMIN_REQUEST
        from heatgen.project import admin_key

        name, cloud = parsed_args.stack, self.cloud(parsed_args)
        cluster = (stack.outputs(name, cloud).get("conformance") or {}).get("cluster", name)
        renewal = admin_key.Renewal(parsed_args.key)
        changes = {ADMIN_REQUEST.name: renewal.request(cluster)}
        progress_display.update(name, changes, parsed_args.timeout, cloud)
        text = self._build(parsed_args, renewal.key_file, cloud)
        renewal.finish()
        print_message(f"{parsed_args.key}: replaced with the new key")
        return text


def _files_of_cluster(key: Path) -> tuple[Path, ...]:
    """Return the files of the cluster that a key belongs to, by the names that heatgen uses."""
    from heatgen.project.admin_key import Renewal

    cluster = key.with_suffix("").with_suffix(".yaml")
    return (*Renewal(key).files, cluster, cluster.with_suffix(".lock.yaml"))


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
