# SPDX-License-Identifier: Apache-2.0
"""A fault and test results, for tests of the runner and of the evaluation."""

from types import ModuleType
from typing import Any

from conformance.results.records import Result
from lab.faultinjection.catalog import Fault
from lab.faultinjection.context import Victims

VICTIM = Victims(("demo-worker-0",))


def fault(**attributes: Any) -> Fault:
    """Return a fault whose module has these attributes."""
    module = ModuleType("vxlan_blocked")
    vars(module).update({"KIND": "real", **attributes})
    return Fault("vxlan-blocked", module)


def result(check: str, outcome: str = "failed", message: str = "demo-worker-0: lost") -> Result:
    """Return the result of one test of a check."""
    return Result(
        test=f"test_flannel.py::{check}[x]",
        check=check,
        layer="network",
        outcome=outcome,
        seconds=0.1,
        headline=message,
        detail=f"{message}\n  seen  …",
    )
