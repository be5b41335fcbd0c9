# SPDX-License-Identifier: Apache-2.0
"""The real Heat as an oracle, offline: its parser, resources, functions and limits.

Only requests to other services are mocked, as in Heat's own unit tests: whether a service is
available, and whether an image, flavor, network or key pair exists.
"""

import copy
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from heat.common import context, messaging, template_format
from heat.engine import constraints, node_data, resource, resources, stack, stk_defn, template
from heat.engine.clients.os import glance, neutron, nova
from oslo_config import cfg

from . import matrix

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "cases"
NAMES = sorted(path.name for path in GOLDEN.iterdir())

IMAGE = SimpleNamespace(id="image", min_ram=0, min_disk=0, size=1, status="active")
FLAVOR = SimpleNamespace(id="flavor", ram=2048, disk=6)
QUOTAS = {"maxPersonality": 5, "maxPersonalitySize": 10240, "maxServerMeta": 128}


@pytest.fixture(scope="session")
def heat() -> None:
    """Load Heat's resources and functions as its engine does."""
    cfg.CONF([], project="heat", default_config_files=[])
    messaging.setup("fake://", optional=True)
    resources.initialise()


@pytest.fixture(autouse=True)
def cloud(heat: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mock a cloud in which every name exists."""

    def mock(owner: type, name: str, function: Callable[..., Any]) -> None:
        monkeypatch.setattr(owner, name, function)

    mock(resource.Resource, "is_service_available", classmethod(lambda *_: (True, None)))
    mock(constraints.BaseCustomConstraint, "validate", lambda *_: True)
    mock(glance.GlanceClientPlugin, "find_image_by_name_or_id", lambda _, name: name)
    mock(glance.GlanceClientPlugin, "get_image", lambda *_: IMAGE)
    mock(nova.NovaClientPlugin, "find_flavor_by_name_or_id", lambda _, name: name)
    mock(nova.NovaClientPlugin, "get_flavor", lambda *_: FLAVOR)
    mock(nova.NovaClientPlugin, "absolute_limits", lambda _: QUOTAS)
    mock(nova.NovaClientPlugin, "is_version_supported", lambda *_: True)
    mock(
        neutron.NeutronClientPlugin,
        "find_resourceid_by_name_or_id",
        lambda _, kind, name, cmd_resource=None: name,
    )


@pytest.fixture(scope="session")
def goldens() -> dict[str, dict[str, Any]]:
    """Return the golden templates, parsed by Heat, and the templates of the matrix, by case."""
    read = {
        name: template_format.parse((GOLDEN / name / "generated.yaml").read_text("utf-8"))
        for name in NAMES
    }
    return read | {name: matrix.template(name) for name in matrix.NAMES}


@pytest.fixture(params=[*NAMES, *matrix.NAMES])
def golden(request: pytest.FixtureRequest, goldens: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return a copy of each template, which tests can modify."""
    return copy.deepcopy(goldens[request.param])


@pytest.fixture
def make_stack() -> Callable[[dict[str, Any]], stack.Stack]:
    """Return a function that creates a stack named demo from a template."""
    user = context.RequestContext(
        username="user", user_id="user", project_id="project", is_admin=False, auth_token="token",
        auth_url="http://keystone.invalid/v3",
    )  # fmt: skip
    return lambda data: stack.Stack(user, "demo", template.Template(data))


def created(of: stack.Stack, name: str, reference: str, attributes: dict[Any, Any]) -> None:
    """Mark a resource as complete, with the attributes that functions return."""
    data = node_data.NodeData(1, name, f"uuid-{name}", reference, attributes, "CREATE", "COMPLETE")
    stk_defn.update_resource_data(of.defn, name, data)
