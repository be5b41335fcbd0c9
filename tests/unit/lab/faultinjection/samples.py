# SPDX-License-Identifier: Apache-2.0
"""A fault and results of tests, for the tests of the runner and of its verdicts."""

from types import ModuleType
from typing import Any

from conformance.results.records import Result
from lab.faultinjection.catalog import Fault
from lab.faultinjection.context import Victims

VICTIM = Victims(("demo-worker-0",))


def fault(**said: Any) -> Fault:
    """A fault whose module says this."""
    module = ModuleType("vxlan_blocked")
    vars(module).update({"KIND": "real", **said})
    return Fault("vxlan-blocked", module)


def result(check: str, outcome: str = "failed", said: str = "demo-worker-0: gone") -> Result:
    """How one test of a check ended."""
    return Result(
        test=f"test_flannel.py::{check}[x]",
        check=check,
        layer="network",
        outcome=outcome,
        seconds=0.1,
        headline=said,
        detail=f"{said}\n  seen  …",
    )
