# SPDX-License-Identifier: Apache-2.0
"""Edge: the files of a cluster, ``cluster.yaml`` and what lies beside it, and what is made of them.

=====================  =========================================================
``NAME.yaml``          written by the user
``NAME.lock.yaml``     :mod:`heatgen.lock`
``NAME.admin.key``     :mod:`heatgen.keys`, mode 0600
``NAME.admin.csr``     its certificate request
=====================  =========================================================
"""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from heatgen import (
    VERSION,
    document,
    hot,
    keys,
    library,
    limits,
    lock,
    pins,
    plan,
    render,
    spec,
)
from heatgen.catalog import Catalog
from heatgen.problems import Problem, ProblemsFound
from heatgen.spec import Spec


@dataclass(frozen=True)
class Project:
    """A cluster's files, read and checked."""

    path: Path
    catalog: Catalog
    spec: Spec

    @property
    def lock_file(self) -> Path:
        """Checksums and digests."""
        return self.path.with_suffix(".lock.yaml")

    @property
    def key_file(self) -> Path:
        """The administrator's key."""
        return self.path.with_suffix(".admin.key")

    @property
    def request_file(self) -> Path:
        """The administrator's certificate request."""
        return self.path.with_suffix(".admin.csr")


@dataclass(frozen=True)
class Rendered:
    """What a rendering gave."""

    text: str
    usage: tuple[limits.Usage, ...]


def load(path: Path) -> Project:
    """Read a ``cluster.yaml`` against the installed blocks.

    Raises:
        ProblemsFound: the file cannot be read or is wrong.
    """
    catalog = library.catalog()
    text = document.parse(str(path), read_file(path))
    return Project(path, catalog, spec.read(text, catalog, library.schema("cluster")))


def make_lock(project: Project, notice: Callable[[str], None]) -> pins.Pins:
    """Find all checksums and digests and write the lock beside the cluster's file.

    Raises:
        ProblemsFound: a source gave no answer, or the file cannot be written.
    """
    found = lock.resolve(project.spec, project.catalog, notice)
    write_file(project.lock_file, pins.write(found))
    return found


def make_template(project: Project) -> Rendered:
    """The template; the administrator's key and request are made if missing.

    Raises:
        ProblemsFound: the lock is missing or lacks something, or a limit of Heat is exceeded.
    """
    raw_lock = _read_lock(project)
    pinned = pins.read(str(project.lock_file), raw_lock)
    try:
        request = keys.admin_request(project.key_file, project.request_file, project.spec.name)
    except OSError as error:
        raise ProblemsFound([_os_problem(project.key_file, error)]) from None
    planned = plan.build(project.spec, project.catalog, pinned, request)
    template = render.render(planned).as_dict()
    usage = tuple(limits.usage(planned, template))
    _refuse_excess(project.path, usage)
    digests = {
        project.path: hashlib.sha256(read_file(project.path)).hexdigest(),
        project.lock_file: hashlib.sha256(raw_lock).hexdigest(),
    }
    return Rendered(hot.text(template, _header(digests)), usage)


def make_plan(project: Project) -> plan.Plan:
    """The plan of a cluster; makes no administrator's key.

    Raises:
        ProblemsFound: the lock is missing or lacks something.
    """
    pinned = pins.read(str(project.lock_file), _read_lock(project))
    made = project.request_file.exists()
    request = read_file(project.request_file).decode() if made else ""
    return plan.build(project.spec, project.catalog, pinned, request)


def _read_lock(project: Project) -> bytes:
    if not project.lock_file.exists():
        hint = f"run 'heatgen lock {project.path}'"
        raise ProblemsFound([Problem(str(project.lock_file), None, "is missing", hint)])
    return read_file(project.lock_file)


def read_file(path: Path) -> bytes:
    """A file's bytes.

    Raises:
        ProblemsFound: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise ProblemsFound([_os_problem(path, error)]) from None


def write_file(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file as a whole or not at all.

    Raises:
        ProblemsFound: it cannot be written.
    """
    new = path.with_name(f"{path.name}.new")
    try:
        new.unlink(missing_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        new.replace(path)
    except OSError as error:
        raise ProblemsFound([_os_problem(path, error)]) from None


def _header(digests: dict[Path, str]) -> str:
    lines = [f"Made by heatgen {VERSION}; change its sources instead, and render again."]
    lines += [f"{path.name} sha256:{digest}" for path, digest in digests.items()]
    return "\n".join(lines)


def _refuse_excess(path: Path, usage: tuple[limits.Usage, ...]) -> None:
    problems = [
        Problem(str(path), None, f"{item.what}: {item.used}, the limit is {item.limit}",
                item.advice)
        for item in usage if item.exceeded
    ]  # fmt: skip
    if problems:
        raise ProblemsFound(problems)


def _os_problem(path: Path, error: OSError) -> Problem:
    """An error of the operating system in plain words."""
    hints = {
        FileNotFoundError: "check the name, or begin with an example from the documentation",
        IsADirectoryError: "name the file in it",
        PermissionError: "check owner and mode",
    }
    reason = (error.strerror or str(error)).lower()
    return Problem(str(path), None, reason, hints.get(type(error), ""))
