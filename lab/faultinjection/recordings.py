# SPDX-License-Identifier: Apache-2.0
"""Results of trials that are kept in the repository: compressed facts, and a summary of each trial.

`tests/conformance` evaluates the recordings again without a cluster; the documentation shows the
summaries.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from conformance.facts import serialization
from conformance.faults import FAULTS
from conformance.results import renamed

FOLDER = Path(__file__).parents[2] / "tests" / "conformance" / "recorded"
SOUND = FOLDER / "sound"
FAULTY = FOLDER / "faults"
TRIALS = FOLDER / "trials.json"
BASELINE = ".baseline"
FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Trial:
    """Summary of a trial. red: each red check with its role, see `verdict.Red`."""

    kind: str
    cluster: str
    victims: list[str]
    exact: bool
    green: bool
    seconds: dict[str, float]
    red: dict[str, str]


def sound(cluster: str) -> dict[str, Any]:
    """Return the recorded facts of a healthy cluster, as plain JSON."""
    return dict(serialization.read(SOUND / f"{cluster}.json.gz"))


def records(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the records in a report folder, by fault, in the order of the catalog."""
    found = {name: folder / f"{name}.json" for name in FAULTS}
    return {name: json.loads(path.read_text()) for name, path in found.items() if path.exists()}


def summarize(record: dict[str, Any]) -> Trial:
    """Return a record without the details of the single run."""
    kept = {key: record[key] for key in Trial.__annotations__ if key != "red"}
    return Trial(**kept, red={check: red["role"] for check, red in record["red"].items()})


def trials() -> dict[str, Trial]:
    """Return the summaries that are kept in the repository."""
    plain = json.loads(TRIALS.read_text())["trials"] if TRIALS.exists() else {}
    return {name: _renamed(Trial(**plain[name])) for name in FAULTS if name in plain}


def _renamed(trial: Trial) -> Trial:
    """Return the trial with the current names of its checks."""
    return replace(trial, red={renamed.current(name): role for name, role in trial.red.items()})


def publish(folder: Path) -> list[Path]:
    """Copy records and recordings of a report folder to the repository; return the files written.

    Trials without a record in the folder stay unchanged. Only exact trials become recordings.
    """
    new = {name: summarize(record) for name, record in records(folder).items()}
    kept = trials() | new
    written = [TRIALS]
    SOUND.mkdir(parents=True, exist_ok=True)
    FAULTY.mkdir(parents=True, exist_ok=True)
    written += [
        _pack(path, SOUND / f"{path.name.partition(BASELINE)[0]}.json.gz")
        for path in sorted(folder.glob(f"*{BASELINE}.facts.json"))
    ]
    for name, trial in new.items():
        recording, packed = folder / f"{name}.facts.json", FAULTY / f"{name}.json.gz"
        packed.unlink(missing_ok=True)
        if trial.exact and trial.kind != "replayed" and recording.exists():
            written.append(_pack(recording, packed))
    plain = {name: asdict(kept[name]) for name in FAULTS if name in kept}
    text = json.dumps({"format": FORMAT, "trials": plain}, indent=1, sort_keys=True)
    TRIALS.write_text(text + "\n")
    return written


def publishable(folder: Path) -> Iterable[Path]:
    """Return the recordings that `publish` may copy."""
    return sorted(folder.glob("*.facts.json"))


def _pack(source: Path, target: Path) -> Path:
    serialization.write(target, source.read_text())
    return target
