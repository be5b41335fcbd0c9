# SPDX-License-Identifier: Apache-2.0
"""The apt archive of the lab: its packages, its sources and its validity."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lab.node import archive, command
from lab.node.archive import Source, is_current, select_sources, source_list, valid_until
from lab.node.recipe import load_recipe

HOT = command.FOLDER.parents[1] / "hot"
CALL = re.compile(r"^[^#]*\binstall_packages ((?:[a-z][\w.+-]* ?)+)$", re.MULTILINE)
NOW = datetime(2026, 1, 10, 12, tzinfo=UTC)


def test_contains_all_packages_of_steps() -> None:
    """The archive contains exactly the packages that a step may install."""
    wanted: set[str] = set()
    for script in HOT.rglob("*.sh"):
        text = script.read_text()
        for names in CALL.findall(text):
            wanted |= set(names.split())
        # Programs of all systems, whose packages have the same names.
        for names in re.findall(r"^for command in (.*); do\n.*\bmissing\+=.*\ndone\n"
                                r".*system_programs", text, re.MULTILINE):  # fmt: skip
            wanted |= set(names.split())
    assert {"keepalived", "ethtool"} <= wanted
    assert set(load_recipe(command.FOLDER).archive_packages) == wanted


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("http://mirror.example/debian/", "debian"),
        ("http://mirror.example/debian-security/", "debian-security"),
        ("http://mirror.example/some/debian", "debian"),
        ("http://debian-security.example/", "debian"),
    ],
)
def test_archives_have_the_names_of_debian(address: str, name: str) -> None:
    """The archive of security updates is beside the other one, as on Debian's mirrors."""
    assert Source(address, "bookworm").archive == name


TARGETS = """\
Debian|bookworm|stable|main|http://m.example/debian/
Debian|bookworm|stable|contrib|http://m.example/debian/
Debian|bookworm-updates|bookworm-updates|main|http://m.example/debian/
Debian|bookworm-backports|bookworm-backports|main|http://m.example/debian/
Debian|bookworm-security|bookworm-security|main|http://m.example/debian-security/
Other|bookworm|bookworm|main|http://other.example/debian/
"""


def test_sources_of_the_release_are_used() -> None:
    """The sources of apt for a release are used as they are."""
    debian, security = "http://m.example/debian/", "http://m.example/debian-security/"
    expected = [
        Source(debian, "stable"),
        Source(debian, "bookworm-updates"),
        Source(debian, "bookworm-backports"),
        Source(security, "bookworm-security"),
    ]
    assert select_sources("bookworm", TARGETS) == expected
    both = f"{TARGETS}Debian|trixie|trixie|main|http://t.example/debian/\n"
    assert select_sources("bookworm", both) == expected
    assert select_sources("trixie", both) == [Source("http://t.example/debian/", "trixie")]


def test_mirrors_of_another_release_are_used() -> None:
    """Without a source of a release, its name is used with the mirrors of another one."""
    debian, security = "http://m.example/debian/", "http://m.example/debian-security/"
    assert select_sources("trixie", TARGETS) == [
        Source(debian, "trixie"),
        Source(debian, "trixie-updates"),
        Source(security, "trixie-security"),
    ]
    assert select_sources("trixie", "Other|bookworm|bookworm|main|http://o.example/x/\n") == []


def test_sources_are_verified() -> None:
    """Every source names Debian's keyring; none is trusted without a signature."""
    text = source_list([Source("http://mirror.example/debian/", "bookworm")])
    assert (
        text == f"deb [signed-by={archive.KEYRING}] http://mirror.example/debian/ bookworm main\n"
    )


def release(folder: Path, suite: str, until: str) -> None:
    """Write a file InRelease with a date of expiry, or without one."""
    path = folder / "debian" / "dists" / suite / "InRelease"
    path.parent.mkdir(parents=True)
    path.write_text(f"Suite: {suite}\n{until}SHA256:\n")


def test_validity() -> None:
    """A list without a date is valid permanently."""
    assert valid_until("Suite: x\n") is None
    text = "Suite: x\nValid-Until: Sun, 11 Jan 2026 00:53:13 UTC\n"
    assert valid_until(text) == datetime(2026, 1, 11, 0, 53, 13, tzinfo=UTC)


def test_outdated_archive_is_replaced(tmp_path: Path) -> None:
    """An archive is replaced a day before apt rejects one of its lists."""
    release(tmp_path, "bookworm", "")
    release(tmp_path, "bookworm-updates", "Valid-Until: Mon, 12 Jan 2026 00:00:00 UTC\n")
    assert is_current(tmp_path, NOW)
    assert not is_current(tmp_path, NOW + timedelta(days=1))


def test_planned_downloads_of_apt() -> None:
    """The output of ``apt-get install --print-uris`` has a URL and a digest for each file."""
    line = "'http://m.example/debian/pool/a%2bb_1.deb' a+b_1.deb 123 SHA256:0a1b"
    found = archive.PLANNED.search(line)
    assert found is not None
    assert found["url"] == "http://m.example/debian/pool/a%2bb_1.deb"
    assert found["hash"] == "SHA256:0a1b"
