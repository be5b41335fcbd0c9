# SPDX-License-Identifier: Apache-2.0
"""Users for the login on servers."""

from pathlib import Path

import yaml

from heatgen.stack import logins

CASES = Path(__file__).parents[3] / "golden"


def test_user_of_each_group() -> None:
    """The user is that of the operating system of the server's group."""
    template = yaml.safe_load((CASES / "cases/mixed/generated.yaml").read_text())
    users = logins.users(template)
    assert users == {
        "control": "debian",
        "worker": "debian",
        "ubuntu": "ubuntu",
        "docker": "ubuntu",
    }
    assert logins.user("my-stack", "my-stack-docker-10", users) == "ubuntu"
    assert logins.user("my-stack", "my-stack-other-0", users) == "debian"


def test_stack_of_an_old_version() -> None:
    """The servers of a stack that heatgen 0.1 created run Debian; other templates have no users."""
    template = yaml.safe_load((CASES / "released/0.1.0/ha/generated.yaml").read_text())
    assert set(logins.users(template).values()) == {"debian"}
    assert logins.users({}) == {}
    assert logins.users({"outputs": {"nodes": {"value": {"get_attr": ["a"]}}}}) == {}
