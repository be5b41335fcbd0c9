# SPDX-License-Identifier: Apache-2.0
"""The cache: an entry is complete or absent, and is created once."""

from pathlib import Path

import pytest

from lab.artifacts.cache import Cache, content_key

KEY = content_key({"a": "1"})


def test_an_entry_is_created_once(tmp_path: Path) -> None:
    """A second request for a key does not create the entry again."""
    cache, created = Cache(tmp_path), []

    def create(folder: Path) -> None:
        created.append(folder)
        (folder / "file").write_text("content")

    first = cache.get_or_create("thing", KEY, "creating", create)
    second = cache.get_or_create("thing", KEY, "creating", create)
    assert first == second
    assert len(created) == 1
    assert (first / "file").read_text() == "content"


def test_a_failed_build_leaves_no_entry(tmp_path: Path) -> None:
    """After an error, neither the entry nor the temporary directory exists."""
    cache = Cache(tmp_path)

    def fail(folder: Path) -> None:
        (folder / "half").write_text("")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        cache.get_or_create("thing", KEY, "creating", fail)
    assert not list(tmp_path.glob("*thing*/half"))
    assert not cache.entry("thing", KEY).exists()


def test_an_outdated_entry_is_replaced(tmp_path: Path) -> None:
    """An entry that is no longer current is created again, and kept until then."""
    cache, versions = Cache(tmp_path), iter("12")

    def create(folder: Path) -> None:
        (folder / "file").write_text(next(versions))

    def is_current(entry: Path) -> bool:
        return (entry / "file").read_text() == "2"

    def fail(folder: Path) -> None:
        raise RuntimeError(folder)

    entry = cache.get_or_create("thing", KEY, "creating", create, is_current)
    with pytest.raises(RuntimeError):
        cache.get_or_create("thing", KEY, "creating", fail, is_current)
    assert (entry / "file").read_text() == "1"
    assert cache.get_or_create("thing", KEY, "creating", create, is_current) == entry
    assert cache.get_or_create("thing", KEY, "creating", create, is_current) == entry
    assert (entry / "file").read_text() == "2"


def test_leftovers_of_a_killed_build_are_removed(tmp_path: Path) -> None:
    """A build starts in an empty directory after one that was killed."""
    (tmp_path / ".thing.partial").mkdir()
    (tmp_path / ".thing.partial" / "old").write_text("")
    entry = Cache(tmp_path).get_or_create("thing", KEY, "creating", lambda _: None)
    assert list(entry.iterdir()) == []


def test_pruning_keeps_other_names(tmp_path: Path) -> None:
    """Only older entries of exactly this name are removed: `node-packages` is not a `node`."""
    cache = Cache(tmp_path)
    old, new = (
        cache.get_or_create("node", content_key({"v": v}), "", lambda _: None) for v in "12"
    )
    other = cache.get_or_create("node-packages", KEY, "", lambda _: None)
    cache.prune({new})
    assert not old.exists()
    assert new.exists()
    assert other.exists()


@pytest.mark.parametrize(
    ("one", "other"),
    [({"a": "1"}, {"a": "2"}), ({"a": "1"}, {"b": "1"}), ({"a": "1\nb 1\n"}, {"a": "1", "b": ""})],
)
def test_keys_differ_with_content(one: dict[str, str], other: dict[str, str]) -> None:
    """Other values, other names and values with separators give other keys."""
    assert content_key(dict(one)) != content_key(dict(other))
