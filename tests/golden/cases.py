# SPDX-License-Identifier: Apache-2.0
"""The golden cases: folders with a cluster's files and the template that they must give."""

import shutil
from pathlib import Path

from heatgen.project import project

CASES = Path(__file__).parent / "cases"
NAMES = sorted(path.name for path in CASES.iterdir())
INPUTS = ("cluster.yaml", "cluster.lock.yaml", "cluster.admin.csr")


def render(name: str, folder: Path) -> str:
    """The template of a case, rendered from a copy of its files in a folder."""
    for file in INPUTS:
        shutil.copy(CASES / name / file, folder / file)
    return project.make_template(project.load(folder / "cluster.yaml")).text
