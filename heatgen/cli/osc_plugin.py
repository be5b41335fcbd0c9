# SPDX-License-Identifier: Apache-2.0
"""The commands as a plug-in of python-openstackclient: ``openstack kube create`` and so on.

The client finds this module by the entry point ``openstack.cli.extension`` and the commands in the
group ``openstack.kube.v1`` (``setup.cfg``). It brings credentials and their options itself. Nothing
else is needed of it, so heatgen does not depend on it.
"""

import argparse
from typing import Any

API_NAME = "kube"
API_VERSION_OPTION = "os_kube_api_version"
API_VERSIONS = ("1",)
DEFAULT_API_VERSION = "1"


def make_client(instance: Any) -> Any:
    """There is no service of this name; what commands ask is asked with the session."""
    return instance.session


def build_option_parser(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """The client wants to know which version of the commands is meant; there is one."""
    parser.add_argument(
        "--os-kube-api-version",
        metavar="<kube-api-version>",
        default=DEFAULT_API_VERSION,
        help=argparse.SUPPRESS,
    )
    return parser
