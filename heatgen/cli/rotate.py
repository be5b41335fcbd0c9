# SPDX-License-Identifier: Apache-2.0
"""``heatgen rotate``: replaces certificates and authorities by an update of the stack."""

import argparse

from heatgen.cli import progress_display
from heatgen.cli.base import CloudCommand, add_stack, add_timeout, print_message
from heatgen.cloud import stack
from heatgen.cloud.connection import Cloud
from heatgen.cloud.errors import CloudFailed
from heatgen.yamlio.codes import Code

_BOTH_TRUSTED = """\
The new authorities sign certificates, and both old and new ones are trusted. Now
  heatgen kubeconfig {stack} -o FILE            update every kubeconfig
  kubectl rollout restart deployment ...        restart pods that cache the authority
then run the same command again to remove the old authorities."""
_NEW_TRUSTED = """\
The old authorities are no longer trusted. Kubeconfigs from before the first step do not work any
more; update them:
  heatgen kubeconfig {stack} -o FILE"""


class _Rotate(CloudCommand):
    """Base class of both commands."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of the command's arguments."""
        parser = super().get_parser(prog_name)
        add_stack(parser)
        add_timeout(parser, 30, "each update of the stack")
        return parser


class RotateCertificates(_Rotate):
    """Renew every certificate of a cluster, with the same keys and without downtime."""

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Renew the certificates."""
        # Imported here to keep the start of commands fast.
        from heatgen.plan import rotation

        cloud = self.cloud(parsed_args)
        _apply(rotation.certificates(_generations(parsed_args.stack, cloud)), parsed_args, cloud)


class RotateAuthorities(_Rotate):
    """Replace a cluster's authorities: run once, follow the printed instructions, run again."""

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Execute the next of the two steps."""
        from heatgen.plan import rotation

        cloud = self.cloud(parsed_args)
        steps = rotation.authorities(_generations(parsed_args.stack, cloud))
        for changes in steps:
            _apply(changes, parsed_args, cloud)
        message = _BOTH_TRUSTED if rotation.both_trusted(steps[-1]) else _NEW_TRUSTED
        print_message(message.format(stack=parsed_args.stack))


def _apply(changes: dict[str, str], parsed_args: argparse.Namespace, cloud: Cloud) -> None:
    """Update the stack's parameters, and check that the cluster has applied them."""
    for name, value in changes.items():
        print_message(f"{name}: {value}")
    progress_display.update(parsed_args.stack, changes, parsed_args.timeout, cloud)
    applied = _generations(parsed_args.stack, cloud)
    for name, value in changes.items():
        if applied[name] != value:
            raise CloudFailed(
                f"the stack was updated, but its {name} is {applied[name]!r}, not {value!r}",
                f"run 'openstack stack resource show {parsed_args.stack} trust_sign_control_0'",
                code=Code.ROTATION_NOT_APPLIED,
            )


def _generations(name: str, cloud: Cloud) -> dict[str, str]:
    """Return the generations that the cluster uses, from the outputs of the stack."""
    from heatgen.plan import rotation

    outputs = stack.outputs(name, cloud)
    missing = [name for name in rotation.OUTPUTS if not outputs.get(name)]
    if missing:
        message = f"the stack has no output {', '.join(missing)}"
        hint = "first update the stack with a template of this version of heatgen"
        raise CloudFailed(message, hint, code=Code.INVALID_STACK_OUTPUT)
    return {name: str(outputs[name]) for name in rotation.OUTPUTS}
