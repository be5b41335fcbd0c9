# SPDX-License-Identifier: Apache-2.0
"""Selecting the components that are built, and those that are served."""

from pathlib import Path

import pytest

from lab.artifacts import command, go
from lab.artifacts.cache import Cache
from lab.artifacts.images import load_images
from lab.artifacts.recipes import Component, RecipeError, load_components
from lab.artifacts.selection import check_names, to_build, to_serve

COMPONENTS = load_components(command.FOLDER / "components")
IMAGES = load_images(command.FOLDER / "images", {each.name: each for each in COMPONENTS})
IN_IMAGES = {"coredns", "kubernetes"}
RECIPE = """
summary = "a thing"
module = "example.org/thing"
[binaries]
{name} = "example.org/thing/{name}"
[smoke]
"{name}" = ""
[[releases]]
path = "host/{name}.tgz"
files = {files}
"""
IMAGE = """
repository = "one"
tags = ["1"]
entrypoint = ["/one"]
entries = [{ path = "/one", built = "one/one" }]
"""


def test_components_of_images_are_always_built() -> None:
    """All images are served, so their components are built for any selection."""
    assert to_build(["etcd"], COMPONENTS, IMAGES) == {"etcd", *IN_IMAGES}


def test_components_of_an_archive_are_built() -> None:
    """Docker's archive contains containerd and runc."""
    assert to_build(["docker"], COMPONENTS, []) == {"docker", "containerd", "runc"}


def test_results_of_other_builds_are_served() -> None:
    """Results for another cluster are served, except for archives whose parts are missing."""
    built = to_build(["etcd"], COMPONENTS, IMAGES)
    assert to_serve(built, ["flannel"], COMPONENTS) == {*built, "flannel"}
    assert to_serve(built, ["docker", "containerd"], COMPONENTS) == {*built, "containerd"}
    parts = {"docker", "containerd", "runc"}
    assert to_serve(built, parts, COMPONENTS) == {*built, *parts}


def test_an_unknown_component_is_refused() -> None:
    """The error names the component and those that exist."""
    with pytest.raises(RecipeError, match=r"no component 'dokcer': use one of cni-plugins, "):
        check_names(["etcd", "dokcer"], COMPONENTS)


@pytest.fixture
def recipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a directory with the components `one`, which an image contains, and `two`."""
    for name, files in (("one", '["one"]'), ("two", '["two", "one/one"]')):
        folder = tmp_path / "components" / name
        folder.mkdir(parents=True)
        (folder / "go.mod").write_text("require example.org/thing v1.0.0\n")
        (folder / "go.sum").write_text("")
        (folder / "recipe.toml").write_text(RECIPE.format(name=name, files=files))
    (tmp_path / "images" / "one").mkdir(parents=True)
    (tmp_path / "images" / "one" / "recipe.toml").write_text(IMAGE)

    def build(component: Component, folder: Path, log: Path) -> None:
        for name in component.outputs:
            (folder / name).write_text(name)

    monkeypatch.setattr("os.sync", lambda: None)
    monkeypatch.setattr(command, "FOLDER", tmp_path)
    monkeypatch.setattr(command, "ensure_packages", lambda packages, log: {})
    monkeypatch.setattr(command, "installed_versions", lambda packages: {})
    monkeypatch.setattr(go.Toolchain, "find", lambda packages: go.Toolchain("go1.26", packages))
    monkeypatch.setattr(go, "build", build)
    return tmp_path


def run(directory: Path, *options: str) -> tuple[set[str], Path]:
    """Run the build command; return the files of the mirror and the storage of the registry."""
    out = directory / "out"
    words = ["--out", str(out), "--cache", str(directory / "cache"), *options]
    command._build_all(command._parser().parse_args(words))
    served = {path.name for path in (out / "mirror" / "host").iterdir()}
    return served, (out / "registry").resolve()


def test_a_smaller_selection_removes_nothing(recipes: Path) -> None:
    """A build of fewer components removes nothing from the mirror, not even with --prune."""
    first, registry = run(recipes, "--components", "one")
    assert first == {"one.tgz"}
    assert run(recipes) == ({"one.tgz", "two.tgz"}, registry)
    assert run(recipes, "--components", "one", "--prune") == ({"one.tgz", "two.tgz"}, registry)
    assert len(list((recipes / "cache").glob("two-*"))) == 1


def test_a_new_recipe_is_not_built_unless_needed(recipes: Path) -> None:
    """The result of an older recipe is not served, but remains in the cache."""
    run(recipes)
    recipe = recipes / "components" / "two" / "recipe.toml"
    recipe.write_text(recipe.read_text() + "# changed\n")
    assert run(recipes, "--components", "one", "--prune")[0] == {"one.tgz"}
    assert len(list((recipes / "cache").glob("two-*"))) == 1


def test_a_component_on_request_is_only_built_if_named(recipes: Path) -> None:
    """Without a selection it is not built; once built, what it publishes is served."""
    recipe = recipes / "components" / "two" / "recipe.toml"
    recipe.write_text("on_request = true\n" + recipe.read_text())
    assert run(recipes)[0] == {"one.tgz"}
    assert command.build_component("one", Cache(recipes / "cache")).name.startswith("one-")
    assert run(recipes, "--components", "two")[0] == {"one.tgz", "two.tgz"}
    assert run(recipes)[0] == {"one.tgz", "two.tgz"}


def test_a_program_on_request_does_not_change_the_mirror(recipes: Path) -> None:
    """A component that publishes nothing does not belong to the mirror, even if it was built."""
    recipe = recipes / "components" / "two" / "recipe.toml"
    recipe.write_text("on_request = true\n" + recipe.read_text().partition("[[releases]]")[0])
    run(recipes)
    mirror = (recipes / "out" / "mirror").resolve()
    assert (command.build_component("two", Cache(recipes / "cache")) / "two").exists()
    run(recipes)
    assert (recipes / "out" / "mirror").resolve() == mirror
