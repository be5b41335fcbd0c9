# SPDX-License-Identifier: Apache-2.0
"""``heatgen rotate``: certificates and authorities made anew, by an update of the stack."""

import argparse
import sys

from cliff.command import Command

from heatgen import rotation, stack

_BOTH = """\
The new authorities sign, and both are trusted. Before the old ones go:
  heatgen kubeconfig {stack} -o FILE            every kubeconfig must know the new one
  kubectl rollout restart deployment ...        what keeps the authority in its memory
then run the same command again."""
_ALONE = """\
The old authorities are not trusted any more, and kubeconfigs from before the first step are
worthless:
  heatgen kubeconfig {stack} -o FILE"""


class _Rotate(Command):
    """What both have in common."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """The command's arguments."""
        parser = super().get_parser(prog_name)
        parser.add_argument("stack", metavar="STACK", help="name or id of the stack")
        add_waiting(parser)
        return parser


class RotateCertificates(_Rotate):
    """Make every certificate of a cluster anew, with the same keys and without downtime."""

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Rotate."""
        _ask_for(rotation.certificates(_agreed(parsed_args)), parsed_args)


class RotateAuthorities(_Rotate):
    """Replace a cluster's authorities: run it once, do what it says, run it again."""

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Do the next of the two steps."""
        steps = rotation.authorities(_agreed(parsed_args))
        for asked in steps:
            _ask_for(asked, parsed_args)
        message = _BOTH if rotation.both_trusted(steps[-1]) else _ALONE
        tell(message.format(stack=parsed_args.stack))


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


def _ask_for(asked: dict[str, str], parsed_args: argparse.Namespace) -> None:
    """Update the stack's parameters, wait, and see that the cluster agrees."""
    for name, value in asked.items():
        tell(f"{name}: {value}")
    seconds = parsed_args.timeout * 60
    stack.update(parsed_args.stack, asked, tell, seconds, parsed_args.os_cloud)
    agreed = _agreed(parsed_args)
    for name, value in asked.items():
        if agreed[name] != value:
            raise stack.CloudFailed(
                f"the stack was updated, but its {name} is {agreed[name]!r}, not {value!r}",
                f"see 'openstack stack resource show {parsed_args.stack} trust_sign_control_0'",
            )


def _agreed(parsed_args: argparse.Namespace) -> dict[str, str]:
    """What the cluster has agreed on."""
    outputs = stack.outputs(parsed_args.stack, parsed_args.os_cloud)
    missing = [name for name in rotation.OUTPUTS if not outputs.get(name)]
    if missing:
        hint = "update the stack with a template of this heatgen first"
        raise stack.CloudFailed(f"the stack has no output {', '.join(missing)}", hint)
    return {name: str(outputs[name]) for name in rotation.OUTPUTS}
