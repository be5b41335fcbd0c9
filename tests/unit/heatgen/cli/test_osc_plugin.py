# SPDX-License-Identifier: Apache-2.0
"""Plug-in of python-openstackclient."""

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
    """Return the entry points declared in setup.cfg by group."""
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    return {
        group: dict(tuple(part.strip() for part in line.split("=", 1))  # type: ignore[misc]
                    for line in text.strip().splitlines())
        for group, text in setup["options.entry_points"].items()
    }  # fmt: skip


def test_commands() -> None:
    """'openstack kube' has all commands of heatgen, with the same classes."""
    found = entry_points()
    commands = found["heatgen.commands"]
    assert found["openstack.kube.v1"] == {f"kube_{key}": path for key, path in commands.items()}
    for path in commands.values():
        module, _, name = path.partition(":")
        assert issubclass(getattr(import_module(module), name), base.Command), path


def test_plugin() -> None:
    """The module that python-openstackclient loads defines group and version of the commands."""
    plugin: Any = import_module(entry_points()["openstack.cli.extension"]["kube"])
    group = f"openstack.{plugin.API_NAME}.v{plugin.DEFAULT_API_VERSION}"
    assert group in entry_points()
    assert plugin.DEFAULT_API_VERSION in plugin.API_VERSIONS


def test_session_of_the_client(heat: Heat) -> None:
    """A command run by the client uses its session, and has no option --os-cloud."""
    sdk = connection.connect(connection.Options()).connection
    client = SimpleNamespace(client_manager=SimpleNamespace(sdk_connection=sdk))
    command = import_module("heatgen.cli.validate").Validate
    assert not command.auth_required
    status: Any = import_module("heatgen.cli.status").Status(client, None)
    assert status.auth_required
    arguments = status.get_parser("openstack kube status").parse_args([STACK])
    assert not hasattr(arguments, "os_cloud")
    assert status.cloud(arguments).connection is sdk
