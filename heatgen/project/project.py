# SPDX-License-Identifier: Apache-2.0
"""Edge: the files of a cluster, ``cluster.yaml`` and what lies beside it, and what is made of them.

=====================  =========================================================
``NAME.yaml``          written by the user
``NAME.lock.yaml``     :mod:`heatgen.project.lock`
``NAME.admin.key``     :mod:`heatgen.project.admin_key`, mode 0600
``NAME.admin.csr``     its certificate request
=====================  =========================================================
"""

import hashlib
import os
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from heatgen import VERSION
from heatgen.blocks import pins
from heatgen.blocks.catalog import Catalog
from heatgen.hot.template import to_yaml
from heatgen.plan.build import build_plan
from heatgen.plan.model import Plan
from heatgen.project import admin_key, block_loader, lock
from heatgen.render import heat_limits
from heatgen.render.template import render
from heatgen.spec.model import Spec
from heatgen.spec.reader import read_spec
from heatgen.yamlio import document
from heatgen.yamlio.problems import Failed, Problem, ProblemsFound


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
    template: dict[str, Any]
    """As Heat gets it."""
    usage: tuple[heat_limits.Usage, ...]


def load(path: Path) -> Project:
    """Read a ``cluster.yaml`` against the installed blocks.

    Raises:
        ProblemsFound: the file cannot be read or is wrong.
    """
    catalog = block_loader.catalog()
    text = document.parse(str(path), read_file(path))
    return Project(path, catalog, read_spec(text, catalog, block_loader.schema("cluster")))


def make_lock(
    project: Project, notice: Callable[[str], None], *, update: bool = False
) -> pins.Pins:
    """Find all checksums and digests and write the lock beside the cluster's file.

    Args:
        project: the cluster.
        notice: is told, in one sentence, of each pin that comes, goes or changes in a lock that was
            there before, and of each file that had to be hashed here.
        update: take what has other bytes than the lock says.

    Raises:
        Failed: a source gave no answer, or without ``update``, other bytes than before.
        ProblemsFound: a lock is there but cannot be used, or it cannot be written.
    """
    before = _read_lock(project.lock_file) if project.lock_file.exists() else None
    wanted = lock.wanted(project.spec, project.catalog)
    answers = lock.ask(project.spec, wanted, notice)
    problems = list(answers.problems)
    if before is not None and not update:
        problems += _changed(project, before, answers.pins, wanted)
    if problems:
        raise Failed(problems, _lock_text(before))
    if before is not None:
        _tell_changes(before.every, answers.pins.every, notice)
    text = pins.write(answers.pins)
    if _lock_text(before).get(str(project.lock_file)) != text:
        write_file(project.lock_file, text)
    return answers.pins


def check_lock(project: Project, notice: Callable[[str], None]) -> pins.Pins:
    """The lock, if it is all that the cluster wants and all sources still agree with it.

    Raises:
        Failed: with everything that it lacks, holds in vain, or that has changed at its source.
        ProblemsFound: it cannot be read.
    """
    make = f"heatgen lock {project.path}"
    if not project.lock_file.exists():
        raise Failed([Problem(str(project.lock_file), None, "is missing", f"run '{make}'")])
    pinned = _read_lock(project.lock_file)
    wanted = lock.wanted(project.spec, project.catalog)
    answers = lock.ask(project.spec, wanted, notice)
    problems = [
        *lock.stale(pinned, wanted, make),
        *_changed(project, pinned, answers.pins, wanted),
        *answers.problems,
    ]
    if problems:
        raise Failed(problems, _lock_text(pinned))
    return pinned


def lock_or_make(project: Project, notice: Callable[[str], None]) -> pins.Pins:
    """The pins of the lock; without one it is made, as package managers do, and that is said.

    A lock that is there is never changed here, nor is any source asked.

    Raises:
        Failed: there was no lock, and a source gave no answer.
        ProblemsFound: the lock cannot be read or written.
    """
    if not project.lock_file.exists():
        notice(f"{project.lock_file}: is missing and made now; keep it under version control")
        make_lock(project, notice)
    return _read_lock(project.lock_file)


