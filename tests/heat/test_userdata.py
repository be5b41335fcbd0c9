# SPDX-License-Identifier: Apache-2.0
"""User data as built by the real Heat fits in Nova's limit."""

import base64
import email
from typing import Any

from heat.engine.clients.os import nova

MAX_BASE64 = 65535
"""Characters of user_data in Nova's API schema."""

# As large as in a cloud with long names and URLs.
METADATA = {
    "os-collect-config": {
        "collectors": ["heat", "local"],
        "polling_interval": 2,
        "heat": {
            "auth_url": "https://identity.region-1.cloud.example.com:5000/v3/",
            "user_id": "a" * 64,
            "password": "p" * 64,
            "project_id": "b" * 64,
            "stack_id": "a-name-of-a-stack-that-is-as-long-as-it-may-be/" + "c" * 36,
            "resource_name": "control_0",
            "region_name": "region-1",
        },
    },
    "deployments": [],
}


def built(golden: dict[str, Any]) -> str:
    """Return user data as sent to Nova."""
    text = golden["resources"]["agent"]["properties"]["config"]
    plugin = nova.NovaClientPlugin.__new__(nova.NovaClientPlugin)
    return str(plugin.build_userdata(METADATA, text, user_data_format="SOFTWARE_CONFIG"))


def test_size(golden: dict[str, Any]) -> None:
    """With Heat's own parts and large metadata, user data uses less than 90 % of the limit."""
    encoded = base64.b64encode(built(golden).encode())
    assert len(encoded) < MAX_BASE64 * 0.9


def test_parts(golden: dict[str, Any]) -> None:
    """The agent is an unchanged part of the user data; the metadata is another part."""
    text = golden["resources"]["agent"]["properties"]["config"]
    parts = [
        part.get_payload(decode=True).decode()
        for part in email.message_from_string(built(golden)).walk()
        if not part.is_multipart()
    ]
    assert text in parts
    assert any('"os-collect-config"' in part for part in parts)


def test_room_for_heat(golden: dict[str, Any]) -> None:
    """Heat adds no more than heatgen.render.heat_limits assumes (HEAT_USER_DATA)."""
    text = golden["resources"]["agent"]["properties"]["config"]
    encoded = len(text) if text.isascii() else len(base64.encodebytes(text.encode()))
    assert len(built(golden)) - encoded < 12_000
