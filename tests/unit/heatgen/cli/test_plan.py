# SPDX-License-Identifier: Apache-2.0
"""``heatgen plan``."""

import json
from pathlib import Path

import pytest
import yaml

from heatgen.cli.main import main
from heatgen.cloud import preflight
from heatgen.plan.cloud_requirements import CloudState
from tests.unit.heatgen.support.fake_heat import Heat


def test_plan(cluster: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The plan is printed as a table, or as JSON or YAML; no key is created."""
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
    """A missing lock is an error with the command that creates it."""
    cluster.with_name("cluster.lock.yaml").unlink()
    assert main(["plan", str(cluster)]) == 2
    err = capsys.readouterr().err
    assert "error[missing-lock]: " in err
    assert "run 'heatgen lock" in err


def test_unmet_requirement(
    heat: Heat, cluster: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A requirement that the cloud does not meet is an error; the exit code is 1."""
    state = CloudState(images={"debian-12": None})
    monkeypatch.setattr(preflight, "read_state", lambda *_: state)
    assert main(["plan", str(cluster), "--preflight"]) == 1
    assert "error[requirement-not-met]: image: " in capsys.readouterr().err
