# SPDX-License-Identifier: Apache-2.0
"""OpenTofu with the OpenStack provider, both built by the lab, without a registry."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.artifacts import command
from lab.artifacts.recipes import load_component
from lab.harness import controller
from lab.harness.controller import Word

PROVIDER = "terraform-provider-openstack"
ADDRESS = f"registry.opentofu.org/{PROVIDER}/openstack"
EXAMPLE = controller.CHECKOUT / "examples" / "terraform"


@dataclass(frozen=True)
class Tofu:
    """OpenTofu in a directory with a configuration, as the regular user `demo`."""

    program: Path
    settings: Path
    """The CLI configuration: providers come only from a directory."""
    directory: Path

    def run(self, subcommand: str, *words: Word) -> bytes:
        """Run a subcommand, which must succeed; return its output."""
        environment = [f"TF_CLI_CONFIG_FILE={self.settings}", "TF_IN_AUTOMATION=1"]
        command_line = ["env", *environment, self.program, subcommand, "-no-color", *words]
        return controller.inside(*command_line, directory=self.directory)

    def apply(self, *words: Word) -> None:
        """Create or update everything in the configuration."""
        self.run("apply", "-auto-approve", "-input=false", *words)

    def assert_no_drift(self, *words: Word) -> None:
        """Check that a plan, which reads everything from the cloud, has no changes."""
        self.run("plan", "-detailed-exitcode", "-input=false", *words)

    def state(self) -> dict[str, Any]:
        """Return the state, as stored in the file."""
        found: dict[str, Any] = json.loads((self.directory / "terraform.tfstate").read_text())
        return found


def prepare(directory: Path) -> Tofu:
    """Copy the example into a directory and build what it needs; return OpenTofu there.

    Args:
        directory: contains or will contain `generated.yaml`.
    """
    for file in EXAMPLE.glob("*.tf"):
        shutil.copy(file, directory)
    program = command.build_component("opentofu") / "tofu"
    settings = write_settings(directory / "providers", command.build_component(PROVIDER))
    return Tofu(program=program, settings=settings, directory=directory)


def write_settings(mirror: Path, built: Path) -> Path:
    """Create a file system mirror with the built provider; return the CLI configuration for it."""
    version = load_component(command.FOLDER / "components" / PROVIDER).version
    package = mirror / ADDRESS / version / "linux_amd64"
    package.mkdir(parents=True)
    shutil.copy(built / PROVIDER, package / f"{PROVIDER}_v{version}")
    settings = mirror / "settings.tfrc"
    settings.write_text(
        "disable_checkpoint = true\n"
        f'provider_installation {{\n  filesystem_mirror {{\n    path = "{mirror}"\n  }}\n}}\n'
    )
    return settings
