# SPDX-License-Identifier: Apache-2.0
"""``heatgen plan``."""

import argparse
import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from heatgen.cli.base import DONE, FAILED, CloudCommand, add_cluster, print_error, print_notices

if TYPE_CHECKING:
    from heatgen.cloud.connection import Cloud
    from heatgen.plan.model import Plan as Planned

_TITLES = {
    "networks": "Networks and addresses",
    "servers": "Servers",
    "rules": "Security group rules",
    "steps": "Steps in order; those of a round run in parallel",
    "artifacts": "Artifacts that nodes fetch",
    "images": "Images that nodes pull",
    "limits": "Usage of the limits of Heat and Nova",
    "largest": "Maximum size of each group of workers",
    "preflight": "Required resources in the cloud",
}


class Plan(CloudCommand):
    """Show the planned cluster: addresses, servers, rules, steps, and usage of limits."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of the command's arguments."""
        parser = super().get_parser(prog_name)
        add_cluster(parser)
        parser.add_argument(
            "-f", "--format", choices=("table", "json", "yaml"), default="table", dest="form",
            help="output format (default: %(default)s)",
        )  # fmt: skip
        parser.add_argument(
            "--preflight", action="store_true",
            help="check the cloud for the required resources; nothing is changed",
        )  # fmt: skip
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        """Print the plan.

        Return 2 if a limit of the cloud is exceeded, 1 if the cloud lacks a requirement.
        """
        # Imported here to keep the start of commands fast.
        from heatgen.plan.check_result import MISSING
        from heatgen.project import project
        from heatgen.render import heat_limits
        from heatgen.render.summary import summarize
        from heatgen.render.template import render

        cluster = project.load(parsed_args.cluster)
        planned = project.make_plan(cluster)
        template = render(planned).as_dict()
        found = summarize(planned, template)
        if parsed_args.preflight:
            found["preflight"] = _preflight(planned, self.cloud(parsed_args))
        sys.stdout.write(_WRITERS[parsed_args.form](found))
        print_notices(cluster)
        project.check_limits(cluster, heat_limits.usage(planned, template))
        missing = [row for row in found.get("preflight", ()) if row["verdict"] == MISSING]
        for row in missing:
            message = f"{row['what']}: required {row['needed']}, found {row['there']}"
            print_error(row["code"], message, row["advice"])
        return FAILED if missing else DONE


def _preflight(planned: "Planned", cloud: "Cloud") -> list[dict[str, Any]]:
    """Compare the requirements with the state of the cloud."""
    from dataclasses import asdict

    from heatgen.cloud import preflight
    from heatgen.cloud.connection import call
    from heatgen.plan import cloud_requirements

    needed = cloud_requirements.requirements(planned)
    state = call(preflight.read_state, cloud.connection, needed)
    return [asdict(item) for item in cloud_requirements.check(needed, state)]


def table(found: dict[str, Any]) -> str:
    """Return the sections as tables."""
    lines = ["Cluster " + ", ".join(str(value) for value in found["cluster"].values())]
    for key, title in _TITLES.items():
        if key not in found:
            continue
        lines += ["", title, *(f"  {line}" for line in _section(found[key]))]
    return "\n".join(lines) + "\n"


def _section(part: Any) -> Iterator[str]:
    """Yield the lines of a section: a mapping, a list of strings, or rows with equal columns."""
    if isinstance(part, dict):
        yield from columns([[name, str(value)] for name, value in part.items()])
    elif part and isinstance(part[0], dict):
        kept = [name for name in part[0] if any(row[name] not in ("", []) for row in part)]
        yield from columns([kept, *([_cell(row[name]) for name in kept] for row in part)])
    else:
        yield from part


def columns(rows: list[list[str]]) -> Iterator[str]:
    """Yield rows as lines with aligned columns."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(map(str.ljust, row, widths)).rstrip()


def _cell(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)


def _yaml(found: dict[str, Any]) -> str:
    from heatgen.yamlio import writer

    return writer.dump(found)


_WRITERS = {
    "table": table,
    "json": lambda found: json.dumps(found, indent=1) + "\n",
    "yaml": _yaml,
}
