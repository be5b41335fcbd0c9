# SPDX-License-Identifier: Apache-2.0
"""Build a component from its wrapper module with the `go` command."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.artifacts.progress import BuildError, run
from lab.artifacts.recipes import Component

FORMAT = "1"  # increase it when the build of an unchanged recipe changes
OLDEST_GO = (1, 26)
SECONDS_TO_BUILD = 3600.0
COMMAND_SECONDS = 60.0


@dataclass(frozen=True)
class Toolchain:
    """Versions of the programs that build."""

    go: str
    packages: Mapping[str, str]  # name → version of the Debian packages in recipes

    @classmethod
    def find(cls, packages: Mapping[str, str]) -> "Toolchain":
        """Read the version of Go.

        Raises:
            BuildError: Go is not installed or too old.
        """
        oldest = ".".join(map(str, OLDEST_GO))
        if not shutil.which("go"):
            raise BuildError(f"go is not on PATH: install Go {oldest} or newer")
        version = _output(["go", "version"])
        found = re.search(r"go(\d+)\.(\d+)", version)
        if not found or (int(found[1]), int(found[2])) < OLDEST_GO:
            raise BuildError(f"{version!r} is too old: install Go {oldest} or newer")
        return cls(go=version, packages=packages)

    def identity(self, component: Component) -> dict[str, str]:
        """Return the inputs of a build other than the recipe."""
        packages = " ".join(
            f"{name}={self.packages.get(name)}" for name in sorted(component.packages)
        )
        return {"format": FORMAT, "go": self.go, "packages": packages}


def build(component: Component, folder: Path, log: Path) -> None:
    """Build all outputs of `component` into the empty `folder` and run their smoke tests.

    Raises:
        BuildError: a build or a smoke test failed.
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
    run_smoke_tests(component, folder)


def default_name(package: str) -> str:
    """Return the name that `go build` gives a program: the last element that is not a version."""
    return [part for part in package.split("/") if not re.fullmatch(r"v[0-9]+", part)][-1]


def run_smoke_tests(component: Component, folder: Path) -> None:
    """Run the smoke commands of the recipe.

    Raises:
        BuildError: a command cannot be run or does not print what the recipe expects.
    """
    for command, expected in component.smoke.items():
        name, *arguments = command.split()
        printed = _output([str(folder / name), *arguments])
        if expected not in printed:
            raise BuildError(f"{command!r} must print {expected!r}, but printed: {printed[:300]}")


def module_folder(component: Component, module: str) -> Path:
    """Return the directory of the sources of `module`, which the build has downloaded.

    Raises:
        BuildError: the directory does not exist.
    """
    command = ["go", "list", "-m", "-f", "{{.Dir}}", module]
    printed = _output(command, component.modules, environment(component))
    if not Path(printed).is_dir():
        raise BuildError(f"{component.name}: no source directory of {module}: {printed[:300]}")
    return Path(printed)


def environment(component: Component, workplace: Path | None = None) -> dict[str, str]:
    """Return the environment for Go: ours, except for variables that change the result."""
    values = {
        **os.environ,
        "CGO_ENABLED": "1" if component.cgo else "0",
        "GOFLAGS": "-mod=readonly -trimpath -buildvcs=false",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "GOOS": "linux",
        "GOARCH": "amd64",
    }
    values.setdefault("HOME", "/root")  # of the caches of Go; not set in a service
    return values if workplace is None else {**values, "GOTMPDIR": str(workplace)}


def _build_binaries(component: Component, workplace: Path, log: Path) -> None:
    """Build all programs with one `go build`, which links them in parallel."""
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
        cwd=component.modules,
        environment=environment(component, workplace),
    )


def _output(
    command: list[str], folder: Path | None = None, environ: Mapping[str, str] | None = None
) -> str:
    """Run a short command; return its output, regardless of the exit status."""
    try:
        result = subprocess.run(
            command,
            cwd=folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BuildError(f"{' '.join(command)}: {error}") from error
    return result.stdout.strip()
