# SPDX-License-Identifier: Apache-2.0
"""What the lab ring takes for granted; without it nothing is told, rather than skipped."""

import os

import pytest

from tests.lab import controller


@pytest.fixture(scope="session")
def demo_stack() -> None:
    """Give up at once unless we are root and the stack `demo` stands in the lab."""
    if os.geteuid() != 0:
        pytest.exit("the lab ring needs root", returncode=2)
    status = controller.stack_status("demo")
    if status != "CREATE_COMPLETE":
        pytest.exit(f"stack demo is {status}: run `make demo` first", returncode=2)
