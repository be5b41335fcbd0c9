# SPDX-License-Identifier: Apache-2.0
"""Edge: the files of a cluster, and lock, plan and template created from them.

=====================  =========================================================
``NAME.yaml``          written by the user
``NAME.lock.yaml``     :mod:`heatgen.project.lock`
``NAME.admin.key``     :mod:`heatgen.project.admin_key`, mode 0600
``NAME.admin.csr``     its certificate request
=====================  =========================================================
"""

import contextlib
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
from heatgen.yamlio.codes import Code
from heatgen.yamlio.problems import Failed, Problem, ProblemsFound


@dataclass(frozen=True)
class Project:
    """A cluster's files, with the validated ``cluster.yaml``."""

    path: Path
    catalog: Catalog
    spec: Spec

    @property
    def lock_file(self) -> Path:
        """File of checksums and digests."""
        return self.path.with_suffix(".lock.yaml")

    @property
    def key_file(self) -> Path:
        """File of the administrator's key."""
        return self.path.with_suffix(".admin.key")

    @property
    def request_file(self) -> Path:
        """File of the administrator's certificate request."""
        return self.path.with_suffix(".admin.csr")


@dataclass(frozen=True)
class Rendered:
    """A rendered template, and its usage of Heat's limits."""

    text: str
    template: dict[str, Any]
    """The template as sent to Heat."""
    usage: tuple[heat_limits.Usage, ...]


def load(path: Path) -> Project:
    """Read and validate a ``cluster.yaml``.

    Raises:
        ProblemsFound: the file cannot be read or is not valid.
    """
    catalog = block_loader.catalog()
    text = document.parse(str(path), read_file(path))
    return Project(path, catalog, read_spec(text, catalog, block_loader.schema("cluster")))


def make_lock(
    project: Project, notice: Callable[[str], None], *, update: bool = False
) -> pins.Pins:
    """Resolve all checksums and digests, and write the lock next to the cluster's file.

    Args:
        project: the cluster.
        notice: called with a message for each new, removed or changed pin of an existing lock, and
            for each file that is hashed locally.
        update: accept checksums that differ from the lock.

    Raises:
        Failed: a source returned no usable response, or, without ``update``, other bytes.
        ProblemsFound: an existing lock is not valid, or the lock cannot be written.
    """
    before = _read_lock(project.lock_file) if project.lock_file.exists() else None
    requests = lock.pin_requests(project.spec, project.catalog)
    resolution = lock.resolve(project.spec, requests, notice)
    problems = list(resolution.problems)
    if before is not None and not update:
        problems += _changed(project, before, resolution.pins, requests)
    if problems:
        raise Failed(problems, _lock_text(before))
    if before is not None:
        _report_changes(before.every, resolution.pins.every, notice)
    text = pins.write(resolution.pins)
    if _lock_text(before).get(str(project.lock_file)) != text:
        write_file(project.lock_file, text)
    return resolution.pins


def check_lock(project: Project, notice: Callable[[str], None]) -> pins.Pins:
    """Return the lock if it is complete and matches all sources.

    Raises:
        Failed: with all missing, unused and changed entries.
        ProblemsFound: the lock is not valid.
    """
    command = f"heatgen lock {project.path}"
    if not project.lock_file.exists():
        raise Failed([_missing_lock(project)])
    pinned = _read_lock(project.lock_file)
    requests = lock.pin_requests(project.spec, project.catalog)
    resolution = lock.resolve(project.spec, requests, notice)
    problems = [
        *lock.outdated(pinned, requests, command),
        *_changed(project, pinned, resolution.pins, requests),
        *resolution.problems,
    ]
    if problems:
        raise Failed(problems, _lock_text(pinned))
    return pinned


def lock_or_make(project: Project, notice: Callable[[str], None]) -> pins.Pins:
    """Return the pins of the lock; create a missing lock with a notice, as package managers do.

    An existing lock is neither changed nor compared with its sources.

    Raises:
        Failed: the lock does not exist, and a source returned no usable response.
        ProblemsFound: the lock is not valid, or cannot be read or written.
    """
    if not project.lock_file.exists():
        notice(f"{project.lock_file}: creating the missing lock; keep it under version control")
        make_lock(project, notice)
    return _read_lock(project.lock_file)


