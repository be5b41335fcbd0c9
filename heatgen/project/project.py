# SPDX-License-Identifier: Apache-2.0
"""Edge: the files of a cluster, and lock, plan and template created from them.

=====================  =========================================================
``NAME.yaml``          written by the user
``NAME.lock.yaml``     :mod:`heatgen.project.lock`
``NAME.admin.key``     :mod:`heatgen.project.admin_key`, mode 0600
``NAME.admin.csr``     its certificate request
``NAME.backup.key``    :mod:`heatgen.project.backup_key`, mode 0600
``NAME.backup.crt``    its certificate
=====================  =========================================================
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from heatgen import VERSION
from heatgen.blocks import pins
from heatgen.blocks.catalog import Catalog
from heatgen.hot.template import to_yaml
from heatgen.plan.build import build_plan
from heatgen.plan.model import Plan
from heatgen.project import admin_key, backup_key, block_loader, key_document, lock
from heatgen.project.files import present, read_file, write_file
from heatgen.render import heat_limits
from heatgen.render.template import render
from heatgen.spec.block_selection import group_blocks, placeholder_pins, used_blocks
from heatgen.spec.model import Spec
from heatgen.spec.reader import read_spec
from heatgen.yamlio import document
from heatgen.yamlio.codes import Code
from heatgen.yamlio.document import Document
from heatgen.yamlio.problems import Failed, Problem, ProblemsFound

SIGNS = ("heat_template_version", "# Made by heatgen ")
"""Texts by which a template is recognized."""


@dataclass(frozen=True)
class Files:
    """The files of a cluster, by the name of its ``cluster.yaml``."""

    path: Path

    @classmethod
    def of_key(cls, key: Path) -> Self:
        """Return the files of the cluster that an administrator's key belongs to."""
        return cls(key.parent / f"{key.name.removesuffix('.admin.key')}.yaml")

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

    @property
    def backup_key_file(self) -> Path:
        """File of the key that opens backups."""
        return self.path.with_suffix(".backup.key")

    @property
    def backup_certificate_file(self) -> Path:
        """File of that key's certificate, to which nodes seal backups."""
        return self.path.with_suffix(".backup.crt")

    @property
    def files(self) -> tuple[Path, ...]:
        """All files of the cluster, none of which may be the output of a command."""
        own = (self.path, self.lock_file, self.key_file, self.request_file)
        backup = (self.backup_key_file, self.backup_certificate_file)
        return (*own, *backup, *admin_key.Renewal(self.key_file).files)


@dataclass(frozen=True)
class Project(Files):
    """A cluster's files, with the validated ``cluster.yaml``."""

    catalog: Catalog
    spec: Spec
    source: Document
    """``cluster.yaml`` with positions, for problems."""


@dataclass(frozen=True)
class Rendered:
    """A rendered template, and its usage of Heat's limits."""

    text: str
    template: dict[str, Any]
    """The template as sent to Heat."""
    usage: tuple[heat_limits.Usage, ...]


def load(path: Path, content: bytes | None = None) -> Project:
    """Read and validate a ``cluster.yaml``.

    Args:
        path: the file.
        content: its content, if it is known already.

    Raises:
        ProblemsFound: the file cannot be read or is not valid.
    """
    catalog = block_loader.catalog()
    text = document.parse(str(path), read_file(path) if content is None else content)
    spec = read_spec(text, catalog, block_loader.schema("cluster"))
    return Project(path, catalog, spec, text)


def check(project: Project) -> None:
    """Plan and render a cluster without its lock, and check the limits of the cloud.

    Raises:
        ProblemsFound: the template cannot be rendered, or a limit is exceeded.
    """
    blocks = used_blocks(group_blocks(project.spec, project.catalog))
    pinned = placeholder_pins(blocks, project.spec)
    # About as long as a certificate request, and as a certificate.
    planned = build_plan(project.spec, project.catalog, pinned, "-" * 500, "-" * 700)
    check_limits(project, heat_limits.usage(planned, render(planned).as_dict()))


