# SPDX-License-Identifier: Apache-2.0
"""What is built and how: the recipes of the components, read from their folders.

A component is a folder under `components/`: a wrapper Go module (`go.mod`, `go.sum`) that pins the
versions, and a `recipe.toml`. In a recipe's texts `{version}`, `{major}` and `{minor}` stand for
the version that go.mod requires of the recipe's `module`.
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
    """A recipe is wrong; the text names the file, the key and the fix."""


@dataclass(frozen=True)
class CProgram:
    """A C program of one file, shipped by a Go module and linked statically."""

    module: str
    source: str
    flags: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Source:
    """A file that is taken from a Go module as it is."""

    module: str
    path: str
    mode: int = 0o644


@dataclass(frozen=True, kw_only=True)
class Release:
    """Files as upstream publishes them, in a mirror's tree.

    Attributes:
        path: the address without its scheme. With `{file}` in it each of `files` is published by
            itself, and so it is when there is but one and the path names no archive; else `path`
            is an archive of them all.
        files: names of what the component builds, or `component/name` for what another one does.
        prefix: the folder within the archive.
        checksums: the path of the checksum file, where `{path}` stands for the file it is of;
            empty if upstream has none.
        checksum_style: `bare` for the digest alone, `named` for lines `digest  name`.
    """

    path: str
    files: list[str]
    prefix: str = ""
    checksums: str = ""
    checksum_style: str = "named"

    @property
    def is_archive(self) -> bool:
        """Whether the files are published in one compressed archive."""
        return self.path.endswith((".tar.gz", ".tgz"))


@dataclass(frozen=True, kw_only=True)
class Component:
    """One component: what is built from which module, and how it is published."""

    name: str
    folder: Path
    version: str
    summary: str
    module: str
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
        """The names of all files that building makes."""
        return {*self.binaries, *self.c_programs, *self.sources}

    @property
    def included(self) -> set[str]:
        """The names of other components whose files are in the archives of this one."""
        files = [file for release in self.releases for file in release.files]
        return {file.partition("/")[0] for file in files if "/" in file} - {self.name}

    def inputs(self) -> dict[str, bytes]:
        """The files whose content decides what building makes."""
        return {
            name: (self.folder / name).read_bytes() for name in ("recipe.toml", "go.mod", "go.sum")
        }


@dataclass(frozen=True, kw_only=True)
class _Recipe:
    """The keys of a recipe.toml."""

    summary: str
    module: str
    binaries: dict[str, str]
    smoke: dict[str, str]
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
        """Read the file; see `load_component` for the errors."""
        table = read_toml(path)
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
    """Read all components of `folder`, in the order of their names.

    Raises:
        RecipeError: a recipe is wrong.
    """
    found = [load_component(path.parent) for path in sorted(folder.glob("*/recipe.toml"))]
    _check_borrowed(found)
    return found


def load_component(folder: Path) -> Component:
    """Read one component's recipe and the versions its wrapper module pins.

    Raises:
        RecipeError: the recipe is not TOML, has unknown or missing keys, or contradicts itself.
    """
    path = folder / "recipe.toml"
    recipe = _Recipe.read(path)
    version = required_version(folder / "go.mod", recipe.module)
    major, minor = version.split(".")[:2]
    texts = {"version": version, "major": major, "minor": minor}
    component = Component(
        name=folder.name,
        folder=folder,
        version=version,
        summary=recipe.summary,
        module=recipe.module,
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
        RecipeError: it cannot be read or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RecipeError(f"{path}: cannot be read as TOML: {error}") from error


def from_table(shape: type[_Shape], table: Mapping[str, Any], where: str) -> _Shape:
    """Make a dataclass from a TOML table.

    Raises:
        RecipeError: a key is unknown or missing.
    """
    known = {item.name: item for item in fields(shape)}  # type: ignore[arg-type]
    unknown = sorted(set(table) - set(known))
    if unknown:
        raise RecipeError(f"{where}: unknown key {unknown[0]!r}: known are {', '.join(known)}")
    needed = {
        name for name, item in known.items() if item.default is item.default_factory is MISSING
    }
    missing = sorted(needed - set(table))
    if missing:
        raise RecipeError(f"{where}: {missing[0]!r} is missing: add it")
    return shape(**table)


def required_version(go_mod: Path, module: str) -> str:
    """The version, without its v, that a go.mod requires of `module`.

    Raises:
        RecipeError: it requires none.
    """
    pattern = rf"^(?:require )?\s*{re.escape(module)} v(\S+)"
    found = re.search(pattern, go_mod.read_text(encoding="utf-8"), re.MULTILINE)
    if not found:
        raise RecipeError(
            f"{go_mod}: does not require {module!r}: name it there or mend the recipe's module"
        )
    return found[1].removesuffix("+incompatible")


def expand(text: str, values: Mapping[str, str]) -> str:
    """Replace `{name}` by its value for each of `values`; leave every other brace alone."""
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


def _check_borrowed(components: Sequence[Component]) -> None:
    """Refuse a release that wants another component's file which that one does not build."""
    built = {f"{component.name}/{name}" for component in components for name in component.outputs}
    for component in components:
        for release in component.releases:
            strangers = sorted({file for file in release.files if "/" in file} - built)
            if strangers:
                raise RecipeError(
                    f"{component.folder / 'recipe.toml'}: {release.path} holds {strangers[0]!r}, "
                    "which no component builds"
                )


def _check(component: Component, path: Path) -> None:
    """Refuse what would only fail, or not be noticed, after minutes of building."""
    unproven = {*component.binaries, *component.c_programs} - {
        command.split()[0] for command in component.smoke
    }
    if unproven:
        raise RecipeError(
            f"{path}: smoke lacks {min(unproven)!r}: add a command that prints its version"
        )
    for release in component.releases:
        own = {file for file in release.files if "/" not in file}
        strangers = sorted(own - component.outputs)
        if strangers:
            raise RecipeError(
                f"{path}: {release.path} holds {strangers[0]!r}, which nothing here builds"
            )
        if release.checksum_style not in CHECKSUM_STYLES:
            raise RecipeError(
                f"{path}: checksum_style {release.checksum_style!r}: "
                f"use {' or '.join(CHECKSUM_STYLES)}"
            )
