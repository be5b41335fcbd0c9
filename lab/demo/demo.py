# SPDX-License-Identifier: Apache-2.0
"""The demonstrations, the clusters of the lab, and the paths of their files."""

from dataclasses import dataclass
from pathlib import Path

from lab import machine
from lab.cloud import paths
from lab.cloud.seed import VARIANTS

CLUSTERS = paths.LAUNCHER.parent


@dataclass(frozen=True)
class Demo:
    """A cluster of the lab. Its stack and its directory have the same name."""

    name: str
    source: Path
    machine: str = ""
    """The variant of the virtual machine (lab/machine) that a node boots, if any."""
    images: tuple[str, ...] = ()
    """Images of lab/node/variants that nodes boot, in addition to that of Debian."""
    changes: tuple[tuple[str, str], ...] = ()
    """Texts of `source`, each followed by the one with which this cluster replaces it."""

    @property
    def create_minutes(self) -> int:
        """The limit of the creation of the stack."""
        return 40 if self.machine else 20

    @property
    def suite_options(self) -> tuple[str, ...]:
        """Options of the suite."""
        return machine.SUITE_OPTIONS if self.machine else ()

    @property
    def content(self) -> str:
        """The file of the cluster: `source` with the changes.

        Raises:
            ValueError: `source` does not contain a text exactly once.
        """
        text = self.source.read_text(encoding="utf-8")
        for old, new in self.changes:
            if text.count(old) != 1:
                raise ValueError(f"{self.source} contains {text.count(old)} times {old!r}")
            text = text.replace(old, new)
        return text

    @property
    def directory(self) -> Path:
        """The directory of its files."""
        return paths.STATE / self.name

    @property
    def cluster(self) -> Path:
        """The file with `content`, beside its lock and the key of the administrator."""
        return self.directory / "cluster.yaml"

    @property
    def template(self) -> Path:
        """The template of the stack."""
        return self.directory / "generated.yaml"

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig of the administrator."""
        return self.directory / "kubeconfig"

    @property
    def report(self) -> Path:
        """The report of the suite, as HTML."""
        return self.directory / "report.html"

    @property
    def expected(self) -> Path:
        """The expectations of the suite, from the output `conformance` of the stack."""
        return self.directory / "expect.json"

    @property
    def events(self) -> Path:
        """The events of the creation of the stack, for `bench/create_time.py`."""
        return self.directory / "events.json"


DEMOS = {
    "small": Demo("demo", CLUSTERS / "cluster.yaml"),
    "ha": Demo("demo-ha", CLUSTERS / "cluster-ha.yaml"),
    "vm": Demo("demo-vm", CLUSTERS / "cluster-vm.yaml", machine="debian"),
    "ostree": Demo("demo-ostree", CLUSTERS / "cluster-ostree.yaml", machine="ostree"),
    "debian13": Demo(
        "demo-debian13",
        CLUSTERS / "cluster-vm.yaml",
        machine="debian-13",
        changes=(("name: demo-vm", "name: demo-debian13"), ("debian-12-vm", "debian-13-vm")),
    ),
    "systems": Demo("demo-systems", CLUSTERS / "cluster-systems.yaml", images=VARIANTS),
    "control-flatcar": Demo(
        "demo-control-flatcar", CLUSTERS / "cluster-control.yaml", images=("flatcar-like",)
    ),
    "control-fcos": Demo(
        "demo-control-fcos",
        CLUSTERS / "cluster-control.yaml",
        images=("fcos-like",),
        changes=(
            ("name: demo-control-flatcar", "name: demo-control-fcos"),
            ("image: flatcar-like", "image: fcos-like"),
            ("use: flatcar", "use: fedora-coreos"),
        ),
    ),
}
