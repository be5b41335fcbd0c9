# SPDX-License-Identifier: Apache-2.0
"""Recorded facts: of sound clusters, and of clusters with a fault in them."""

from pathlib import Path
from typing import Any

from conformance import facts

FOLDER = Path(__file__).parents[2] / "tests" / "conformance" / "recorded"
SOUND = FOLDER / "sound"


def sound(cluster: str) -> dict[str, Any]:
    """The facts of a sound cluster, as plain JSON."""
    return dict(facts.read(SOUND / f"{cluster}.json.gz"))
