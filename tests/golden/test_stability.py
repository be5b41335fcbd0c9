# SPDX-License-Identifier: Apache-2.0
"""An update of a cluster from an earlier release replaces no server, disk, address or network.

``released/<version>`` contains the input files of each release, and the rendered templates. A new
release adds a directory (a copy of ``cases``); existing ones never change.
"""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from heatgen.hot import resolve
from heatgen.project import block_loader, project
from heatgen.stack import update_preview

RELEASED = Path(__file__).parent / "released"
CASES = sorted(path.parent.relative_to(RELEASED) for path in RELEASED.glob("*/*/cluster.yaml"))
Template = dict[str, Any]


def changes(before: Template, after: Template) -> list[update_preview.Change]:
    """Return the changes that an update of a stack to the second template makes."""
    old, new = (
        update_preview.StackState(data, resolve.parameters(data, {"OS::stack_name": "demo"}))
        for data in (before, after)
    )
    return update_preview.compare(old, new, block_loader.schema("heat"))


def released(case: Path) -> Template:
    """Return the template that the release rendered."""
    text = (RELEASED / case / "generated.yaml").read_text("utf-8")
    data = yaml.load(text, yaml.CSafeLoader)
    assert isinstance(data, dict)
    return data


def current(case: Path, folder: Path) -> Template:
    """Render the template from the same files."""
    for name in ("cluster.yaml", "cluster.lock.yaml", "cluster.admin.csr"):
        (folder / name).write_bytes((RELEASED / case / name).read_bytes())
    rendered = project.make_template(project.load(folder / "cluster.yaml"))
    return dict(yaml.load(rendered.text, yaml.CSafeLoader))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_update_loses_nothing(case: Path, tmp_path: Path) -> None:
    """No server, disk, address or network of an existing stack is replaced, rebuilt or removed."""
    lost = [change for change in changes(released(case), current(case, tmp_path)) if change.loses]
    assert lost == [], "an update to this version would destroy these"


def test_first_release_is_tested() -> None:
    """All profiles of the first release are tested."""
    assert {case.as_posix() for case in CASES} >= {"0.1.0/full", "0.1.0/ha", "0.1.0/minimal"}


LOSSES: dict[str, Callable[[Template], object]] = {
    "another zone": lambda data: data["control_0"]["properties"].update(availability_zone="x"),
    "another key": lambda data: data["control_1"]["properties"].update(key_name="x"),
    "an image by id": lambda data: data["control_2"]["properties"].update(image="x"),
    "another name": lambda data: data.update(server_0=data.pop("control_0")),
    "workers' groups": lambda data: data["workers"]["properties"]["resource_def"][
        "properties"
    ].update(security_groups=[]),
    "another subnet": lambda data: data["subnet"]["properties"].update(cidr="10.77.0.0/24"),
    "no floating IP": lambda data: data.pop("api_floating_ip"),
}


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_losses_are_detected(name: str) -> None:
    """A change that destroys a resource is detected."""
    before = released(Path("0.1.0/ha"))
    after = copy.deepcopy(before)
    LOSSES[name](after["resources"])
    assert any(change.loses for change in changes(before, after))
