# SPDX-License-Identifier: Apache-2.0
"""How the agent gets onto a server with a stock image: ``boot`` in an os block."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from heatgen.layers import LAYERS
from heatgen.yamlio.codes import Code
from heatgen.yamlio.document import Document, Path, dotted
from heatgen.yamlio.problems import Problem

CLOUD_INIT, IGNITION = "cloud-init", "ignition"
PYTHON, SHELL = "python", "shell"
"""Agents, by the interpreter that a system has."""
AGENT_PATH = "/opt/heatgen/agent/heatgen-agent"
UNIT = "heatgen-agent.service"
UNIT_FOLDER = "/etc/systemd/system"
UNIT_PATH = f"{UNIT_FOLDER}/{UNIT}"

CREDENTIALS = ("/var/lib/heat-cfntools/cfn-init-data", "/var/lib/cloud/data/cfn-init-data")
"""Files in which Heat delivers the server's initial metadata, which contain the password of the
server's user in Heat. With Ignition Heat adds them to the user data."""
PRESET = "/etc/systemd/system-preset/20-ignition.preset"
"""The file with which Ignition enables units."""
RESERVED = (*CREDENTIALS, PRESET)


@dataclass(frozen=True, kw_only=True)
class Boot:
    """How the agent gets onto the servers, and what must exist before it starts."""

    system: str = field(compare=False)
    """The block's name."""
    by: str = CLOUD_INIT
    agent: str = PYTHON
    agent_path: str = AGENT_PATH
    trust: str = ""
    """Folder for the certificates of authorities of the cloud's API."""
    trust_command: str = ""
    """Program that adds these certificates to the node's store; '' if the system does so itself."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Paths to texts."""
    links: Mapping[str, str] = field(default_factory=dict)
    """Paths to targets of symbolic links."""
    mask: tuple[str, ...] = ()
    """Units that must never start."""


def read(name: str, data: Mapping[str, Any], files: Mapping[str, str]) -> Boot:
    """Return the data of a block.

    Args:
        name: the block.
        data: its ``boot``, valid and with defaults; without ``by`` for cloud-init.
        files: texts of the block's files by name.
    """
    if "by" not in data:
        return Boot(system=name)
    return Boot(
        system=name,
        by=data["by"],
        agent=data["agent"],
        agent_path=data["agent_path"],
        trust=data["trust"],
        trust_command=data["trust_command"],
        files={path: files[file] for path, file in sorted(data["files"].items())},
        links=dict(sorted(data["links"].items())),
        mask=tuple(sorted(data["mask"])),
    )


def problems(layer: str, document: Document, files: Mapping[str, str]) -> Iterator[Problem]:
    """Yield what a schema cannot express: the layer, missing files, paths that conflict.

    Args:
        layer: the block's layer.
        document: a ``block.yaml`` that matches the schema.
        files: texts of the block's files by name.
    """
    data = document.data.get("boot") or {}
    if data and layer != LAYERS[0]:
        message = f"a block of layer {layer} does not start servers"
        hint = "remove the key, or move it to a block of layer os"
        yield document.problem(("boot",), message, hint, key=True, code=Code.INVALID_BOOT)
        return
    for path, file in (data.get("files") or {}).items():
        if file not in files:
            message = f"file {file} does not exist"
            place = ("boot", "files", path)
            yield document.problem(place, message, code=Code.MISSING_BLOCK_FILE)
    if data.get("by") != IGNITION:
        for key in ("agent_path", "trust", "trust_command", "files", "links", "mask"):
            if data.get(key) and data[key] != AGENT_PATH:
                message = f"boot.{key} requires 'by: {IGNITION}'"
                hint = f"remove the key; with {data['by']} the first step can do this"
                yield document.problem(("boot", key), message, hint, code=Code.INVALID_BOOT)
        return
    taken = [*RESERVED, UNIT_PATH]
    for where, path in _paths(data):
        reason = refused(path, taken)
        if reason:
            message = f"{path or dotted(where)} {reason}"
            yield document.problem(where, message, "choose another path", code=Code.INVALID_BOOT)
        else:
            taken.append(path)


def _paths(data: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """Yield the paths that Ignition writes, each with its place in ``block.yaml``."""
    yield ("boot", "agent_path"), data["agent_path"]
    yield ("boot", "trust"), f"{data['trust']}/heatgen-1.pem" if data["trust"] else ""
    for key in ("files", "links"):
        for path in data.get(key) or {}:
            yield ("boot", key, path), path
    for number, unit in enumerate(data.get("mask") or []):
        yield ("boot", "mask", number), f"{UNIT_FOLDER}/{unit}"


def refused(path: str, taken: Iterable[str]) -> str:
    """Return why Ignition could not write a file or link beside others; '' if it can.

    Args:
        path: the path of the file or link.
        taken: paths of the others. Ignition would stop, and with it the server.
    """
    parts = path.split("/")
    if parts[0] or len(parts) < 2 or not all(parts[1:]) or {".", ".."} & set(parts):
        return "is not an absolute path without '.', '..' or a final '/'"
    if any(ord(character) < 0x20 or ord(character) == 0x7F for character in path):
        return "contains a control character"
    for other in taken:
        if path == other:
            return "is written by Heat or Ignition itself" if other in RESERVED else "exists twice"
        if path.startswith(f"{other}/"):
            return f"is below {other}, which is not a folder"
        if other.startswith(f"{path}/"):
            return f"must be a folder, because of {other}"
    return ""
