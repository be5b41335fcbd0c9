# SPDX-License-Identifier: Apache-2.0
"""Addresses that Neutron assigns, in HOT: attributes of ports and of the load balancer."""

from collections.abc import Mapping
from typing import Any

from heatgen.hot import names
from heatgen.hot.template import Expression, get_attr, list_join
from heatgen.plan import assigned
from heatgen.plan.assigned import Assigned


def resolved(value: Any) -> Any:
    """Return a value of a template in which attributes replace the marks of addresses."""
    if isinstance(value, Mapping):
        return {key: resolved(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [resolved(item) for item in value]
    return _text(value) if isinstance(value, str) else value


def _text(text: str) -> Expression:
    parts = [
        _address(part) if isinstance(part, Assigned) else part for part in assigned.parts(text)
    ]
    if any(isinstance(part, dict) for part in parts):
        return parts[0] if len(parts) == 1 else list_join("", parts)
    return text


def _address(address: Assigned) -> Expression:
    if address.index is None:
        return get_attr("api_load_balancer", "vip_address")
    return get_attr(names.control_port(address.index), "fixed_ips", 0, "ip_address")
