# SPDX-License-Identifier: Apache-2.0
"""Help of ``heatgen`` without a command: all commands, by the stage of a cluster's life."""

import argparse

from cliff.commandmanager import CommandManager

GROUPS = {
    "Prepare a cluster": (
        "init", "validate", "lock", "plan", "graph", "render", "import", "schema",
    ),
    "Run a cluster": (
        "create", "list", "status", "kubeconfig", "test", "logs", "backup list", "backup now",
    ),
    "Change a cluster": (
        "diff", "update", "scale", "replace", "repair", "rotate certificates",
        "rotate authorities", "restore", "delete",
    ),
    "Building blocks": ("block list", "block show", "block new", "block lint"),
    "Other": ("completion", "help"),
}  # fmt: skip
_EXAMPLES = """\
Examples:
  heatgen init && heatgen create cluster.yaml
  heatgen kubeconfig demo -o kubeconfig && heatgen test demo
  heatgen update cluster.yaml

'heatgen help COMMAND' shows the options of a command.
"""


def text(parser: argparse.ArgumentParser, commands: CommandManager) -> str:
    """Return the help text."""
    found = {name: _summary(name, commands) for name, _ in commands}
    grouped = {name for names in GROUPS.values() for name in names}
    # Commands of other packages.
    groups = GROUPS | {"Other": (*GROUPS["Other"], *sorted(found.keys() - grouped))}
    width = max(map(len, found))
    lines = [parser.format_help()]
    for title, names in groups.items():
        lines.append(f"{title}:")
        lines += [f"  {name:<{width}}  {found[name]}" for name in names if name in found]
        lines.append("")
    return "\n".join([*lines, _EXAMPLES])


def _summary(name: str, commands: CommandManager) -> str:
    """Return the first sentence of a command's description."""
    factory, _, _ = commands.find_command(name.split())
    first = " ".join((factory.__doc__ or "").strip().partition("\n\n")[0].split())
    return first.rstrip(".")
