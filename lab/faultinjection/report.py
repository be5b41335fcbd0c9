# SPDX-License-Identifier: Apache-2.0
"""Where trials are told: the report folder's matrix, the documents' page; and what never is."""

from collections.abc import Iterable
from pathlib import Path

from lab.faultinjection import catalog, matrix, recordings
from lab.harness import traces
from lab.harness.cluster import Cluster
from lab.harness.secrets import KnownSecrets

PAGE = Path(__file__).parents[2] / "doc" / "reference" / "faults.rst"


def write(folder: Path) -> Path:
    """Write the matrix of the records in a report folder, `faults.html`."""
    told = {
        name: recordings.in_short(record) for name, record in recordings.records(folder).items()
    }
    path = folder / "faults.html"
    path.write_text(matrix.html_page(catalog.faults(), catalog.checks(), told))
    return path


def page() -> str:
    """The documents' page, as code and kept trials have it now."""
    return matrix.page(catalog.faults(), catalog.checks(), recordings.trials())


def write_page() -> Path:
    """Write it."""
    PAGE.write_text(page())
    return PAGE


def secrets_in(files: Iterable[Path], clusters: list[Cluster]) -> list[str]:
    """Which secrets of the clusters show in which files, however wrapped.

    Raises:
        LookupError: no cluster stands, so that nobody knows the secrets.
    """
    if not clusters:
        raise LookupError("no cluster stands whose secrets the recordings could be searched for")
    known = KnownSecrets()
    for cluster in clusters:
        known.collect(cluster)
    return known.leaks_in({path.name: traces.decodings(path.read_bytes()) for path in files})
