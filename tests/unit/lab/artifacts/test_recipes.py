# SPDX-License-Identifier: Apache-2.0
"""Recipes: those of the repository are valid, and errors in others are reported."""

from pathlib import Path

import pytest

from lab.artifacts import command, go, images
from lab.artifacts.recipes import Component, RecipeError, load_component, load_components

COMPONENTS = load_components(command.FOLDER / "components")
GO_MOD = "module m\n\nrequire example.org/thing v1.2.3\n"
RECIPE = """
summary = "a thing"
module = "example.org/thing"
ldflags = ["-X main.version=v{version}"]
[binaries]
thing = "example.org/thing/cmd/thing"
[smoke]
"thing --version" = "v{major}.{minor}"
"""


def component_folder(tmp_path: Path, recipe: str = RECIPE) -> Path:
    """Return the directory of a component with this recipe."""
    (tmp_path / "go.mod").write_text(GO_MOD)
    (tmp_path / "recipe.toml").write_text(recipe)
    return tmp_path


def test_versions_come_from_go_mod(tmp_path: Path) -> None:
    """The version is read from go.mod and inserted into the texts of the recipe."""
    component = load_component(component_folder(tmp_path))
    assert component.version == "1.2.3"
    assert component.ldflags == ["-X main.version=v1.2.3"]
    assert component.smoke == {"thing --version": "v1.2"}


def test_a_recipe_like_another_one(tmp_path: Path) -> None:
    """It has the other recipe's keys except its own, and is built again if either changes."""
    for name in ("base", "other"):
        (tmp_path / name).mkdir()
        component_folder(tmp_path / name)
    (tmp_path / "other" / "recipe.toml").write_text('like = "base"\nsummary = "another"\n')
    (tmp_path / "other" / "go.mod").write_text(GO_MOD.replace("v1.2.3", "v1.1.9"))
    for name in ("base", "other"):
        (tmp_path / name / "go.sum").touch()
    component = load_component(tmp_path / "other")
    assert (component.summary, component.ldflags) == ("another", ["-X main.version=v1.1.9"])
    assert component.binaries == load_component(tmp_path / "base").binaries
    before = component.inputs()
    (tmp_path / "base" / "recipe.toml").write_text(RECIPE.replace("v{version}", "{version}"))
    assert load_component(tmp_path / "other").inputs() != before


def test_the_same_sources_with_another_version(tmp_path: Path) -> None:
    """Only the version differs, so that Go links the compiled packages again."""
    (tmp_path / "base").mkdir()
    component_folder(tmp_path / "base")
    (tmp_path / "base" / "go.sum").touch()
    (tmp_path / "other").mkdir()
    recipe = 'like = "base"\nmodules = "base"\nadded_to_patch = 900\n'
    (tmp_path / "other" / "recipe.toml").write_text(recipe)
    component = load_component(tmp_path / "other")
    assert component.version == "1.2.903"
    assert component.ldflags == ["-X main.version=v1.2.903"]
    assert component.modules == tmp_path / "base"
    assert set(component.inputs()) == {
        "recipe.toml", "go.mod", "go.sum", "base/recipe.toml",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (RECIPE.replace("summary", "summery"), "unknown key 'summery'"),
        (RECIPE.replace('summary = "a thing"', ""), "'summary' is missing"),
        (RECIPE.replace("example.org/thing", "example.org/other"), "does not require"),
        (RECIPE.replace('"thing --version"', '"other"'), "smoke lacks 'thing'"),
        (
            RECIPE + '[[releases]]\npath = "x"\nfiles = ["y"]\n',
            "'y', which the recipe does not build",
        ),
        ("summary =", "cannot be read as TOML"),
    ],
)
def test_an_invalid_recipe_is_reported(tmp_path: Path, recipe: str, message: str) -> None:
    """The error contains the path of the file and the reason."""
    with pytest.raises(RecipeError, match=message) as caught:
        load_component(component_folder(tmp_path, recipe))
    assert str(tmp_path) in str(caught.value)


def test_a_file_of_another_component_must_be_built(tmp_path: Path) -> None:
    """A file of another component that is not built is reported when recipes are loaded."""
    for name in ("part", "archive"):
        (tmp_path / name).mkdir()
        component_folder(tmp_path / name)
    release = '[[releases]]\npath = "x.tgz"\nfiles = ["part/thing", "part/other"]\n'
    (tmp_path / "archive/recipe.toml").write_text(RECIPE + release)
    with pytest.raises(RecipeError, match="'part/other', which no component builds"):
        load_components(tmp_path)


def test_incompatible_is_removed_from_a_version(tmp_path: Path) -> None:
    """The suffix that Go adds to versions of modules without go.mod is not part of the version."""
    folder = component_folder(tmp_path)
    (folder / "go.mod").write_text("require example.org/thing v29.8.1+incompatible\n")
    assert load_component(folder).version == "29.8.1"


@pytest.mark.parametrize("component", COMPONENTS, ids=lambda component: component.name)
def test_go_mod_names_every_package(component: Component) -> None:
    """Every package has a `tool` line in go.mod; otherwise go.sum would be incomplete."""
    go_mod = (component.modules / "go.mod").read_text()
    for package in component.binaries.values():
        assert f"\t{package}\n" in go_mod or f"tool {package}\n" in go_mod


def test_images_are_valid() -> None:
    """The recipes of images contain only files that components build."""
    found = images.load_images(command.FOLDER / "images", {c.name: c for c in COMPONENTS})
    assert {image.repository for image in found} >= {"pause", "coredns/coredns"}


@pytest.mark.parametrize(
    ("package", "name"),
    [
        ("example.org/a/cmd/b", "b"),
        ("example.org/etcdctl/v3", "etcdctl"),
        ("example.org/v2/cmd/ctr", "ctr"),
    ],
)
def test_default_name(package: str, name: str) -> None:
    """The name of a program is the last element of its path that is not a version."""
    assert go.default_name(package) == name
