# SPDX-License-Identifier: Apache-2.0
"""The commit-message hook of pre-commit: which messages it accepts."""

import re
from pathlib import Path

import pytest
import yaml

CONFIG = Path(__file__).resolve().parents[3] / ".pre-commit-config.yaml"
HOOKS = [hook for repo in yaml.safe_load(CONFIG.read_text())["repos"] for hook in repo["hooks"]]
RULE = next(hook["entry"] for hook in HOOKS if hook["id"] == "commit-message")


def accepted(message: str) -> bool:
    """Return whether the hook accepts a message, as pre-commit's pygrep does with --multiline."""
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
    """The area, an imperative in lower case, an empty line before the body."""
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
def test_refused(message: str) -> None:
    """No area, upper case, a full stop, no empty line, or more than 72 characters."""
    assert not accepted(message)