def make_template(
    project: Project, notice: Callable[[str], None] = lambda _: None, *, request: str = ""
) -> Rendered:
    """Render the template; create missing lock, administrator's key and certificate request.

    Args:
        project: the cluster.
        notice: called with a message if a lock is created.
        request: certificate request to use instead of the local one, which is not created then.

    Raises:
        Failed: the lock does not exist, and a source returned no usable response.
        ProblemsFound: the lock is incomplete, or a limit of Heat is exceeded.
    """
    pinned = lock_or_make(project, notice)
    try:
        request = request or admin_key.admin_request(
            project.key_file, project.request_file, project.spec.name
        )
    except OSError as error:
        raise ProblemsFound(
            [_os_problem(project.key_file, error, Code.FILE_NOT_WRITABLE)]
        ) from None
    planned = build_plan(project.spec, project.catalog, pinned, request)
    template = render(planned).as_dict()
    usage = tuple(heat_limits.usage(planned, template))
    _check_limits(project.path, usage)
    digests = {
        project.path: hashlib.sha256(read_file(project.path)).hexdigest(),
        project.lock_file: hashlib.sha256(read_file(project.lock_file)).hexdigest(),
    }
    return Rendered(to_yaml(template, _header(digests)), template, usage)


def make_plan(project: Project) -> Plan:
    """Return the plan of a cluster; create neither lock nor administrator's key.

    Raises:
        ProblemsFound: the lock is missing or incomplete.
    """
    if not project.lock_file.exists():
        raise ProblemsFound([_missing_lock(project)])
    pinned = _read_lock(project.lock_file)
    exists = project.request_file.exists()
    request = read_file(project.request_file).decode() if exists else ""
    return build_plan(project.spec, project.catalog, pinned, request)


def read_file(path: Path) -> bytes:
    """Return the content of a file.

    Raises:
        ProblemsFound: the file cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise ProblemsFound([_os_problem(path, error, Code.FILE_NOT_READABLE)]) from None


def make_folder(path: Path) -> None:
    """Create a folder and its parents, if they do not exist.

    Raises:
        ProblemsFound: the folder cannot be created.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ProblemsFound([_os_problem(path, error, Code.FILE_NOT_WRITABLE)]) from None


def write_file(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file atomically, also with concurrent writers.

    Raises:
        ProblemsFound: the file cannot be written.
    """
    try:
        with contextlib.suppress(FileNotFoundError):
            path.stat()  # a circle of links
        # Links are followed, and special files (a pipe, /dev/null) are written directly.
        target = path.resolve()
        new = target.with_name(f".{target.name}.{secrets.token_hex(4)}.new")
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
        raise ProblemsFound([_os_problem(path, error, Code.FILE_NOT_WRITABLE)]) from None


def _missing_lock(project: Project) -> Problem:
    message, hint = "the lock does not exist", f"run 'heatgen lock {project.path}'"
    return Problem(str(project.lock_file), None, message, hint, code=Code.MISSING_LOCK)


def _read_lock(path: Path) -> pins.Pins:
    return pins.read(str(path), read_file(path))


def _changed(
    project: Project, before: pins.Pins, now: pins.Pins, requests: Iterable[lock.PinRequest]
) -> list[Problem]:
    update = f"heatgen lock --update {project.path}"
    return lock.changed(before, now, requests, project.spec.artifacts, update)


def _lock_text(pinned: pins.Pins | None) -> dict[str, str]:
    """Return the text of a lock by file name."""
    if pinned is None or pinned.document is None:
        return {}
    return {pinned.name: pinned.document.text}


def _report_changes(
    before: Mapping[str, str], after: Mapping[str, str], notice: Callable[[str], None]
) -> None:
    for name in sorted({**before, **after}):
        if name not in before:
            notice(f"{name}: new")
        elif name not in after:
            notice(f"{name}: removed")
        elif before[name] != after[name]:
            notice(f"{name}: changed from {before[name]} to {after[name]}")


def _header(digests: dict[Path, str]) -> str:
    lines = [f"Made by heatgen {VERSION}; change its sources instead, and render again."]
    lines += [f"{path.name} sha256:{digest}" for path, digest in digests.items()]
    return "\n".join(lines)


def _check_limits(path: Path, usage: tuple[heat_limits.Usage, ...]) -> None:
    problems = [
        Problem(str(path), None, f"{item.what}: {item.used}, the limit is {item.limit}",
                item.advice, code=Code.HEAT_LIMIT_EXCEEDED)
        for item in usage if item.exceeded
    ]  # fmt: skip
    if problems:
        raise ProblemsFound(problems)


def _os_problem(path: Path, error: OSError, code: Code) -> Problem:
    """Convert an error of the operating system."""
    hints = {
        FileNotFoundError: "check the path",
        IsADirectoryError: "use the path of a file in this directory",
        PermissionError: "check owner and mode",
    }
    reason = (error.strerror or str(error)).lower()
    return Problem(str(path), None, reason, hints.get(type(error), ""), code=code)
