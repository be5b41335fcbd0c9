# SPDX-License-Identifier: Apache-2.0
"""Reports of trials: the matrix in a report folder, the documentation page; the secret scan."""

from collections.abc import Iterable
from pathlib import Path

from lab.faultinjection import catalog, matrix, recordings
from lab.harness import traces
from lab.harness.cluster import Cluster
from lab.harness.secrets import KnownSecrets

PAGE = Path(__file__).parents[2] / "doc" / "reference" / "faults.rst"


def write(folder: Path) -> Path:
    """Write `faults.html`, the matrix of the records in a report folder."""
    trials = {
        name: recordings.summarize(record) for name, record in recordings.records(folder).items()
    }
    path = folder / "faults.html"
    path.write_text(matrix.html_page(catalog.faults(), catalog.checks(), trials))
    return path


def page() -> str:
    """Return the page of the documentation, from the code and the kept trials."""
    return matrix.page(catalog.faults(), catalog.checks(), recordings.trials())


def write_page() -> Path:
    """Write the page of the documentation."""
    PAGE.write_text(page())
    return PAGE


def secrets_in(files: Iterable[Path], clusters: list[Cluster]) -> list[str]:
    """Return the secrets of the clusters that occur in the files, in any encoding.

    Raises:
        LookupError: no cluster is running, so its secrets are unknown.
    """
    if not clusters:
        raise LookupError("no cluster is running: its secrets are needed to scan the recordings")
    known = KnownSecrets()
    for cluster in clusters:
        known.collect(cluster)
    return known.leaks_in({path.name: traces.decodings(path.read_bytes()) for path in files})
