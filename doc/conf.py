# SPDX-License-Identifier: Apache-2.0
"""Sphinx: ``tox run -e docs``."""

import argparse

from cliff.command import Command
from cliff.commandmanager import CommandManager
from cliff.sphinxext import AutoprogramCliffDirective
from sphinx.application import Sphinx

project = "heatgen"
project_copyright = "The heatgen maintainers"
extensions = ["cliff.sphinxext", "reno.sphinxext"]
autoprogram_cliff_application = "heatgen"
# Two hyphens are an option, not a dash.
smartquotes = False
html_theme = "alabaster"
html_theme_options = {
    "description": "Kubernetes on OpenStack from Heat alone",
    "page_width": "72em",
}


class Commands(AutoprogramCliffDirective):
    """cliff's directive, which does not replace ``%(default)s`` in help texts."""

    def _load_command(self, manager: CommandManager, command_name: str) -> type[Command]:
        found = super()._load_command(manager, command_name)

        class Filled(found):  # type: ignore[valid-type, misc]
            __doc__ = found.__doc__

            def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
                parser: argparse.ArgumentParser = super().get_parser(prog_name)
                for action in parser._actions:  # noqa: SLF001  argparse has no public attribute
                    if action.help:
                        action.help %= {**vars(action), "prog": prog_name}
                return parser

        return Filled


def setup(app: Sphinx) -> None:
    """Replace the directive of cliff."""
    app.setup_extension("cliff.sphinxext")
    app.add_directive("autoprogram-cliff", Commands, override=True)