def check_limits(project: Project, usage: Iterable[heat_limits.Usage]) -> None:
    """Check that no limit of the cloud is exceeded.

    Raises:
        ProblemsFound: with every exceeded limit.
    """
    problems = [
        project.source.problem(
            item.path,
            f"{item.what}: {item.used}, the limit is {item.limit}",
            item.advice,
            code=Code.HEAT_LIMIT_EXCEEDED,
        )
        for item in usage
        if item.exceeded
    ]
    if problems:
        raise ProblemsFound(problems, {project.source.name: project.source.text})


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
    before = _read_lock(project.lock_file) if present(project.lock_file) else None
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
    if not present(project.lock_file):
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
    if not present(project.lock_file):
        notice(f"{project.lock_file}: creating the missing lock; keep it under version control")
        make_lock(project, notice)
    return _read_lock(project.lock_file)


def make_template(
    project: Project,
    notice: Callable[[str], None] = lambda _: None,
    *,
    request: str = "",
    backup_certificate: str = "",
    locked: bool = False,
) -> Rendered:
    """Render the template; create missing lock, administrator's key and backup key.

    Keys, request and certificate are created after everything else has succeeded.

    Args:
        project: the cluster.
        notice: called with a message if a lock is created.
        request: certificate request to use instead of the local one, which is not created then.
        backup_certificate: certificate of the backup key to use instead of the local one, which is
            not created then.
        locked: create nothing and use no network; lock, certificate request and backup certificate
            must exist.

    Raises:
        Failed: the lock does not exist, and a source returned no usable response.
        ProblemsFound: the lock is incomplete, a limit of Heat is exceeded, key and request are not
            usable, or (``locked``) lock or request do not exist.
    """
    if locked:
        _check_locked(project, request, backup_certificate)
    pinned = lock_or_make(project, notice)
    admin, backup = None, None
    if not request:
        admin = admin_key.draft(project.key_file, project.request_file, project.spec.name)
    if not backup_certificate and project.spec.backed_up:
        files = (project.backup_key_file, project.backup_certificate_file)
        backup = backup_key.draft(*files, project.spec.name)
    drafts = (
        admin.document if admin else request,
        backup.document if backup else backup_certificate,
    )
    rendered = _render(project, pinned, *drafts)
    kept = (
        key_document.keep(admin) if admin else request,
        key_document.keep(backup) if backup else backup_certificate,
    )
    if backup and backup.new_key:
        notice(
            f"{project.backup_key_file}: created; store a copy in another place: it opens the "
            "backups of etcd when all control-plane nodes are lost"
        )
    # A concurrent run may have created others.
    return rendered if kept == drafts else _render(project, pinned, *kept)


def _check_locked(project: Project, request: str, backup_certificate: str) -> None:
    """Raise if a file that rendering would create does not exist."""
    problems = []
    if not present(project.lock_file):
        problems.append(_missing_lock(project))
    if not request and not present(project.request_file):
        message = "the administrator's certificate request does not exist"
        hint = f"run 'heatgen render {project.path}' without --locked, and keep this file"
        code = Code.MISSING_ADMIN_REQUEST
        problems.append(Problem(str(project.request_file), None, message, hint, code=code))
    needed = project.spec.backed_up and not backup_certificate
    if needed and not present(project.backup_certificate_file):
        message = "the certificate to which backups are sealed does not exist"
        hint = f"run 'heatgen render {project.path}' without --locked, and keep this file"
        code = Code.MISSING_BACKUP_CERTIFICATE
        place = str(project.backup_certificate_file)
        problems.append(Problem(place, None, message, hint, code=code))
    if problems:
        raise ProblemsFound(problems)


def _render(project: Project, pinned: pins.Pins, request: str, backup_certificate: str) -> Rendered:
    """Render the template with what local keys contribute, and check the limits of Heat."""
    planned = build_plan(project.spec, project.catalog, pinned, request, backup_certificate)
    template = render(planned).as_dict()
    usage = tuple(heat_limits.usage(planned, template))
    check_limits(project, usage)
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
    if not present(project.lock_file):
        raise ProblemsFound([_missing_lock(project)])
    pinned = _read_lock(project.lock_file)
    exists = present(project.request_file)
    request = admin_key.read_request(project.request_file) if exists else ""
    return build_plan(project.spec, project.catalog, pinned, request)


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
    # A name may contain a line break, or bytes that are not UTF-8.
    names = [path.name if path.name.isprintable() else ascii(path.name) for path in digests]
    lines += [
        f"{name} sha256:{digest}" for name, digest in zip(names, digests.values(), strict=True)
    ]
    return "\n".join(lines)
