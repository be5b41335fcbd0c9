# SPDX-License-Identifier: Apache-2.0
"""The commands as a plug-in of python-openstackclient."""

from configparser import ConfigParser
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from heatgen.cli import base
from heatgen.cloud import connection
from tests.unit.heatgen.support.fake_heat import STACK, Heat

ROOT = Path(__file__).resolve().parents[4]


def entry_points() -> dict[str, dict[str, str]]:
    """Groups of entry points as they are declared."""
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    return {
        group: dict(tuple(part.strip() for part in line.split("=", 1))  # type: ignore[misc]
                    for line in text.strip().splitlines())
        for group, text in setup["options.entry_points"].items()
    }  # fmt: skip


def test_every_command_is_also_the_clients() -> None:
    """'openstack kube' has the same commands, of the same classes, and all report alike."""
    found = entry_points()
    ours = found["heatgen.commands"]
    assert found["openstack.kube.v1"] == {f"kube_{name}": place for name, place in ours.items()}
    for place in ours.values():
        module, _, name = place.partition(":")
        assert issubclass(getattr(import_module(module), name), base.Command), place


def test_plugin_is_what_the_client_wants() -> None:
    """The module that python-openstackclient loads names group and version of the commands."""
    plugin: Any = import_module(entry_points()["openstack.cli.extension"]["kube"])
    group = f"openstack.{plugin.API_NAME}.v{plugin.DEFAULT_API_VERSION}"
    assert group in entry_points()
    assert plugin.DEFAULT_API_VERSION in plugin.API_VERSIONS


def test_client_brings_the_cloud(heat: Heat) -> None:
    """Run by the client, a command takes its session and offers no --os-cloud of its own."""
    sdk = connection.connect().connection
    client = SimpleNamespace(client_manager=SimpleNamespace(sdk_connection=sdk))
    command = import_module("heatgen.cli.validate").Validate
    assert not command.auth_required
    asking: Any = import_module("heatgen.cli.status").Status(client, None)
    assert asking.auth_required
    arguments = asking.get_parser("openstack kube status").parse_args([STACK])
    assert not hasattr(arguments, "os_cloud")
    assert asking.cloud(arguments).connection is sdk
