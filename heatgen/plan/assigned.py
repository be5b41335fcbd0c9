# SPDX-License-Identifier: Apache-2.0
"""Addresses that Neutron assigns (``cloud.addresses: assigned``).

During planning they are marks in texts, such as URLs and lists of addresses;
:mod:`heatgen.render.assigned_addresses` replaces each mark by an attribute of the resource that has
the address. A mark contains ``%index%``, which :mod:`heatgen.spec.template_safety` refuses in
``cluster.yaml``.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from heatgen.spec.template_safety import INDEX

_MARK = re.compile(f"{INDEX}(api|[0-9]+){INDEX}")
API = f"{INDEX}api{INDEX}"
"""Mark of the address of the load balancer."""


@dataclass(frozen=True)
class Assigned:
    """The address of control-plane node ``index``, or (None) that of the load balancer."""

    index: int | None


def control(index: int) -> str:
    """Return the mark of the address of a control-plane node."""
    return f"{INDEX}{index}{INDEX}"


def parts(text: str) -> Iterator[str | Assigned]:
    """Yield the parts of a text with marks; only the text itself if it has none."""
    for position, part in enumerate(_MARK.split(text)):
        if position % 2:
            yield Assigned(None if part == "api" else int(part))
        elif part:
            yield part


def shown(text: str) -> str:
    """Return a text for users, in which words replace marks."""
    return _MARK.sub("assigned by Neutron", text)
