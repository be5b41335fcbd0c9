# SPDX-License-Identifier: Apache-2.0
"""``heatgen rotate``: certificates and authorities made anew, by an update of the stack."""

import argparse

from heatgen.cli import progress_display
from heatgen.cli.base import CloudCommand, add_stack, add_timeout, print_message
from heatgen.cloud import stack
from heatgen.cloud.connection import Cloud, CloudFailed

_BOTH = """\
The new authorities sign, and both are trusted. Before the old ones go:
  heatgen kubeconfig {stack} -o FILE            every kubeconfig must know the new one
  kubectl rollout restart deployment ...        what keeps the authority in its memory
then run the same command again."""
_ALONE = """\
The old authorities are not trusted any more, and kubeconfigs from before the first step are
worthless:
  heatgen kubeconfig {stack} -o FILE"""


class _Rotate(CloudCommand):
    """What both have in common."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """The command's arguments."""
        parser = super().get_parser(prog_name)
        add_stack(parser)
        add_timeout(parser, 30, "an update of the stack")
        return parser


class RotateCertificates(_Rotate):
    """Make every certificate of a cluster anew, with the same keys and without downtime."""

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Rotate."""
        # Imported here: the start of every command stays quick.
        from heatgen.plan import rotation

        cloud = self.cloud(parsed_args)
        _ask_for(rotation.certificates(_agreed(parsed_args.stack, cloud)), parsed_args, cloud)


class RotateAuthorities(_Rotate):
    """Replace a cluster's authorities: run it once, do what it says, run it again."""

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Do the next of the two steps."""
        from heatgen.plan import rotation

        cloud = self.cloud(parsed_args)
        steps = rotation.authorities(_agreed(parsed_args.stack, cloud))
        for asked in steps:
            _ask_for(asked, parsed_args, cloud)
        message = _BOTH if rotation.both_trusted(steps[-1]) else _ALONE
        print_message(message.format(stack=parsed_args.stack))


def _ask_for(asked: dict[str, str], parsed_args: argparse.Namespace, cloud: Cloud) -> None:
    """Update the stack's parameters, wait, and see that the cluster agrees."""
    for name, value in asked.items():
        print_message(f"{name}: {value}")
    progress_display.update(parsed_args.stack, asked, parsed_args.timeout, cloud)
    agreed = _agreed(parsed_args.stack, cloud)
    for name, value in asked.items():
        if agreed[name] != value:
            raise CloudFailed(
                f"the stack was updated, but its {name} is {agreed[name]!r}, not {value!r}",
                f"see 'openstack stack resource show {parsed_args.stack} trust_sign_control_0'",
            )


def _agreed(name: str, cloud: Cloud) -> dict[str, str]:
    """What the cluster has agreed on."""
    from heatgen.plan import rotation

    outputs = stack.outputs(name, cloud)
    missing = [name for name in rotation.OUTPUTS if not outputs.get(name)]
    if missing:
        hint = "update the stack with a template of this heatgen first"
        raise CloudFailed(f"the stack has no output {', '.join(missing)}", hint)
    return {name: str(outputs[name]) for name in rotation.OUTPUTS}
