# SPDX-License-Identifier: Apache-2.0
"""Comparison with files that are generated and under version control."""

import os
from pathlib import Path


def compare(path: Path, text: str, command: str) -> None:
    """Assert that a file has a text; with HEATGEN_REGENERATE, write the file first.

    Args:
        path: the file.
        text: its expected content.
        command: the arguments of the command that writes the file: a runner and its tests.
    """
    if os.environ.get("HEATGEN_REGENERATE"):
        path.write_text(text, "utf-8")
    advice = f"if this is intended, run HEATGEN_REGENERATE=1 {command}"
    assert text == path.read_text("utf-8"), f"{path} differs; {advice}"
