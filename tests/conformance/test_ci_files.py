# SPDX-License-Identifier: Apache-2.0
"""The example CI jobs in doc/ci are valid and use existing options of the suite."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from conformance import options
from tests.conformance.conftest import SUITE

CI = SUITE.parent / "doc" / "ci"
FILES = sorted(CI.rglob("*.yaml"))
PYTEST = {"--junitxml"}


def load(name: str) -> Any:
    """Parse a file as YAML 1.2, in which ``on`` is a string."""
    text = re.sub(r"^on:", '"on":', (CI / name).read_text(), flags=re.MULTILINE)
    return yaml.safe_load(text)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_options_are_the_suites(path: Path) -> None:
    """Every option that a job passes to the suite is an option of the suite or of pytest."""
    parser = pytest.Parser(_ispytest=True)
    options.add(parser)
    known = {name for group in parser._groups for each in group.options for name in each.names()}
    for command in re.findall(
        r"-m conformance((?:.|\n)*?)(?:\n\n|\n {6}- |\n {8}chdir|\Z)", path.read_text()
    ):
        given = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", command))
        assert given
        assert given <= known | PYTEST


def test_jobs_for_github_and_zuul() -> None:
    """The files for GitHub and Zuul exist, and both run the suite."""
    texts = {path.name: path.read_text() for path in FILES}
    assert {"github-conformance.yaml", "conformance.yaml", "run.yaml", "post.yaml"} <= set(texts)
    assert "-m conformance" in texts["github-conformance.yaml"]
    assert "-m conformance" in texts["run.yaml"]


def test_github_workflow() -> None:
    """The workflow runs on a schedule and manually, read-only, and always saves the report."""
    flow = load("github-conformance.yaml")
    (entry,) = flow["on"]["schedule"]
    assert len(entry["cron"].split()) == 5
    assert "workflow_dispatch" in flow["on"]
    assert flow["permissions"] == {"contents": "read"}
    (job,) = flow["jobs"].values()
    assert job["timeout-minutes"] > 480
    assert all(("uses" in step) != ("run" in step) for step in job["steps"])
    assert [step["if"] for step in job["steps"][-2:]] == ["always()", "always()"]


def test_zuul_job() -> None:
    """The job is periodic, its playbooks exist, it returns artifacts, and hides its secret."""
    found = {kind: body for each in load("zuul.d/conformance.yaml") for kind, body in each.items()}
    assert found["project"]["periodic"]["jobs"] == [found["job"]["name"]]
    assert found["job"]["secrets"][0]["secret"] == found["secret"]["name"]
    assert found["job"]["semaphores"] == found["semaphore"]["name"]
    for when in ("run", "post-run"):
        (play, *_) = load(found["job"][when])
        assert play["tasks"]
    tasks = [task for play in load("playbooks/run.yaml") for task in play["tasks"]]
    (secret,) = [task for task in tasks if "kubeconfig.text" in str(task)]
    assert secret["no_log"] is True
    after = [task for play in load("playbooks/post.yaml") for task in play["tasks"]]
    assert any("zuul_return" in task for task in after)
