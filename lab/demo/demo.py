# SPDX-License-Identifier: Apache-2.0
"""Which demonstration: the small cluster or the highly available one, and where its files lie."""

from dataclasses import dataclass
from pathlib import Path

from lab.cloud import paths

CLUSTERS = paths.LAUNCHER.parent


@dataclass(frozen=True)
class Demo:
    """A cluster the lab can build. Its stack and its directory are called as it is."""

    name: str
    source: Path

    @property
    def directory(self) -> Path:
        """Where all that belongs to it is kept."""
        return paths.STATE / self.name

    @property
    def cluster(self) -> Path:
        """Its own copy of the cluster file; lock and administrator's key lie beside it."""
        return self.directory / "cluster.yaml"

    @property
    def template(self) -> Path:
        """What the stack is made from."""
        return self.directory / "generated.yaml"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's way in."""
        return self.directory / "kubeconfig"

    @property
    def report(self) -> Path:
        """The suite's report, as a page."""
        return self.directory / "report.html"

    @property
    def expected(self) -> Path:
        """What the stack tells the suite to expect."""
        return self.directory / "expect.json"

    @property
    def events(self) -> Path:
        """What Heat told of the stack's creation, for `bench/create_time.py`."""
        return self.directory / "events.json"


DEMOS = {
    "small": Demo("demo", CLUSTERS / "cluster.yaml"),
    "ha": Demo("demo-ha", CLUSTERS / "cluster-ha.yaml"),
}
