# SPDX-License-Identifier: Apache-2.0
"""The faults that have a module, and the checks that declare them."""

import ast
import functools
import importlib
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from conformance.faults import FAULTS
from conformance.layers import LAYERS

KINDS = {
    "real": "the fault itself is injected into a cluster",
    "effect": "the effect of the fault is produced in another way",
    "replayed": "recorded facts are changed; no cluster is used",
}
NEEDS = ("any", "quorum", "docker", "kernel", "ostree")
SUITE = Path(inspect.getfile(importlib.import_module("conformance.tests"))).parent
FOLDER = Path(__file__).parent / "faults"


@dataclass(frozen=True)
class Fault:
    """A fault and its module; `faults/__init__.py` describes what a module defines."""

    name: str
    module: ModuleType

    @property
    def kind(self) -> str:
        """One of `KINDS`."""
        return str(self.module.KIND)

    @property
    def replayed(self) -> bool:
        """Whether the fault needs no cluster."""
        return self.kind == "replayed"

    @property
    def needs(self) -> str:
        """One of `NEEDS`."""
        return str(self._attribute("NEEDS", "any"))

    @property
    def description(self) -> str:
        """The module's docstring: how the fault is injected, and why if it is not the real one."""
        return inspect.cleandoc(self.module.__doc__ or "")

    @property
    def companions(self) -> dict[str, str]:
        """Other checks that are expected to be red, by name or pattern, with the reason."""
        return dict(self._attribute("COMPANIONS", {}))

    @property
    def inconclusive(self) -> str:
        """Why tests of any check may be inconclusive; '' if they may not."""
        return str(self._attribute("INCONCLUSIVE", ""))

    @property
    def message_contains(self) -> tuple[str, ...]:
        """Texts that messages of declared checks must contain."""
        return tuple(self._attribute("MESSAGE_CONTAINS", ()))

    @property
    def startup_errors(self) -> tuple[str, ...]:
        """Texts that the suite must print when it cannot start; empty if it can."""
        return tuple(self._attribute("STARTUP_ERRORS", ()))

    @property
    def recording(self) -> str:
        """Name of the healthy cluster whose facts a replayed fault changes."""
        return str(self._attribute("RECORDING", "demo-ha"))

    @property
    def few(self) -> bool:
        """Whether `.ci/run` injects it."""
        return bool(self._attribute("FEW", False))

    @property
    def green_seconds(self) -> float:
        """How long the cluster may take to recover after healing."""
        return float(self._attribute("GREEN_SECONDS", 120.0))

    def _attribute(self, name: str, default: Any) -> Any:
        return getattr(self.module, name, default)


def faults() -> dict[str, Fault]:
    """Return all faults that have a module, in the order of `FAULTS`."""
    return {name: fault(name) for name in FAULTS if has_module(name)}


def fault(name: str) -> Fault:
    """Return the fault of that name.

    Raises:
        LookupError: no such fault, or it has no module.
    """
    if name not in FAULTS or not has_module(name):
        raise LookupError(f"unknown fault {name!r}: run `lab/lab fault --list`")
    module = name.replace("-", "_")
    return Fault(name, importlib.import_module(f"lab.faultinjection.faults.{module}"))


def has_module(name: str) -> bool:
    """Return whether `faults/` contains a module for the fault."""
    return (FOLDER / f"{name.replace('-', '_')}.py").is_file()


@dataclass(frozen=True)
class Check:
    """A check of the suite: its file, its layer, and the faults that it declares to detect."""

    name: str
    file: str
    layer: str
    detects: tuple[str, ...]


@functools.cache
def checks() -> dict[str, Check]:
    """Return all checks of the suite by name, in layer order."""
    found = [check for path in sorted(SUITE.glob("test_*.py")) for check in _checks_of(path)]
    found.sort(key=lambda check: [*LAYERS, ""].index(check.layer))
    return {check.name: check for check in found}


def _checks_of(path: Path) -> Iterator[Check]:
    """Yield the checks of a module. It is parsed, not imported, as its markers may be unknown."""
    module = ast.parse(path.read_text())
    common = [
        part.value
        for part in module.body
        if isinstance(part, ast.Assign) and ast.unparse(part.targets[0]) == "pytestmark"
    ]
    for part in module.body:
        if isinstance(part, ast.FunctionDef) and part.name.startswith("test_"):
            marks = [*part.decorator_list, *common]
            text = " ".join(ast.unparse(mark) for mark in marks)
            layers = [name for name in LAYERS if re.search(rf"\bpytest\.mark\.{name}\b", text)]
            detects = tuple(fault for mark in marks for fault in _detected_by(mark))
            yield Check(part.name, path.name, layers[0] if layers else "", detects)


def _detected_by(mark: ast.expr) -> list[str]:
    """Return the faults of `@detects("…", "…")`; [] for other markers."""
    if not isinstance(mark, ast.Call) or ast.unparse(mark.func) not in (
        "detects",
        "faults.detects",
    ):
        return []
    return [str(ast.literal_eval(argument)) for argument in mark.args]


def declared(fault: str) -> set[str]:
    """Return the checks that must be red while the fault is in the cluster."""
    return {check.name for check in checks().values() if fault in check.detects}
