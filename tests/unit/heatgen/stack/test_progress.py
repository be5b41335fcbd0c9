# SPDX-License-Identifier: Apache-2.0
"""Progress of groups with gaps, in which workers were removed by index."""

from typing import Any

from heatgen.hot import resolve
from heatgen.stack.identity import size
from heatgen.stack.progress import Progress
from tests.unit.heatgen.support.fake_heat import TEMPLATE

RESOURCES: dict[str, Any] = resolve.resources(TEMPLATE, {})
GAPS = RESOURCES | {
    "workers": {
        "type": "OS::Heat::ResourceGroup",
        "properties": RESOURCES["workers"]["properties"]
        | {"count": 3, "removal_policies": [{"resource_list": ["1"]}]},
    }
}


def test_members() -> None:
    """Servers and steps have the names of the existing workers; a removed one is no item."""
    progress = Progress("demo", GAPS)

    def shown(resource: str, index: str) -> str:
        return str(progress.item(f"demo-{resource}-x4ptvpyithc6", index))

    assert shown("workers", "3") == "server on demo-worker-3"
    assert shown("runtime_start_workers", "3") == "runtime/start on demo-worker-3"
    assert shown("runtime_start_workers", "2") == "runtime/start on demo-worker-2"
    assert shown("workers", "1") == "None"
    assert {layer: total for layer, _, total, _ in progress.layers()}["runtime"] == 3


def test_expected_members() -> None:
    """Only the steps of a new worker begin again."""
    progress = Progress("demo", GAPS)
    progress.states = dict.fromkeys(progress.states, "COMPLETE")
    progress.expect("runtime_start_workers", ["demo-worker-3"])
    [layer] = [item for item in progress.layers() if item[0] == "runtime"]
    assert layer[1:3] == (2, 3)


def test_size() -> None:
    """A group with gaps has as many workers as its count."""
    assert size(GAPS).workers == 3
