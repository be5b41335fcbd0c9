# SPDX-License-Identifier: Apache-2.0
"""Alterations: each causes one fault in the facts of a healthy cluster, with its failures."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from conformance.codes import Code
from tests.conformance import healthy
from tests.conformance.conftest import SuiteRun

Json = dict[str, Any]
Replay = Callable[..., SuiteRun]
Alter = Callable[[Json], None]
CODE = re.compile(r"^  code +(\S+)$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Case:
    """An alteration and the failures that it must cause."""

    alter: Alter
    failures: Mapping[str, Code]
    """Tests that must fail, each with its code."""
    at: str
    """Node, address or name in the first line of each failure."""
    values: tuple[str, ...]
    """Measured values, names and paths in each failure, but not its wording."""
    inconclusive: str
    """Part of the message of each inconclusive test; empty if no test may be."""

    @property
    def name(self) -> str:
        """Test id of the case."""
        return self.alter.__name__.strip("_")


class Cases(list[Case]):
    """The alterations of one module, all of the same healthy cluster."""

    def __init__(self, nodes: healthy.Nodes) -> None:
        super().__init__()
        self.nodes = nodes

    def breaks(
        self,
        failures: Mapping[str, Code],
        *,
        at: str = "",
        values: tuple[str, ...] = (),
        inconclusive: str = "",
    ) -> Callable[[Alter], Alter]:
        """Declare the failures that the decorated alteration must cause."""

        def declare(alter: Alter) -> Alter:
            self.append(
                Case(
                    alter=alter, failures=failures, at=at, values=values, inconclusive=inconclusive
                )
            )
            return alter

        return declare

    def verify(self, replay: Replay, case: Case) -> None:
        """Assert that exactly the declared tests fail, with their codes and places."""
        facts = healthy.facts(self.nodes)
        case.alter(facts)
        run = replay(facts)
        assert set(run.failed) == set(case.failures), (sorted(run.failed), run.errors)
        assert bool(run.errors) == bool(case.inconclusive), run.errors
        assert all(case.inconclusive in message for message in run.errors.values()), run.errors
        codes = {name: code_of(message) for name, message in run.failed.items()}
        assert codes == case.failures
        for message in run.failed.values():
            assert case.at in message.splitlines()[0]
            for value in case.values:
                assert value in message, (value, message)
        assert run.exit_status == 1


def code_of(message: str) -> str:
    """Return the code in the message of a failure."""
    found = CODE.search(message)
    assert found, message
    return found[1]
