# SPDX-License-Identifier: Apache-2.0
"""All faults there are modules of, and what the suite's checks say they see."""

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
    "real": "the fault itself is put into the cluster",
    "effect": "what the fault does is brought about in another way",
    "replayed": "recorded facts are altered; no cluster is broken",
}
NEEDS = ("any", "quorum", "docker")
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
        """Is no cluster needed?"""
        return self.kind == "replayed"

    @property
    def needs(self) -> str:
        """One of `NEEDS`."""
        return str(self._said("NEEDS", "any"))

    @property
    def how(self) -> str:
        """What is done, and where it is not the fault itself, why: the module's own words."""
        return inspect.cleandoc(self.module.__doc__ or "")

    @property
    def companions(self) -> dict[str, str]:
        """Checks that may be red, too, by name or pattern, with the reason."""
        return dict(self._said("COMPANIONS", {}))

    @property
    def unasked(self) -> str:
        """Why tests of any check may be in error; '' if they may not."""
        return str(self._said("UNASKED", ""))

    @property
    def says(self) -> tuple[str, ...]:
        """Words that the messages hold."""
        return tuple(self._said("SAYS", ()))

    @property
    def refused(self) -> tuple[str, ...]:
        """Words by which the suite refuses to begin; none if it begins."""
        return tuple(self._said("REFUSED", ()))

    @property
    def recording(self) -> str:
        """Which recording of a sound cluster a replayed fault alters."""
        return str(self._said("RECORDING", "demo-ha"))

    @property
    def few(self) -> bool:
        """Is it one of the few that `.ci/run` injects?"""
        return bool(self._said("FEW", False))

    @property
    def green_seconds(self) -> float:
        """How long the cluster may take to be whole after healing."""
        return float(self._said("GREEN_SECONDS", 120.0))

    def _said(self, name: str, otherwise: Any) -> Any:
        return getattr(self.module, name, otherwise)


def faults() -> dict[str, Fault]:
    """All faults that have a module, in the order of `FAULTS`."""
    return {name: fault(name) for name in FAULTS if has_module(name)}


def fault(name: str) -> Fault:
    """The fault of that name.

    Raises:
        LookupError: there is none, or no module of it.
    """
    if name not in FAULTS or not has_module(name):
        raise LookupError(f"no fault {name!r}; `lab/lab fault --list` names them")
    module = name.replace("-", "_")
    return Fault(name, importlib.import_module(f"lab.faultinjection.faults.{module}"))


def has_module(name: str) -> bool:
    """Does `faults/` hold it?"""
    return (FOLDER / f"{name.replace('-', '_')}.py").is_file()


@dataclass(frozen=True)
class Check:
    """A check of the suite: where it stands, its layer, and which faults it says it sees."""

    name: str
    file: str
    layer: str
    detects: tuple[str, ...]


@functools.cache
def checks() -> dict[str, Check]:
    """All checks of the suite by name, from the ground up."""
    found = [check for path in sorted(SUITE.glob("test_*.py")) for check in _checks_of(path)]
    found.sort(key=lambda check: [*LAYERS, ""].index(check.layer))
    return {check.name: check for check in found}


def _checks_of(path: Path) -> Iterator[Check]:
    """The checks of a module, read and not imported: a session may not know the suite's marks."""
    module = ast.parse(path.read_text())
    common = [
        part.value
        for part in module.body
        if isinstance(part, ast.Assign) and ast.unparse(part.targets[0]) == "pytestmark"
    ]
    for part in module.body:
        if isinstance(part, ast.FunctionDef) and part.name.startswith("test_"):
            marks = [*part.decorator_list, *common]
            words = " ".join(ast.unparse(mark) for mark in marks)
            layers = [name for name in LAYERS if re.search(rf"\bpytest\.mark\.{name}\b", words)]
            named = tuple(fault for mark in marks for fault in _named(mark))
            yield Check(part.name, path.name, layers[0] if layers else "", named)


def _named(mark: ast.expr) -> list[str]:
    """The faults of `@detects("…", "…")`; other marks name none."""
    if not isinstance(mark, ast.Call) or ast.unparse(mark.func) not in (
        "detects",
        "faults.detects",
    ):
        return []
    return [str(ast.literal_eval(word)) for word in mark.args]


def declared(fault: str) -> set[str]:
    """The checks that must be red when the fault is in the cluster."""
    return {check.name for check in checks().values() if fault in check.detects}
