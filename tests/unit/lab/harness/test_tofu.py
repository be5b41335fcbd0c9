# SPDX-License-Identifier: Apache-2.0
"""The CLI configuration of OpenTofu, which finds the provider without a registry."""

from pathlib import Path

from lab.artifacts import command
from lab.artifacts.recipes import load_component
from lab.harness import tofu


def test_settings(tmp_path: Path) -> None:
    """The provider is in the directory in which OpenTofu expects this version."""
    built = tmp_path / "built"
    built.mkdir()
    (built / tofu.PROVIDER).write_text("program")
    settings = tofu.write_settings(tmp_path / "mirror", built)
    version = load_component(command.FOLDER / "components" / tofu.PROVIDER).version
    program = f"linux_amd64/terraform-provider-openstack_v{version}"
    assert (tmp_path / "mirror" / tofu.ADDRESS / version / program).read_text() == "program"
    assert f'path = "{tmp_path / "mirror"}"' in settings.read_text()
    # Only with this method does OpenTofu connect to a registry.
    assert "direct" not in settings.read_text()
    assert f'source  = "{tofu.PROVIDER}/openstack"' in (tofu.EXAMPLE / "main.tf").read_text()
