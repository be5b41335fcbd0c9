# SPDX-License-Identifier: Apache-2.0
"""The recipes of the components.

A component is a directory under `components/`: a wrapper Go module (`go.mod`, `go.sum`) that pins
the versions, and a `recipe.toml`. In the texts of a recipe, `{version}`, `{major}` and `{minor}`
are replaced by the version of `module` that go.mod requires.

A recipe may have only the keys that differ from another one: `like` names its component. It may
also build the sources of another component with another version: see `_Recipe`.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, Self, TypeVar

from lab.artifacts.progress import BuildError

CHECKSUM_STYLES = ("bare", "named")
_Shape = TypeVar("_Shape")


class RecipeError(BuildError):
    """A recipe is invalid; the text names the file, the key and the fix."""


@dataclass(frozen=True)
class CProgram:
    """A C program with one source file in a Go module, linked statically."""

    module: str
    source: str
    flags: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Source:
    """A file that is copied unchanged from a Go module."""

    module: str
    path: str
    mode: int = 0o644


@dataclass(frozen=True, kw_only=True)
class Release:
    """Files in the mirror, as upstream publishes them.

    Attributes:
        path: the URL without the scheme: of an archive of all `files`, or of a single file; with
            `{file}`, each of `files` is published separately.
        files: names of outputs of this component, or `component/name` for those of another one.
        prefix: the directory within the archive.
        checksums: path of the checksum file, in which `{path}` is replaced by `path`; empty if
            upstream publishes none.
        checksum_style: `bare` for only the digest, `named` for lines `digest  name`.
    """

    path: str
    files: list[str]
    prefix: str = ""
    checksums: str = ""
    checksum_style: str = "named"

    @property
    def is_archive(self) -> bool:
        """Whether the files are published in one archive."""
        return self.path.endswith((".tar.gz", ".tgz"))


@dataclass(frozen=True, kw_only=True)
class Component:
    """One component: its module, outputs and releases."""

    name: str
    folder: Path
    modules: Path
    """Directory of go.mod and go.sum."""
    recipes: list[Path]
    """Directories of its recipe and of those that this one refers to."""
    version: str
    summary: str
    module: str
    on_request: bool
    """Whether it is built only when it is named, because few tests need it."""
    binaries: dict[str, str]
    smoke: dict[str, str]
    packages: list[str]
    cgo: bool
    tags: list[str]
    ldflags: list[str]
    gcflags: str
    c_programs: dict[str, CProgram]
    sources: dict[str, Source]
    releases: list[Release]

    @property
    def outputs(self) -> set[str]:
        """The names of all built files."""
        return {*self.binaries, *self.c_programs, *self.sources}

    @property
    def included(self) -> set[str]:
        """The names of other components whose files are in the archives of this one."""
        files = [file for release in self.releases for file in release.files]
        return {file.partition("/")[0] for file in files if "/" in file} - {self.name}

    def inputs(self) -> dict[str, bytes]:
        """Return the content of the files on which the result of a build depends."""
        paths = [self.modules / "go.mod", self.modules / "go.sum"]
        own = {path.name: path.read_bytes() for path in paths}
        own["recipe.toml"] = (self.folder / "recipe.toml").read_bytes()
        others = {f"{folder.name}/recipe.toml": folder for folder in self.recipes[1:]}
        return own | {
            name: (folder / "recipe.toml").read_bytes() for name, folder in others.items()
        }


@dataclass(frozen=True, kw_only=True)
class _Recipe:
    """The keys of a recipe.toml.

    Attributes:
        like: the component whose recipe has the keys that this one lacks.
        modules: the component whose go.mod and go.sum it uses, if it has none.
        added_to_patch: number that is added to the patch version: the same sources with a version
            that no release has.
    """

    like: str = ""
    modules: str = ""
    added_to_patch: int = 0
    summary: str
    module: str
    binaries: dict[str, str]
    smoke: dict[str, str]
    on_request: bool = False
    packages: list[str] = field(default_factory=list)
    cgo: bool = False
    tags: list[str] = field(default_factory=list)
    ldflags: list[str] = field(default_factory=list)
    gcflags: str = ""
    c_programs: dict[str, CProgram] = field(default_factory=dict)
    sources: dict[str, Source] = field(default_factory=dict)
    releases: list[Release] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the file; `load_component` documents the errors."""
        table = read_toml(path)
        if like := table.get("like"):
            table = read_toml(path.parents[1] / like / path.name) | table
        for key, shape in (("c_programs", CProgram), ("sources", Source)):
            entries = table.get(key, {})
            table[key] = {
                name: from_table(shape, entry, f"{path}: {key}.{name}")
                for name, entry in entries.items()
            }
        table["releases"] = [
            from_table(Release, entry, f"{path}: releases[{index}]")
            for index, entry in enumerate(table.get("releases", []))
        ]
        return from_table(cls, table, str(path))


