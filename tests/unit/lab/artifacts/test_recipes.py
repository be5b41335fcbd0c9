# SPDX-License-Identifier: Apache-2.0
"""Recipes: those of the repository are sound, and a wrong one is told clearly."""

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
    """A component's folder with this recipe."""
    (tmp_path / "go.mod").write_text(GO_MOD)
    (tmp_path / "recipe.toml").write_text(recipe)
    return tmp_path


def test_versions_come_from_go_mod(tmp_path: Path) -> None:
    """The version is written once, in go.mod, and put into the recipe's texts."""
    component = load_component(component_folder(tmp_path))
    assert component.version == "1.2.3"
    assert component.ldflags == ["-X main.version=v1.2.3"]
    assert component.smoke == {"thing --version": "v1.2"}


@pytest.mark.parametrize(
    ("recipe", "told"),
    [
        (RECIPE.replace("summary", "summery"), "unknown key 'summery'"),
        (RECIPE.replace('summary = "a thing"', ""), "'summary' is missing"),
        (RECIPE.replace("example.org/thing", "example.org/other"), "does not require"),
        (RECIPE.replace('"thing --version"', '"other"'), "smoke lacks 'thing'"),
        (RECIPE + '[[releases]]\npath = "x"\nfiles = ["y"]\n', "'y', which nothing here builds"),
        ("summary =", "cannot be read as TOML"),
    ],
)
def test_a_wrong_recipe_is_told(tmp_path: Path, recipe: str, told: str) -> None:
    """The error names the file and what is wrong in it."""
    with pytest.raises(RecipeError, match=told) as caught:
        load_component(component_folder(tmp_path, recipe))
    assert str(tmp_path) in str(caught.value)


def test_a_borrowed_file_must_be_built(tmp_path: Path) -> None:
    """An archive that wants what no component builds is refused before anything is built."""
    for name in ("lender", "taker"):
        (tmp_path / name).mkdir()
        component_folder(tmp_path / name)
    release = '[[releases]]\npath = "x.tgz"\nfiles = ["lender/thing", "lender/other"]\n'
    (tmp_path / "taker/recipe.toml").write_text(RECIPE + release)
    with pytest.raises(RecipeError, match="'lender/other', which no component builds"):
        load_components(tmp_path)


def test_a_module_without_go_mod_has_a_plain_version(tmp_path: Path) -> None:
    """What Go adds to the version of a module without go.mod is no part of upstream's name."""
    folder = component_folder(tmp_path)
    (folder / "go.mod").write_text("require example.org/thing v29.8.1+incompatible\n")
    assert load_component(folder).version == "29.8.1"


@pytest.mark.parametrize("component", COMPONENTS, ids=lambda component: component.name)
def test_go_mod_names_every_package(component: Component) -> None:
    """A package that go.mod has no `tool` line for would lack its sums, and the build fail."""
    go_mod = (component.folder / "go.mod").read_text()
    for package in component.binaries.values():
        assert f"\t{package}\n" in go_mod or f"tool {package}\n" in go_mod


def test_images_are_sound() -> None:
    """Each image's recipe takes only what some component builds."""
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
    """Go names a program by the last element of its path that is no version."""
    assert go.default_name(package) == name
