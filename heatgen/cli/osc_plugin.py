# SPDX-License-Identifier: Apache-2.0
"""Plug-in of python-openstackclient with all commands, such as ``openstack kube create``.

The client finds this module by the entry point ``openstack.cli.extension`` and the commands in the
group ``openstack.kube.v1`` (``setup.cfg``). It provides credentials and their options. heatgen does
not depend on it, because no other parts of the client are used.
"""

import argparse
from typing import Any

API_NAME = "kube"
API_VERSION_OPTION = "os_kube_api_version"
API_VERSIONS = ("1",)
DEFAULT_API_VERSION = "1"


def make_client(instance: Any) -> Any:
    """Return the session, because no service of this name exists."""
    return instance.session


def build_option_parser(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Add the option for the version of the commands, which the client requires."""
    parser.add_argument(
        "--os-kube-api-version",
        metavar="<kube-api-version>",
        default=DEFAULT_API_VERSION,
        help=argparse.SUPPRESS,
    )
    return parser
