# SPDX-License-Identifier: Apache-2.0
"""An apt archive for the servers: Debian's signed lists, and the packages that steps install.

The lists are complete and unchanged, so that the keyring of the image verifies them as on any other
cloud. Of the packages, the archive contains those that apt would install on this image. It has the
layout of Debian's mirrors: the archives `debian` and `debian-security` side by side.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import unquote

from lab.artifacts.progress import BuildError, run

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
FORMAT = "1"  # increase it when the archive of an unchanged image changes
MARGIN = timedelta(days=1)
SECONDS = 1200.0
ARCHITECTURE = "amd64"
# Lists that apt requests by default on a server without a language: names in InRelease.
LISTS = re.compile(rf"main/(binary-{ARCHITECTURE}/Packages|i18n/Translation-en)\.xz")
ARCHIVE = re.compile(r"/(debian(?:-security)?)/?$")
PLANNED = re.compile(r"'(?P<url>[^']+)' \S+ \d+ (?P<hash>\w+:\w+)")
PARTS = ("", "security", "updates")  # of a release
LISTED = re.compile(r"^ (?P<digest>[0-9a-f]{64}) +\d+ (?P<name>\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Source:
    """A source of apt on this machine.

    Attributes:
        address: URL of the archive, with a final slash.
        suite: name of the suite.
    """

    address: str
    suite: str

    @property
    def archive(self) -> str:
        """The name of the archive in the file tree."""
        found = ARCHIVE.search(self.address)
        return found[1] if found else "debian"


def find_sources(suite: str) -> list[Source]:
    """Return the sources of a release of Debian, its updates and security updates on this machine.

    If this machine has sources of other releases only, the mirrors of these are used.

    Raises:
        BuildError: apt has no source of Debian.
    """
    line_format = "$(ORIGIN)|$(CODENAME)|$(RELEASE)|$(COMPONENT)|$(REPO_URI)"
    result = subprocess.run(
        ["apt-get", "indextargets", "--format", line_format, "Created-By: Packages"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    found = select_sources(suite, result.stdout)
    if not found:
        raise BuildError(
            f"apt has no source of Debian {suite} on this machine: add one to sources.list and "
            "run apt-get update"
        )
    return found


def select_sources(suite: str, targets: str) -> list[Source]:
    """Return the sources of a release; without any, those of other releases with its name.

    Args:
        suite: name of the release.
        targets: the sources of apt, a line `ORIGIN|CODENAME|RELEASE|COMPONENT|ADDRESS` for each.
    """
    exact, others = [], []
    for line in targets.splitlines():
        origin, codename, release, component, address = line.split("|")
        if origin != "Debian" or component != "main":
            continue
        name, _, part = codename.partition("-")
        if name == suite:
            exact.append(Source(address, release))
        elif part in PARTS:
            others.append(Source(address, f"{suite}-{part}" if part else suite))
    return list(dict.fromkeys(exact or others))


def source_list(sources: Sequence[Source]) -> str:
    """Return the sources as a file sources.list."""
    lines = [f"deb [signed-by={KEYRING}] {each.address} {each.suite} main\n" for each in sources]
    return "".join(lines)


def is_current(folder: Path, now: datetime | None = None) -> bool:
    """Return whether apt accepts all lists of an archive for at least one more day."""
    now = now or datetime.now(UTC)
    return all(
        until is None or until - now > MARGIN
        for until in (
            valid_until(path.read_text(encoding="utf-8"))
            for path in folder.glob("*/dists/*/InRelease")
        )
    )


def valid_until(text: str) -> datetime | None:
    """Return when apt starts to reject a file InRelease; None for never."""
    found = re.search(r"^Valid-Until: (.+)$", text, re.MULTILINE)
    return parsedate_to_datetime(found[1].replace("UTC", "+0000")) if found else None


def make_archive(
    sources: Sequence[Source], packages: Sequence[str], status: Path, tree: Path, log: Path
) -> None:
    """Write the archive to the empty directory `tree`.

    Args:
        sources: sources of apt on this machine.
        packages: the packages that steps install.
        status: dpkg's status file of the node image.
        tree: the new directory.
        log: log file.

    Raises:
        BuildError: apt cannot fetch a file, or cannot install a package.
    """
    work = tree / "work"
    options = _private_apt(work, sources, status)
    run(["apt-get", *options, "update"], log, timeout=SECONDS)
    for source in sources:
        _add_lists(source, work / "state/lists", tree / source.archive, log)
    # Each package by itself: a step may install it on a server that has none of the others.
    for package in packages:
        for url, digest in _planned(options, package):
            source = next(each for each in sources if url.startswith(each.address))
            target = tree / source.archive / unquote(url.removeprefix(source.address))
            if not target.exists():
                _download(url, target, digest, log)
    shutil.rmtree(work)


def _private_apt(work: Path, sources: Sequence[Source], status: Path) -> list[str]:
    """Create directories for an apt that sees the packages of the image; return its options."""
    for name in ("state/lists/partial", "cache/archives/partial", "etc"):
        (work / name).mkdir(parents=True)
    (work / "etc/sources.list").write_text(source_list(sources), encoding="utf-8")
    settings = {
        "APT::Architecture": ARCHITECTURE,
        "APT::Sandbox::User": "root",
        "APT::Update::Error-Mode": "any",
        "Acquire::Languages": "none",
        "Dir::Cache": str(work / "cache"),
        "Dir::Etc::SourceList": str(work / "etc/sources.list"),
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::State": str(work / "state"),
        "Dir::State::status": str(status),
    }
    return [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]


def _add_lists(source: Source, lists: Path, archive: Path, log: Path) -> None:
    """Copy the verified InRelease of a suite, and download the lists that it names."""
    name = f"{source.address.split('://', 1)[1].rstrip('/')}/dists/{source.suite}/InRelease"
    verified = lists / name.replace("_", "%5f").replace("/", "_")
    folder = archive / "dists" / source.suite
    folder.mkdir(parents=True)
    shutil.copyfile(verified, folder / "InRelease")
    text = verified.read_text(encoding="utf-8")
    hashes = text[text.index("\nSHA256:") :]
    for listed in LISTED.finditer(hashes):
        if LISTS.fullmatch(listed["name"]):
            url = f"{source.address}dists/{source.suite}/{listed['name']}"
            target = folder / listed["name"]
            _download(url, target, f"SHA256:{listed['digest']}", log)
            # apt requests this name if InRelease contains "Acquire-By-Hash: yes".
            by_hash = target.parent / "by-hash/SHA256"
            by_hash.mkdir(parents=True, exist_ok=True)
            os.link(target, by_hash / listed["digest"])


def _planned(options: Sequence[str], package: str) -> Iterator[tuple[str, str]]:
    """Yield URL and digest of all that apt would download to install a package."""
    command = ["apt-get", *options, "install", "--print-uris", "--yes", "-qq"]
    result = subprocess.run(
        [*command, "--no-install-recommends", package],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if result.returncode != 0:
        raise BuildError(f"apt cannot install {package} on the node image:\n{result.stderr}")
    for found in PLANNED.finditer(result.stdout):
        yield found["url"], found["hash"]


def _download(url: str, target: Path, digest: str, log: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    helper = ["/usr/lib/apt/apt-helper", "-o", "APT::Sandbox::User=root", "download-file"]
    run([*helper, url, str(target), digest], log, timeout=SECONDS)
