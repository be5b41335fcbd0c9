# SPDX-License-Identifier: Apache-2.0
"""The cloud ring on the lab, as on any cloud: with OS_* variables, and a part of cluster.yaml."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.harness import controller, small_cluster
from lab.harness.figures import Figure

pytestmark = [pytest.mark.usefixtures("cloud"), pytest.mark.long]

SECONDS = 3600
LACKING = 3
SYSTEM = "debian-12"


def site(directory: Path) -> Path:
    """Write the part of cluster.yaml that the lab needs: mirrors, and settings for containers."""
    spec = yaml.safe_load((controller.CHECKOUT / "lab" / small_cluster.SPEC).read_text())
    del spec["name"], spec["cloud"]["image"]
    spec["cloud"]["nodes"] = small_cluster.NODES
    path = directory / "site.yaml"
    path.write_text(yaml.safe_dump(spec))
    return path


def ring(directory: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the ring with a directory for its report."""
    command = [str(controller.LAB), "shell", "python", "-m", "cloudring"]
    command += ["--output", str(directory / "report"), "--cluster", str(site(directory)), *words]
    return subprocess.run(
        command, cwd=controller.CHECKOUT, capture_output=True, text=True, timeout=SECONDS
    )


def test_debian(tmp_path: Path, report: Figure) -> None:
    """The ring creates, checks, restarts and deletes a cluster of Debian; nothing is left."""
    done = ring(tmp_path, "--image", f"{SYSTEM}=debian-12", "--ring", "lab")
    print(done.stderr)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    plain = json.loads((tmp_path / "report" / "report.json").read_text())
    (system,) = plain["systems"]
    report("cloud ring: seconds to create", system["create_seconds"])
    report("cloud ring: percent of a processor, idle agent", system["agent_cpu"])
    report("cloud ring: bytes of user data", system["user_data_bytes"])
    assert (system["verdict"], system["left"]) == ("passed", [])
    assert verdicts(system) == {
        "create": "passed", "suite": "passed", "idle agent": "passed",
        "reboot worker": "passed", "reboot control plane": "passed",
        "suite after reboot": "passed", "rollback": "skipped", "delete": "passed",
    }  # fmt: skip
    assert len(system["agent_cpu"]) == 2
    assert (tmp_path / "report" / "support" / f"{SYSTEM}-lab.json").exists()
    assert controller.stack_status(system["stack"]) == "absent"


def verdicts(system: dict[str, Any]) -> dict[str, str]:
    """Return the verdicts of a system's actions."""
    return {action["name"]: action["verdict"] for action in system["actions"]}


def test_unknown_image(tmp_path: Path) -> None:
    """What the cloud lacks is reported before anything is created."""
    done = ring(tmp_path, "--image", f"{SYSTEM}=no-such-image")
    assert done.returncode == LACKING, done.stderr
    assert "no-such-image" in done.stderr


def test_failure_is_deleted(tmp_path: Path) -> None:
    """A cluster whose creation fails is deleted, and the report has the reason."""
    words = ["--image", f"{SYSTEM}=debian-12", "--create-minutes", "1"]
    done = ring(tmp_path, *words)
    assert done.returncode == 1, done.stderr
    (system,) = json.loads((tmp_path / "report" / "report.json").read_text())["systems"]
    assert system["verdict"] == "failed"
    assert system["reason"].startswith("create: ")
    assert controller.stack_status(system["stack"]) == "absent"
