# SPDX-License-Identifier: Apache-2.0
"""Command-line options, validated before the first request to a cluster."""

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
    """Validated options."""

    kubeconfig: Path
    expected: dict[str, Any] | None
    image: str
    patience: float
    """Limit of every wait, in seconds."""
    idle: float
    """Seconds for which a connection to the API stays idle before it is used again."""
    save: Path | None
    replay: Path | None
    strict: bool
    results: Path | None = None
    quick: bool = False
    deadline: float = 0
    allowed_skips: tuple[str, ...] = ()


def add(parser: pytest.Parser) -> None:
    """Declare the options. ``--strict`` is pytest's own; here it also makes skips failures."""
    group = parser.getgroup("conformance", "conformance of a cluster")
    group.addoption(
        "--kubeconfig", metavar="FILE", help="default: $KUBECONFIG, then ~/.kube/config"
    )
    group.addoption("--expect", metavar="FILE", help="conformance output of the stack, as JSON")
    group.addoption(
        "--image", metavar="REF", default=IMAGE, help="image of the probes (%(default)s)"
    )
    group.addoption(
        "--patience", metavar="SECONDS", type=float, default=60.0,
        help="longest wait for any condition (%(default)s)",
    )  # fmt: skip
    group.addoption(
        "--idle", metavar="SECONDS", type=float, default=15.0,
        help="how long a connection to the API stays idle before it is used again (%(default)s)",
    )  # fmt: skip
    group.addoption(
        "--deadline", metavar="SECONDS", type=float, default=900.0,
        help="time limit of the whole run; unfinished tests are errors (%(default)s; 0: none)",
    )  # fmt: skip
    group.addoption("--quick", action="store_true", help="skip hardening and other slow checks")
    group.addoption(
        "--disruptive", action="store_true",
        help="also cause temporary failures, one at a time in one process, after all other tests",
    )  # fmt: skip
    group.addoption(
        "--allow-skip", metavar="PATTERN", action="append", default=[],
        help="with --strict: do not fail on skips whose name or reason contains PATTERN (*: all)",
    )  # fmt: skip
    group.addoption(
        "--save-facts", metavar="FILE", help="save the collected facts (.json, .json.gz)"
    )
    group.addoption("--replay", metavar="FILE", help="evaluate saved facts, without a cluster")
    group.addoption(
        "--results", metavar="FILE", help="one JSON line per test, written as each test ends"
    )
    group.addoption("--report", metavar="FILE", help="self-contained HTML report")
    group.addoption(
        "--baseline", metavar="FILE", help="results or report of an earlier run, for comparison"
    )
    group.addoption(
        "--artifacts", metavar="FILE", help="list the written files, as JSON for zuul_return"
    )
    _add_soak(parser)


def _add_soak(parser: pytest.Parser) -> None:
    group = parser.getgroup("conformance soak", "repeated conformance runs")
    group.addoption(
        "--soak", metavar="DURATION", help="repeat for this duration: 90s, 30m, 8h, 1h30m"
    )
    group.addoption("--soak-rounds", metavar="N", type=int, help="repeat N times")
    group.addoption(
        "--soak-history", metavar="FILE", default="soak.jsonl",
        help="append one JSON line per round (%(default)s)",
    )  # fmt: skip
    group.addoption(
        "--soak-stop-on-regression", action="store_true",
        help="stop if a check fails three times in a row or more often than before",
    )  # fmt: skip


def matches(pattern: str, text: str) -> bool:
    """Return whether the text contains the pattern; ``*`` matches any characters."""
    return bool(re.search(".*".join(map(re.escape, pattern.split("*"))), text))


def settings(config: pytest.Config) -> Settings:
    """Return the validated options.

    Raises:
        pytest.UsageError: if a value is invalid or a file cannot be used.
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
        raise pytest.UsageError(f"--patience {option.patience:g}: must be greater than 0")
    if option.deadline < 0:
        raise pytest.UsageError(
            f"--deadline {option.deadline:g}: must not be negative (0: no limit)"
        )
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


def kubeconfig(given: str | None) -> Path:
    """Return the first of the given file, KUBECONFIG and ~/.kube/config.

    Raises:
        pytest.UsageError: if it is not a file.
    """
    source, path = "--kubeconfig", given
    if not path:
        # KUBECONFIG may list several files. kubectl merges them; the suite uses the first that
        # exists.
        listed = [entry for entry in os.environ.get("KUBECONFIG", "").split(os.pathsep) if entry]
        source = "KUBECONFIG" if listed else "~/.kube/config"
        path = next(filter(os.path.isfile, listed), listed[0] if listed else None)
    found = Path(path or "~/.kube/config").expanduser()
    if not found.is_file():
        raise pytest.UsageError(
            f"no kubeconfig found: {found} ({source}) is not a file\n"
            "  next  pass --kubeconfig FILE or set KUBECONFIG"
        )
    return found


def _writable(option: str, given: str | None) -> Path | None:
    if not given:
        return None
    path = Path(given)
    if not path.parent.is_dir():
        raise pytest.UsageError(f"{option} {path}: {path.parent} is not a directory")
    if path.is_dir():
        raise pytest.UsageError(f"{option} {path}: is a directory; pass the path of a file")
    return path
