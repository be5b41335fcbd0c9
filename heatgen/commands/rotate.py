# SPDX-License-Identifier: Apache-2.0
"""``heatgen rotate``: certificates and authorities made anew, by an update of the stack."""

import argparse
import sys
import time
from typing import Any

from cliff.command import Command

from heatgen import rotation, stack
from heatgen.inputs import AUTHORITY_GENERATIONS, CERTIFICATES_GENERATION
from heatgen.kubeconfig import authorities

_BOTH = """\
The new authority signs, and both are trusted. Before the old one goes:
  heatgen kubeconfig {stack} -o FILE            every kubeconfig must know the new one
  kubectl rollout restart deployment ...        what keeps the authority in its memory
then run the same command again."""
_ALONE = """\
The old authority is not trusted any more. Kubeconfigs from before the first step are worthless:
  heatgen kubeconfig {stack} -o FILE"""


class _Rotate(Command):
    """What both have in common."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """The command's arguments."""
        parser = super().get_parser(prog_name)
        parser.add_argument("stack", metavar="STACK", help="name or id of the stack")
        add_waiting(parser)
        return parser

    def update(self, parsed_args: argparse.Namespace, changes: dict[str, str]) -> None:
        """Update the stack and wait, with progress on stderr."""
        stack.update(
            parsed_args.stack, changes, tell, parsed_args.timeout * 60, parsed_args.os_cloud
        )


class RotateCertificates(_Rotate):
    """Make every certificate of a cluster anew, with the same keys and without downtime."""

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Rotate."""
        current = stack.parameters(parsed_args.stack, parsed_args.os_cloud)
        self.update(parsed_args, rotation.certificates(_known(current), time.time()))


class RotateAuthorities(_Rotate):
    """Replace a cluster's authorities: run it once, do what it says, run it again."""

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Do the next of the two steps."""
        name, cloud = parsed_args.stack, parsed_args.os_cloud
        current = _known(stack.parameters(name, cloud))
        before = self._bundle(name, cloud)
        steps = rotation.authorities(current)
        for changes in steps:
            tell(f"authorities: {', '.join(changes.values())}")
            self.update(parsed_args, changes)
        if self._bundle(name, cloud) == before:
            raise stack.CloudFailed(
                "the stack was updated, but its authorities are those from before",
                "was the stack updated without --existing? Then run the command once more",
            )
        message = _BOTH if rotation.both_trusted(steps[-1]) else _ALONE
        tell(message.format(stack=name))

    def _bundle(self, name: str, cloud: str | None) -> list[Any]:
        return authorities(stack.outputs(name, cloud).get("ca_certificate") or "")


def add_waiting(parser: argparse.ArgumentParser) -> None:
    """The arguments of commands that update a stack and wait."""
    parser.add_argument(
        "--timeout",
        type=int,
        default=30,
        metavar="MINUTES",
        help="how long to wait for an update of the stack (default: %(default)s)",
    )
    parser.add_argument("--os-cloud", metavar="NAME", help="entry of clouds.yaml")


def tell(text: str) -> None:
    """Progress, for people."""
    print(text, file=sys.stderr, flush=True)


def _known(parameters: dict[str, str]) -> dict[str, str]:
    """The parameters, if they are those of a stack that can rotate."""
    needed = (CERTIFICATES_GENERATION, AUTHORITY_GENERATIONS)
    missing = [item.name for item in needed if item.name not in parameters]
    if missing:
        hint = "update the stack with a template of this heatgen first"
        raise stack.CloudFailed(f"the stack has no parameter {', '.join(missing)}", hint)
    return parameters
