# SPDX-License-Identifier: Apache-2.0
"""The cache: an entry is whole or absent, and made once."""

from pathlib import Path

import pytest

from lab.artifacts.cache import Cache, content_key

KEY = content_key({"a": "1"})


def test_an_entry_is_made_once(tmp_path: Path) -> None:
    """A second taking of the same key does not make the entry again."""
    cache, made = Cache(tmp_path), []

    def make(folder: Path) -> None:
        made.append(folder)
        (folder / "file").write_text("content")

    first = cache.take("thing", KEY, "making", make)
    second = cache.take("thing", KEY, "making", make)
    assert first == second
    assert len(made) == 1
    assert (first / "file").read_text() == "content"


def test_a_failed_making_leaves_no_entry(tmp_path: Path) -> None:
    """What fails half way is neither taken for an entry nor left lying about."""
    cache = Cache(tmp_path)

    def fail(folder: Path) -> None:
        (folder / "half").write_text("")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        cache.take("thing", KEY, "making", fail)
    assert not list(tmp_path.glob("*thing*/half"))
    assert not cache.entry("thing", KEY).exists()


def test_what_a_killed_build_left_is_removed(tmp_path: Path) -> None:
    """A making starts in an empty folder even after one that could not clear up."""
    (tmp_path / ".thing.partial").mkdir()
    (tmp_path / ".thing.partial" / "old").write_text("")
    entry = Cache(tmp_path).take("thing", KEY, "making", lambda _: None)
    assert list(entry.iterdir()) == []


def test_pruning_spares_other_names(tmp_path: Path) -> None:
    """Only older entries of the very same name go: `node-packages` is not a `node`."""
    cache = Cache(tmp_path)
    old, new = (cache.take("node", content_key({"v": v}), "", lambda _: None) for v in "12")
    other = cache.take("node-packages", KEY, "", lambda _: None)
    cache.prune({new})
    assert not old.exists()
    assert new.exists()
    assert other.exists()


@pytest.mark.parametrize(
    ("one", "other"),
    [({"a": "1"}, {"a": "2"}), ({"a": "1"}, {"b": "1"}), ({"a": "1\nb 1\n"}, {"a": "1", "b": ""})],
)
def test_keys_differ_with_content(one: dict[str, str], other: dict[str, str]) -> None:
    """Neither another value, nor another name, nor a cunning value gives the same key."""
    assert content_key(dict(one)) != content_key(dict(other))
