# SPDX-License-Identifier: Apache-2.0
"""``heatgen plan``."""

import json
from pathlib import Path

import pytest
import yaml

from heatgen.cli.main import main


def test_plan(cluster: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The plan is shown as a table, or as JSON or YAML; no key is made for it."""
    cluster.with_name("cluster.admin.csr").unlink()
    before = sorted(cluster.parent.iterdir())
    assert main(["plan", str(cluster)]) == 0
    assert "STACK-control-0" in capsys.readouterr().out
    assert main(["plan", str(cluster), "-f", "json"]) == 0
    as_json = json.loads(capsys.readouterr().out)
    assert as_json["networks"]["DNS"] == "10.96.0.10"
    assert main(["plan", str(cluster), "-f", "yaml"]) == 0
    assert yaml.safe_load(capsys.readouterr().out) == as_json
    assert sorted(cluster.parent.iterdir()) == before


def test_plan_without_lock(cluster: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is missing is named, and how to get it."""
    cluster.with_name("cluster.lock.yaml").unlink()
    assert main(["plan", str(cluster)]) == 2
    assert "run 'heatgen lock" in capsys.readouterr().err