def load_components(folder: Path) -> list[Component]:
    """Read all components in `folder`, sorted by name.

    Raises:
        RecipeError: a recipe is invalid.
    """
    found = [load_component(path.parent) for path in sorted(folder.glob("*/recipe.toml"))]
    _check_included(found)
    return found


def load_component(folder: Path) -> Component:
    """Read the recipe of a component and the version in its go.mod.

    Raises:
        RecipeError: the recipe is not TOML, has unknown or missing keys, or is inconsistent.
    """
    path = folder / "recipe.toml"
    recipe = _Recipe.read(path)
    modules = folder.parent / recipe.modules if recipe.modules else folder
    version = required_version(modules / "go.mod", recipe.module)
    major, minor = version.split(".")[:2]
    if recipe.added_to_patch:
        version = f"{major}.{minor}.{int(version.split('.')[2]) + recipe.added_to_patch}"
    texts = {"version": version, "major": major, "minor": minor}
    component = Component(
        name=folder.name,
        folder=folder,
        modules=modules,
        recipes=[folder, *([folder.parent / recipe.like] if recipe.like else [])],
        version=version,
        summary=recipe.summary,
        module=recipe.module,
        on_request=recipe.on_request,
        binaries=recipe.binaries,
        smoke={command: expand(text, texts) for command, text in recipe.smoke.items()},
        packages=recipe.packages,
        cgo=recipe.cgo,
        tags=recipe.tags,
        ldflags=[expand(flag, texts) for flag in recipe.ldflags],
        gcflags=recipe.gcflags,
        c_programs=recipe.c_programs,
        sources=recipe.sources,
        releases=[_expanded(release, texts) for release in recipe.releases],
    )
    _check(component, path)
    return component


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        RecipeError: the file cannot be read or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RecipeError(f"{path}: cannot be read as TOML: {error}") from error


def from_table(shape: type[_Shape], table: Mapping[str, Any], where: str) -> _Shape:
    """Convert a TOML table to a dataclass.

    Raises:
        RecipeError: a key is unknown or missing.
    """
    known = {item.name: item for item in fields(shape)}  # type: ignore[arg-type]
    unknown = sorted(set(table) - set(known))
    if unknown:
        raise RecipeError(f"{where}: unknown key {unknown[0]!r}: use one of {', '.join(known)}")
    needed = {
        name for name, item in known.items() if item.default is item.default_factory is MISSING
    }
    missing = sorted(needed - set(table))
    if missing:
        raise RecipeError(f"{where}: {missing[0]!r} is missing: add it")
    return shape(**table)


def required_version(go_mod: Path, module: str) -> str:
    """Return the version, without its v, of `module` that a go.mod requires.

    Raises:
        RecipeError: go.mod does not require the module.
    """
    pattern = rf"^(?:require )?\s*{re.escape(module)} v(\S+)"
    found = re.search(pattern, go_mod.read_text(encoding="utf-8"), re.MULTILINE)
    if not found:
        raise RecipeError(
            f"{go_mod}: does not require {module!r}: add it, or correct `module` of the recipe"
        )
    return found[1].removesuffix("+incompatible")


def expand(text: str, values: Mapping[str, str]) -> str:
    """Replace `{name}` for each name in `values`; leave all other braces unchanged."""
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def _expanded(release: Release, texts: Mapping[str, str]) -> Release:
    path = expand(release.path, texts)
    return Release(
        path=path,
        files=release.files,
        prefix=expand(release.prefix, texts),
        checksums=expand(release.checksums, texts),
        checksum_style=release.checksum_style,
    )


def _check_included(components: Sequence[Component]) -> None:
    """Check that other components build their files that a release contains."""
    built = {f"{component.name}/{name}" for component in components for name in component.outputs}
    for component in components:
        for release in component.releases:
            unknown = sorted({file for file in release.files if "/" in file} - built)
            if unknown:
                raise RecipeError(
                    f"{component.folder / 'recipe.toml'}: {release.path} contains {unknown[0]!r}, "
                    "which no component builds"
                )


def _check(component: Component, path: Path) -> None:
    """Report errors that would otherwise appear only after minutes of building, or never."""
    untested = {*component.binaries, *component.c_programs} - {
        command.split()[0] for command in component.smoke
    }
    if untested:
        raise RecipeError(
            f"{path}: smoke lacks {min(untested)!r}: add a command that prints its version"
        )
    for release in component.releases:
        own = {file for file in release.files if "/" not in file}
        unknown = sorted(own - component.outputs)
        if unknown:
            raise RecipeError(
                f"{path}: {release.path} contains {unknown[0]!r}, which the recipe does not build"
            )
        if release.checksum_style not in CHECKSUM_STYLES:
            raise RecipeError(
                f"{path}: checksum_style {release.checksum_style!r}: "
                f"use {' or '.join(CHECKSUM_STYLES)}"
            )
