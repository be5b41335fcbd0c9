# SPDX-License-Identifier: Apache-2.0
"""The commands in doc/how-to/import-tosca.rst write the files shown there."""

import os
import subprocess
import sys
from pathlib import Path

from tests import shown

DOCUMENT = "doc/how-to/import-tosca.rst"
# Output of the client in the lab, except for the sizes.
FLAVORS = """\
[
  {
    "ID": "a94e8136-f72c-4728-a42a-8782a10e330d",
    "Name": "big",
    "RAM": 8192,
    "Disk": 40,
    "Ephemeral": 0,
    "VCPUs": 4,
    "Is Public": true
  }
]
"""


def test_the_document(tmp_path: Path) -> None:
    """The commands run in order, and write the files shown."""
    (tmp_path / "topology.yaml").write_text(shown.block(DOCUMENT, "yaml", 0))
    (tmp_path / "flavors.json").write_text(FLAVORS)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    outputs = []
    for command in shown.runnable(DOCUMENT):
        if command.startswith("openstack "):
            continue
        done = subprocess.run(
            ["bash", "-c", command], cwd=tmp_path, env={**os.environ, "PATH": path},
            capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}\n{done.stderr}"
        outputs.append(done.stdout)
    assert (tmp_path / "cluster.yaml").read_text() == shown.block(DOCUMENT, "yaml", 1)
    assert "flavor: big" in outputs[-1]
