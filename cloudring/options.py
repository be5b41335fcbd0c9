# SPDX-License-Identifier: Apache-2.0
"""Command line and environment of the cloud ring. Pure."""

import argparse
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from heatgen.blocks.catalog import Catalog

PREFIX = "HEATGEN_CLOUD_"
SKIPPABLE = ("cpu", "reboot", "rollback")
_EPILOG = f"""\
exit status: 0 success; 1 an action failed; 2 invalid option, file or credentials; 3 the cloud lacks
             a requirement, nothing was created; 4 resources are left; 130 interrupted
environment: OS_CLOUD or OS_*: the cloud, as for every OpenStack client
             {PREFIX}IMAGES, {PREFIX}ACCESS, {PREFIX}CLUSTER: lists, separated by spaces
             {PREFIX}FLAVOR, {PREFIX}EXTERNAL_NETWORK, {PREFIX}SSH_KEY: as the options"""


class UsageError(ValueError):
    """Invalid options. The message states what to do."""


@dataclass(frozen=True)
class Target:
    """A system to run: its name in the support matrix or that of a block, and its image."""

    name: str
    block: str
    image: str


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of a run; '' and () for values that are discovered or not set."""

    targets: tuple[Target, ...]
    cloud: str | None = None
    flavor: str = ""
    external_network: str = ""
    ssh_key: str = ""
    access: tuple[str, ...] = ()
    fragments: tuple[tuple[str, Path], ...] = ()
    """Parts of ``cluster.yaml`` with the system that they apply to, '' for all."""
    parallel: int = 1
    keep: bool = False
    keep_failed: bool = False
    skip: frozenset[str] = frozenset()
    output: Path = Path("cloud-ring")
    minutes: Mapping[str, int] = field(default_factory=dict)
    """Time limits by action."""
    suite_options: tuple[str, ...] = ()
    probe_image: str = ""
    ring: str = "cloud"
    """Ring of the records."""

    def limit(self, action: str) -> int:
        """Return the time limit of an action in seconds."""
        return self.minutes[action] * 60


MINUTES = {"create": 60, "suite": 20, "reboot": 20, "delete": 30}


def parse(words: Sequence[str], environment: Mapping[str, str], catalog: Catalog) -> Options:
    """Return the options on a command line, with defaults from the environment.

    Raises:
        UsageError: an option is not valid.
        SystemExit: argparse printed an error (2) or the help (0).
    """
    given = _parser(environment).parse_args(words)
    images = given.image or environment.get(f"{PREFIX}IMAGES", "").split()
    if not images:
        raise UsageError(f"no images: set --image SYSTEM=IMAGE or {PREFIX}IMAGES")
    targets = tuple(_target(text, catalog) for text in images)
    names = [target.name for target in targets]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UsageError(f"--image: {', '.join(twice)} is given twice")
    if given.ring not in catalog.support.rings:
        raise UsageError(f"--ring: use one of {', '.join(catalog.support.rings)}")
    if given.parallel < 1:
        raise UsageError("--parallel: must be at least 1")
    fragments = given.cluster or environment.get(f"{PREFIX}CLUSTER", "").split()
    return Options(
        targets=targets,
        cloud=given.os_cloud,
        flavor=given.flavor,
        external_network=given.external_network,
        ssh_key=given.ssh_key,
        access=tuple(given.access or environment.get(f"{PREFIX}ACCESS", "").split()),
        fragments=tuple(_fragment(text, names) for text in fragments),
        parallel=given.parallel,
        keep=given.keep,
        keep_failed=given.keep_failed,
        skip=frozenset(given.skip),
        output=given.output,
        minutes={name: getattr(given, f"{name}_minutes") for name in MINUTES},
        suite_options=tuple(given.suite_option),
        probe_image=given.probe_image,
        ring=given.ring,
    )


def _target(text: str, catalog: Catalog) -> Target:
    name, sign, image = text.partition("=")
    if not (sign and name and image):
        raise UsageError(f"--image {text}: use SYSTEM=IMAGE, such as debian-12=my-debian-image")
    known = {item.name: item.block for item in catalog.support.systems if item.layer == "os"}
    blocks = catalog.names("os")
    block = known.get(name) or (name if name in blocks else "")
    if not block:
        every = ", ".join(dict.fromkeys([*known, *blocks]))
        raise UsageError(f"--image {text}: unknown system {name!r}; use one of {every}")
    return Target(name, block, image)


def _fragment(text: str, names: Sequence[str]) -> tuple[str, Path]:
    name, sign, path = text.partition("=")
    if not sign:
        return "", Path(text)
    if name not in names:
        raise UsageError(f"--cluster {text}: no --image of system {name!r}")
    return name, Path(path)


def stack_name(target: Target, run: str) -> str:
    """Return the name of a target's stack; `run` makes it unique."""
    return f"ring-{re.sub('[^a-z0-9]+', '-', target.name.lower())}-{run}"


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "cloudring",
        description="Create, check, restart and delete a cluster of each system on a cloud.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument

    def variable(name: str) -> str:
        return environment.get(f"{PREFIX}{name}", "")

    add(
        "--image",
        action="append",
        metavar="SYSTEM=IMAGE",
        help="a system of the support matrix or a block, and its image; repeat for more",
    )
    add("--os-cloud", metavar="NAME", help="entry of clouds.yaml (default: $OS_CLOUD)")
    add("--access", action="append", metavar="CIDR", help="network that may reach the API; repeat")
    add(
        "--flavor",
        default=variable("FLAVOR"),
        metavar="NAME",
        help="default: the smallest one with 2 processors and 4 GB that fits the images",
    )
    add(
        "--external-network",
        default=variable("EXTERNAL_NETWORK"),
        metavar="NAME",
        help="default: the only one, or the cloud's default",
    )
    add("--ssh-key", default=variable("SSH_KEY"), metavar="NAME", help="default: the only key pair")
    add(
        "--cluster",
        action="append",
        metavar="[SYSTEM=]FILE",
        help="part of cluster.yaml for all systems, or for one; repeat",
    )
    add(
        "--parallel",
        type=int,
        default=1,
        metavar="N",
        help="clusters at the same time (default: 1)",
    )
    add("--keep", action="store_true", help="do not delete the clusters")
    add("--keep-failed", action="store_true", help="do not delete clusters with a failed action")
    add("--skip", action="append", choices=SKIPPABLE, default=[], help="omit an action; repeat")
    add(
        "--suite-option",
        action="append",
        default=[],
        metavar="OPTION",
        help="option of the suite, such as --suite-option=--patience=180; repeat",
    )
    add(
        "--probe-image",
        default="",
        metavar="REF",
        help="container image of the pods that run commands on nodes (default: that of the suite)",
    )
    add(
        "--output",
        type=Path,
        default=Path("cloud-ring"),
        metavar="DIR",
        help="directory of the report (default: %(default)s)",
    )
    add(
        "--ring",
        default="cloud",
        metavar="NAME",
        help="ring of the records for the support matrix (default: %(default)s)",
    )
    for name, minutes in MINUTES.items():
        add(
            f"--{name}-minutes",
            type=_positive,
            default=minutes,
            metavar="N",
            help=f"time limit of each {name} (default: %(default)s)",
        )
    return parser
