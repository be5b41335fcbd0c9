# SPDX-License-Identifier: Apache-2.0
"""Golden cases: directories with the files of a cluster and the expected template."""

import shutil
from pathlib import Path

from heatgen.project import project

CASES = Path(__file__).parent / "cases"
NAMES = sorted(path.name for path in CASES.iterdir())
INPUTS = ("cluster.yaml", "cluster.lock.yaml", "cluster.admin.csr", "cluster.backup.crt")


def render(name: str, folder: Path) -> str:
    """Render the template of a case from a copy of its files in a directory."""
    for file in INPUTS:
        shutil.copy(CASES / name / file, folder / file)
    return project.make_template(project.load(folder / "cluster.yaml")).text
