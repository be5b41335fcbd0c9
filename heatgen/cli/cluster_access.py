# SPDX-License-Identifier: Apache-2.0
"""Access of commands to the Kubernetes API of a stack's cluster, as its administrator."""

import argparse
from pathlib import Path

from heatgen.cli import kubeconfig
from heatgen.cli.base import positive
from heatgen.cloud.connection import Cloud
from heatgen.kube.client import Api


def add_access(parser: argparse.ArgumentParser) -> None:
    """Add the options for the administrator's credentials."""
    kubeconfig.add_key(parser)
    parser.add_argument(
        "--kubeconfig",
        type=Path,
        metavar="FILE",
        help="use an existing kubeconfig instead of the key",
    )


def add_drain(parser: argparse.ArgumentParser) -> None:
    """Add the options for the move of pods to other nodes."""
    parser.add_argument(
        "--drain-timeout",
        type=positive,
        default=300,
        metavar="SECONDS",
        help="maximum time for the pods of a node to move (default: %(default)s)",
    )
    parser.add_argument(
        "--delete-unmanaged-pods",
        action="store_true",
        help="delete pods without a controller, which no other node recreates",
    )


def connect(parsed_args: argparse.Namespace, cloud: Cloud) -> Api:
    """Return the API of the cluster.

    Raises:
        CloudFailed: the stack lacks the outputs, or the certificate has expired.
        KubernetesFailed: the kubeconfig is not usable.
        ProblemsFound: the key cannot be read, or is not that of the certificate.
    """
    # Imported here to keep the start of commands fast.
    import yaml

    from heatgen.project.files import read_file

    if parsed_args.kubeconfig is not None:
        read_file(parsed_args.kubeconfig)
        return Api(parsed_args.kubeconfig)
    key = read_file(parsed_args.key)
    text = kubeconfig.build(parsed_args.stack, parsed_args.key, key, cloud)
    return Api(yaml.safe_load(text))
