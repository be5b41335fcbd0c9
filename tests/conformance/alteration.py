# SPDX-License-Identifier: Apache-2.0
"""Alterations: each breaks one thing in sound facts, and declares the checks that must see it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.conformance import healthy
from tests.conformance.conftest import SuiteRun

Json = dict[str, Any]
Replay = Callable[..., SuiteRun]
Alter = Callable[[Json], None]


@dataclass(frozen=True)
class Case:
    """An alteration, the checks it must turn red, and what each of their messages must say.

    unasked: what each error says that may come with it; '' if none may.
    """

    alter: Alter
    red: set[str]
    says: tuple[str, ...]
    unasked: str = ""

    @property
    def name(self) -> str:
        """What it is called in the tests' names."""
        return self.alter.__name__.strip("_")


class Cases(list[Case]):
    """The alterations of one module, all of the same sound cluster."""

    def __init__(self, nodes: healthy.Nodes) -> None:
        super().__init__()
        self.nodes = nodes

    def breaks(
        self, *red: str, says: tuple[str, ...], unasked: str = ""
    ) -> Callable[[Alter], Alter]:
        """Declare what the alteration below turns red, and what the messages say."""

        def declare(alter: Alter) -> Alter:
            self.append(Case(alter, set(red), says, unasked))
            return alter

        return declare

    def judge(self, replay: Replay, case: Case) -> None:
        """Exactly the declared checks fail, none is in error, the messages name place and cause."""
        facts = healthy.facts(self.nodes)
        case.alter(facts)
        verdicts = replay(facts)
        assert set(verdicts.failed) == case.red, (sorted(verdicts.failed), verdicts.errors)
        assert bool(verdicts.errors) == bool(case.unasked), verdicts.errors
        assert all(case.unasked in message for message in verdicts.errors.values())
        for message in verdicts.failed.values():
            for words in (*case.says, "expected", "seen", "likely", "next"):
                assert words in message, message
        assert verdicts.exit_status == 1
