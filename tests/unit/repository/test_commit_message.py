# SPDX-License-Identifier: Apache-2.0
"""Tests of pre-commit's hook for commit messages."""

import re
from pathlib import Path

import pytest
import yaml

CONFIG = Path(__file__).resolve().parents[3] / ".pre-commit-config.yaml"
HOOKS = [hook for repo in yaml.safe_load(CONFIG.read_text())["repos"] for hook in repo["hooks"]]
RULE = next(hook["entry"] for hook in HOOKS if hook["id"] == "commit-message")


def accepted(message: str) -> bool:
    """Return whether the hook accepts a message, like pre-commit's pygrep with --multiline."""
    return re.search(RULE.encode(), message.encode(), re.MULTILINE | re.DOTALL) is not None


@pytest.mark.parametrize(
    "message",
    [
        "render: add a common dependency\n",
        "tests/lab: share helpers for etcd status and CoreDNS\n\nTwo modules had copies.\n",
        ".ci, Makefile: install with uv\n# Please enter the commit message\n",
        f"doc: {'x' * 67}\n",
        "Merge branch 'a-branch-whose-name-makes-the-subject-longer-than-72-characters'\n",
    ],
)
def test_accepted(message: str) -> None:
    """A subject has an area and a lower-case imperative; an empty line precedes the body."""
    assert accepted(message)


@pytest.mark.parametrize(
    "message",
    [
        "Add a common dependency\n",
        "render: Add a common dependency\n",
        "render: add a common dependency.\n",
        "render: add a common dependency\nthe body follows at once\n",
        f"doc: {'x' * 68}\n",
        "render:add\n",
        "\n",
    ],
)
def test_rejected(message: str) -> None:
    """Other subjects are rejected, such as one without area or longer than 72 characters."""
    assert not accepted(message)
