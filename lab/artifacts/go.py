# SPDX-License-Identifier: Apache-2.0
"""Build a component from its wrapper Go module with the ordinary Go client."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.artifacts.progress import BuildError, run
from lab.artifacts.recipes import Component

FORMAT = "1"  # raise it when the same recipe is to be built in another way
OLDEST_GO = (1, 26)
SECONDS_TO_BUILD = 3600.0
SECONDS_TO_ANSWER = 60.0


@dataclass(frozen=True)
class Toolchain:
    """The programs that build, by what they say of themselves."""

    go: str
    packages: Mapping[str, str]  # name → version of the Debian packages that recipes name

    @classmethod
    def find(cls, packages: Mapping[str, str]) -> "Toolchain":
        """Ask Go for its version.

        Raises:
            BuildError: there is no Go, or it is too old.
        """
        wanted = ".".join(map(str, OLDEST_GO))
        if not shutil.which("go"):
            raise BuildError(f"there is no Go on PATH: install Go {wanted} or newer")
        said = _ask(["go", "version"])
        found = re.search(r"go(\d+)\.(\d+)", said)
        if not found or (int(found[1]), int(found[2])) < OLDEST_GO:
            raise BuildError(f"{said!r} is too old: install Go {wanted} or newer")
        return cls(go=said, packages=packages)

    def identity(self, component: Component) -> dict[str, str]:
        """What decides a build of `component` beside its recipe."""
        packages = " ".join(
            f"{name}={self.packages.get(name)}" for name in sorted(component.packages)
        )
        return {"format": FORMAT, "go": self.go, "packages": packages}


def build(component: Component, folder: Path, log: Path) -> None:
    """Build all outputs of `component` into the empty `folder` and see that they run.

    Raises:
        BuildError: a build failed, or a binary does not say what the recipe expects.
    """
    workplace = folder / ".build"
    workplace.mkdir()
    _build_binaries(component, workplace, log)
    for name, package in component.binaries.items():
        (workplace / default_name(package)).rename(folder / name)
    for name, program in component.c_programs.items():
        source = module_folder(component, program.module) / program.source
        command = ["gcc", "-static", "-s", *program.flags, "-o", str(folder / name), str(source)]
        run(command, log, timeout=SECONDS_TO_BUILD)
    for name, file in component.sources.items():
        shutil.copyfile(module_folder(component, file.module) / file.path, folder / name)
        (folder / name).chmod(file.mode)
    shutil.rmtree(workplace)
    for name in {*component.binaries, *component.c_programs}:
        (folder / name).chmod(0o755)
    prove(component, folder)


def default_name(package: str) -> str:
    """The name that `go build` gives a program: the last element of its path that is no version."""
    return [part for part in package.split("/") if not re.fullmatch(r"v[0-9]+", part)][-1]


def prove(component: Component, folder: Path) -> None:
    """Run each smoke command of the recipe.

    Raises:
        BuildError: one cannot be run or does not print what the recipe expects.
    """
    for command, expected in component.smoke.items():
        name, *arguments = command.split()
        answer = _ask([str(folder / name), *arguments])
        if expected not in answer:
            raise BuildError(f"{command!r} should print {expected!r}, but printed: {answer[:300]}")


def module_folder(component: Component, module: str) -> Path:
    """Where Go keeps the sources of `module`; the build has brought them.

    Raises:
        BuildError: Go does not know.
    """
    command = ["go", "list", "-m", "-f", "{{.Dir}}", module]
    answer = _ask(command, component.folder, environment(component))
    if not Path(answer).is_dir():
        raise BuildError(f"{component.name}: where Go keeps {module} is not known: {answer[:300]}")
    return Path(answer)


def environment(component: Component, workplace: Path | None = None) -> dict[str, str]:
    """The environment of Go for this component: this process's, save what decides the result."""
    values = {
        **os.environ,
        "CGO_ENABLED": "1" if component.cgo else "0",
        "GOFLAGS": "-mod=readonly -trimpath -buildvcs=false",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "GOOS": "linux",
        "GOARCH": "amd64",
    }
    values.setdefault("HOME", "/root")  # Go keeps its caches below it; a service has none
    return values if workplace is None else {**values, "GOTMPDIR": str(workplace)}


def _build_binaries(component: Component, workplace: Path, log: Path) -> None:
    """One `go build` of all programs, so that they are linked side by side."""
    command = ["go", "build", "-v", "-o", f"{workplace}/"]
    if component.tags:
        command += ["-tags", ",".join(component.tags)]
    if component.gcflags:
        command.append(f"-gcflags={component.gcflags}")
    command += [
        "-ldflags",
        " ".join(["-s", "-w", *component.ldflags]),
        *component.binaries.values(),
    ]
    run(
        command,
        log,
        timeout=SECONDS_TO_BUILD,
        cwd=component.folder,
        environment=environment(component, workplace),
    )


def _ask(
    command: list[str], folder: Path | None = None, environ: Mapping[str, str] | None = None
) -> str:
    """Run a short command and return all it printed, whatever its exit status."""
    try:
        answer = subprocess.run(
            command,
            cwd=folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS_TO_ANSWER,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BuildError(f"{' '.join(command)}: {error}") from error
    return answer.stdout.strip()
