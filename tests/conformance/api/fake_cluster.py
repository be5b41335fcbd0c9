# SPDX-License-Identifier: Apache-2.0
"""A cluster whose API returns prepared responses."""

from datetime import UTC, datetime
from typing import Any

from conformance.api.client import ApiStatusError

Json = dict[str, Any]

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


class FakeCluster:
    """An API that responds from a table, and with 404 to other requests."""

    def __init__(self, answers: Json) -> None:
        self.answers = answers
        self.server = ""

    def items(self, path: str, **query: str) -> list[Json]:
        """Return the items of a collection."""
        return list(self.get(path)["items"])

    def get(self, path: str) -> Json:
        """Return a response."""
        if path not in self.answers:
            raise ApiStatusError(404, f"{path} not found")
        return dict(self.answers[path])

    def now(self) -> datetime:
        """Return a fixed time."""
        return NOW
