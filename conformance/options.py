# SPDX-License-Identifier: Apache-2.0
"""The suite's command line, checked before anything is asked of a cluster."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from conformance.facts import expected as expectation
from conformance.facts import serialization

IMAGE = "registry.k8s.io/e2e-test-images/agnhost:2.66.1"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the user asked for. `patience` bounds every wait, in seconds.

    idle: for so many seconds a connection to the API rests before it is asked again.
    """

    kubeconfig: Path
    expected: dict[str, Any] | None
    image: str
    patience: float
    idle: float
    save: Path | None
    replay: Path | None
    strict: bool
    results: Path | None = None
    quick: bool = False
    deadline: float = 0
    allowed_skips: tuple[str, ...] = ()


def add(parser: pytest.Parser) -> None:
    """Declare the options. `--strict` is pytest's own; here it also makes every skip a failure."""
    group = parser.getgroup("conformance", "conformance of a cluster")
    group.addoption(
        "--kubeconfig", metavar="FILE", help="default: $KUBECONFIG, then ~/.kube/config"
    )
    group.addoption("--expect", metavar="FILE", help="the stack's `conformance` output, as JSON")
    group.addoption("--image", metavar="REF", default=IMAGE, help="the probes' image (%(default)s)")
    group.addoption(
        "--patience", metavar="SECONDS", type=float, default=60.0,
        help="the longest wait for anything (%(default)s)",
    )  # fmt: skip
    group.addoption(
        "--idle", metavar="SECONDS", type=float, default=15.0,
        help="how long a connection to the API rests before it is asked (%(default)s)",
    )  # fmt: skip
    group.addoption(
        "--deadline", metavar="SECONDS", type=float, default=900.0,
        help="for the whole run: what has not ended then is an error (%(default)s; 0: none)",
    )  # fmt: skip
    group.addoption(
        "--quick", action="store_true", help="without hardening, and what else takes long"
    )
    group.addoption(
        "--disruptive", action="store_true",
        help="also break things for a while, one by one, in one process, after all others",
    )  # fmt: skip
    group.addoption(
        "--allow-skip", metavar="PATTERN", action="append", default=[],
        help="with --strict: skips that are none, by a part of name or reason (* for anything)",
    )  # fmt: skip
    group.addoption(
        "--save-facts", metavar="FILE", help="keep what was collected (.json, .json.gz)"
    )
    group.addoption("--replay", metavar="FILE", help="judge kept facts, without a cluster")
    group.addoption(
        "--results", metavar="FILE", help="one JSON line a test, written as each test ends"
    )
    group.addoption("--report", metavar="FILE", help="one HTML page that needs no other file")
    group.addoption(
        "--baseline", metavar="FILE", help="an earlier run's results or report, to compare with"
    )
    group.addoption(
        "--artifacts", metavar="FILE", help="tell the written files, as JSON for zuul_return"
    )
    _add_soak(parser)


def _add_soak(parser: pytest.Parser) -> None:
    group = parser.getgroup("conformance soak", "conformance again and again")
    group.addoption("--soak", metavar="DURATION", help="repeat for so long: 90s, 30m, 8h, 1h30m")
    group.addoption("--soak-rounds", metavar="N", type=int, help="repeat so many times")
    group.addoption(
        "--soak-history", metavar="FILE", default="soak.jsonl",
        help="one JSON line a round is appended (%(default)s)",
    )  # fmt: skip
    group.addoption(
        "--soak-stop-on-regression", action="store_true",
        help="end early if a check is red again and again, or more often than before",
    )  # fmt: skip


def matches(pattern: str, text: str) -> bool:
    """Is the pattern a part of the text? `*` stands for anything in between."""
    return bool(re.search(".*".join(map(re.escape, pattern.split("*"))), text))


def settings(config: pytest.Config) -> Settings:
    """The options, read and checked.

    Raises:
        pytest.UsageError: naming every file that cannot be used, and why.
    """
    option = config.option
    replay = Path(option.replay) if option.replay else None
    try:
        if replay and not replay.is_file():
            raise pytest.UsageError(f"--replay {replay}: no such file")
        expected = expectation.read(Path(option.expect)) if option.expect else None
        if expected is None and replay:
            expected = serialization.load(replay).expected
        expectation.understand(expected, "in the replayed facts")
    except (expectation.ExpectationError, serialization.FactsError) as problem:
        raise pytest.UsageError(str(problem)) from None
    if option.patience <= 0:
        raise pytest.UsageError(f"--patience {option.patience:g}: give seconds, more than 0")
    if option.deadline < 0:
        raise pytest.UsageError(f"--deadline {option.deadline:g}: give seconds, 0 for none")
    return Settings(
        kubeconfig=Path() if replay else kubeconfig(option.kubeconfig),
        expected=expected,
        image=option.image,
        patience=option.patience,
        idle=option.idle,
        save=_writable("--save-facts", option.save_facts),
        replay=replay,
        strict=bool(option.strict),
        results=_writable("--results", option.results),
        quick=option.quick,
        deadline=option.deadline,
        allowed_skips=tuple(option.allow_skip),
    )


def kubeconfig(named: str | None) -> Path:
    """The first of the named file, KUBECONFIG and ~/.kube/config.

    Raises:
        pytest.UsageError: if that is not a file.
    """
    source, path = "--kubeconfig", named
    if not path:
        # KUBECONFIG may list several files; kubectl merges them, the suite takes the first that
        # exists.
        listed = [entry for entry in os.environ.get("KUBECONFIG", "").split(os.pathsep) if entry]
        source = "KUBECONFIG" if listed else "~/.kube/config"
        path = next(filter(os.path.isfile, listed), listed[0] if listed else None)
    found = Path(path or "~/.kube/config").expanduser()
    if not found.is_file():
        raise pytest.UsageError(
            f"no kubeconfig: {found} ({source}) is no file\n"
            "  next  give --kubeconfig FILE, or set KUBECONFIG"
        )
    return found


def _writable(option: str, named: str | None) -> Path | None:
    if not named:
        return None
    path = Path(named)
    if not path.parent.is_dir():
        raise pytest.UsageError(f"{option} {path}: {path.parent} is no directory")
    if path.is_dir():
        raise pytest.UsageError(f"{option} {path}: is a directory")
    return path
