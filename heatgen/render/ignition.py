# SPDX-License-Identifier: Apache-2.0
"""User data for Ignition, which Fedora CoreOS and Flatcar run at their first start.

Version 3.3.0 of its format is read by every supported release of both (Flatcar's LTS reads up to
3.4) and by the Ignition of Debian 12, with which it is tested.

Heat adds two files to the JSON (:data:`heatgen.blocks.boot.CREDENTIALS`). If it could not parse the
text, it would send a MIME message instead, with which Fedora CoreOS does not start, and Flatcar
starts without an agent. Therefore all texts are encoded in base64, nothing in the user data is a
function or parameter of Heat, and no "%" occurs, which begins the variables of a ResourceGroup.
"""

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from heatgen.blocks.boot import (
    AGENT_PATH,
    RESERVED,
    UNIT,
    UNIT_FOLDER,
    Boot,
    refused,
)  # fmt: skip
from heatgen.render import gzip_member

SPEC = "3.3.0"

_UNIT_NAME = re.compile(
    r"[A-Za-z0-9:_.@\\-]{1,240}"
    r"\.(?:automount|mount|path|scope|service|slice|socket|swap|target|timer)\Z"
)
_DROP_IN_NAME = re.compile(r"[A-Za-z0-9:_.@-]{1,240}\.conf\Z")


@dataclass(frozen=True)
class File:
    """A text file of root."""

    path: str
    content: str
    mode: int = 0o644


@dataclass(frozen=True)
class Link:
    """A symbolic link."""

    path: str
    target: str


@dataclass(frozen=True)
class DropIn:
    """A file with changes to a unit, ``NAME.conf``."""

    name: str
    content: str


@dataclass(frozen=True)
class Unit:
    """A systemd unit: its text, changes to it, and whether it starts with the system or never."""

    name: str
    content: str = ""
    """'' for a unit of the image."""
    enabled: bool = False
    mask: bool = False
    drop_ins: tuple[DropIn, ...] = ()


def user_data(boot: Boot, agent: str, unit: str, certificates: Sequence[str] = ()) -> str:
    """Return user data that installs and starts the agent.

    Args:
        boot: paths, files and links of the system.
        agent: the agent's program.
        unit: its systemd unit, with the path of the agent on Debian.
        certificates: PEM certificates of additional trusted authorities, for the cloud's API.

    Raises:
        ValueError: paths conflict.
    """
    command = f"ExecStart={AGENT_PATH}\n"
    if command not in unit:
        raise ValueError(f"the unit of the agent does not contain {command!r}")
    trust: tuple[DropIn, ...] = ()
    if certificates and boot.trust_command:
        # "-": the agent reports better than systemd if it cannot verify the cloud's certificate.
        text = f"[Service]\nExecStartPre=-{boot.trust_command}\n"
        trust = (DropIn("10-trust.conf", text),)
    return ignition(
        files=[
            File(boot.agent_path, agent, 0o755),
            *(
                File(f"{boot.trust}/heatgen-{number}.pem", text)
                for number, text in enumerate(certificates, start=1)
            ),
            *(File(path, text) for path, text in boot.files.items()),
        ],
        links=[Link(path, target) for path, target in boot.links.items()],
        units=[
            Unit(
                UNIT, unit.replace(command, f"ExecStart={boot.agent_path}\n"), True, drop_ins=trust
            ),
            *(Unit(name, mask=True) for name in boot.mask),
        ],
    )


def ignition(
    files: Iterable[File] = (), links: Iterable[Link] = (), units: Iterable[Unit] = ()
) -> str:
    """Return an Ignition configuration as one line of ASCII.

    Existing files and links of the image are replaced, but not folders with content.

    Raises:
        ValueError: a name is not valid, two entries have conflicting paths, Heat or Ignition
            writes one of them itself, or a text cannot be encoded.
    """
    units, links = list(units), list(links)
    for unit in units:
        _check(unit)
    files = [*files, *(file for unit in units for file in _unit_files(unit))]
    taken = list(RESERVED)
    paths = [*(file.path for file in files), *(link.path for link in links)]
    for path in [*paths, *(f"{UNIT_FOLDER}/{unit.name}" for unit in units if unit.mask)]:
        reason = refused(path, taken)
        if reason:
            raise ValueError(f"{path!r} {reason}")
        taken.append(path)
    for name in {unit.name for unit in units if [item.name for item in units].count(unit.name) > 1}:
        raise ValueError(f"unit {name} exists twice")
    config = {
        "ignition": {"version": SPEC},
        "storage": {
            "files": [_file(file) for file in files],
            "links": [
                {"overwrite": True, "path": link.path, "target": _target(link)} for link in links
            ],
        },
        "systemd": {
            "units": [
                {"name": unit.name, **({"mask": True} if unit.mask else {"enabled": True})}
                for unit in units
                if unit.mask or unit.enabled
            ]
        },
    }
    text = json.dumps(config, sort_keys=True, separators=(",", ":"))
    # "%" can only be part of a path or name, where JSON allows escapes.
    return text.replace("%", "\\u0025")


def _check(unit: Unit) -> None:
    """Check the names and the combination of a unit's properties."""
    if not _UNIT_NAME.match(unit.name):
        raise ValueError(f"{unit.name!r} is not the name of a unit")
    for item in unit.drop_ins:
        if not _DROP_IN_NAME.match(item.name):
            raise ValueError(f"{item.name!r} is not the name of a drop-in file")
    if unit.mask and (unit.content or unit.enabled or unit.drop_ins):
        raise ValueError(f"unit {unit.name} is masked, so it can have nothing else")


def _unit_files(unit: Unit) -> Iterable[File]:
    """Return a unit's files: like others, they are compressed and verified."""
    path = f"{UNIT_FOLDER}/{unit.name}"
    if unit.content:
        yield File(path, unit.content)
    for item in unit.drop_ins:
        yield File(f"{path}.d/{item.name}", item.content)


def _file(file: File) -> dict[str, Any]:
    """Return a file in Ignition's format: the hash is of its text, modes are decimal."""
    # Ignition ignores the other bits before version 3.4.0.
    if not 0 <= file.mode <= 0o777:
        raise ValueError(f"{file.path!r} has the invalid mode {file.mode:o}")
    data = file.content.encode()
    packed = base64.b64encode(gzip_member.compress(data)).decode()
    return {
        "contents": {
            "compression": "gzip",
            "source": f"data:;base64,{packed}",
            "verification": {"hash": f"sha256-{hashlib.sha256(data).hexdigest()}"},
        },
        "mode": file.mode,
        "overwrite": True,
        "path": file.path,
    }


def _target(link: Link) -> str:
    """Return the target of a link, which may be relative and need not exist."""
    if not link.target or any(ord(character) < 0x20 for character in link.target):
        raise ValueError(f"the target of {link.path!r} is empty or has control characters")
    return link.target