def make_template(
    project: Project, notice: Callable[[str], None] = lambda _: None, *, request: str = ""
) -> Rendered:
    """The template; the lock and the administrator's key and request are made if missing.

    Args:
        project: the cluster.
        notice: is told when a lock is made.
        request: to be taken instead of the administrator's that lies here, and none is made.

    Raises:
        Failed: there was no lock, and a source gave no answer.
        ProblemsFound: the lock lacks something, or a limit of Heat is exceeded.
    """
    pinned = lock_or_make(project, notice)
    try:
        request = request or admin_key.admin_request(
            project.key_file, project.request_file, project.spec.name
        )
    except OSError as error:
        raise ProblemsFound([_os_problem(project.key_file, error)]) from None
    planned = build_plan(project.spec, project.catalog, pinned, request)
    template = render(planned).as_dict()
    usage = tuple(heat_limits.usage(planned, template))
    _refuse_excess(project.path, usage)
    digests = {
        project.path: hashlib.sha256(read_file(project.path)).hexdigest(),
        project.lock_file: hashlib.sha256(read_file(project.lock_file)).hexdigest(),
    }
    return Rendered(to_yaml(template, _header(digests)), template, usage)


def make_plan(project: Project) -> Plan:
    """The plan of a cluster; makes nothing, neither lock nor administrator's key.

    Raises:
        ProblemsFound: the lock is missing or lacks something.
    """
    if not project.lock_file.exists():
        hint = f"run 'heatgen lock {project.path}'"
        raise ProblemsFound([Problem(str(project.lock_file), None, "is missing", hint)])
    pinned = _read_lock(project.lock_file)
    made = project.request_file.exists()
    request = read_file(project.request_file).decode() if made else ""
    return build_plan(project.spec, project.catalog, pinned, request)


def read_file(path: Path) -> bytes:
    """A file's bytes.

    Raises:
        ProblemsFound: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise ProblemsFound([_os_problem(path, error)]) from None


def make_folder(path: Path) -> None:
    """Make a folder, and those above it, if they are not there.

    Raises:
        ProblemsFound: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ProblemsFound([_os_problem(path, error)]) from None


def write_file(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file as a whole or not at all, however many write it at the same time.

    Raises:
        ProblemsFound: it cannot be written.
    """
    # Where a link leads to; and straight into what is no file, a pipe or /dev/null.
    target = path.resolve()
    new = target.with_name(f".{target.name}.{secrets.token_hex(4)}.new")
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            path.write_text(text, "utf-8")
            return
        try:
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
            new.replace(target)
        finally:
            new.unlink(missing_ok=True)
    except OSError as error:
        raise ProblemsFound([_os_problem(path, error)]) from None


def _read_lock(path: Path) -> pins.Pins:
    return pins.read(str(path), read_file(path))


def _changed(
    project: Project, before: pins.Pins, now: pins.Pins, wanted: Iterable[lock.Wanted]
) -> list[Problem]:
    update = f"heatgen lock --update {project.path}"
    return lock.changed(before, now, wanted, project.spec.artifacts, update)


def _lock_text(pinned: pins.Pins | None) -> dict[str, str]:
    """The text of a lock file by its name."""
    if pinned is None or pinned.document is None:
        return {}
    return {pinned.name: pinned.document.text}


def _tell_changes(
    before: Mapping[str, str], after: Mapping[str, str], notice: Callable[[str], None]
) -> None:
    for name in sorted({**before, **after}):
        if name not in before:
            notice(f"{name}: new")
        elif name not in after:
            notice(f"{name}: not wanted any more")
        elif before[name] != after[name]:
            notice(f"{name}: was {before[name]}, is {after[name]}")


def _header(digests: dict[Path, str]) -> str:
    lines = [f"Made by heatgen {VERSION}; change its sources instead, and render again."]
    lines += [f"{path.name} sha256:{digest}" for path, digest in digests.items()]
    return "\n".join(lines)


def _refuse_excess(path: Path, usage: tuple[heat_limits.Usage, ...]) -> None:
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
