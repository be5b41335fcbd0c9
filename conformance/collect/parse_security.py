# SPDX-License-Identifier: Apache-2.0
"""Parse the output of ``probe/security.sh``. Pure: text of a section in, facts out."""

import json
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address

from conformance.facts.security import (
    ApiAnswer,
    AtRest,
    AuditLog,
    Certificate,
    FileMode,
    Handshake,
    KubeletPortAnswers,
    Listener,
    Program,
    RuntimeView,
    TlsPort,
)

OPENSSL_DATE = "%b %d %H:%M:%S %Y %Z"
OPENSSL_REASON = 5  # field of an error line: id:error:code:library:function:reason:file…


def parse_programs(text: str) -> dict[str, Program]:
    """Parse ``program NAME USER`` and ``flag PROGRAM FLAG VALUE``; the first value is used."""
    programs: dict[str, Program] = {}
    for line in text.splitlines():
        kind, name, rest = [*line.split(" ", 2), ""][:3]
        if kind == "program":
            programs[name] = Program(rest, {})
        elif kind == "flag":
            flag, _, value = rest.partition(" ")
            programs[name].flags.setdefault(flag, value)
    return programs


def parse_listeners(text: str) -> list[Listener]:
    """Parse lines of ADDRESS:PORT in hexadecimal, as in /proc/net/tcp and tcp6; sorted."""
    found = {Listener(_address(at), int(port, 16)) for at, _, port in _partitioned(text, ":")}
    return sorted(found, key=lambda each: (each.port, each.address))


def _address(words: str) -> str:
    """Convert an address, which the kernel prints in words of four bytes, little-endian."""
    quads = [bytes.fromhex(words[at : at + 8])[::-1] for at in range(0, len(words), 8)]
    if len(quads) == 1:
        return str(IPv4Address(quads[0]))
    address = IPv6Address(b"".join(quads))
    return str(address.ipv4_mapped or address)


def parse_files(text: str) -> list[FileMode]:
    """Parse lines of MODE OWNER KIND PATH, sorted by path."""
    found = []
    for line in text.splitlines():
        mode, owner, kind, path = line.split(" ", 3)
        found.append(FileMode(path, mode, owner, kind))
    return sorted(found, key=lambda file: file.path)


def parse_ports(text: str) -> dict[str, TlsPort]:
    """Parse lines of LABEL KEY REST; lines of several ports may be interleaved."""
    return {
        label: TlsPort(
            address=lines["address"],
            today=_handshake(lines["today"]),
            old=_handshake(lines["old"]),
            weak=_handshake(lines["weak"]),
            certificate=_certificate(lines) if "notAfter" in lines else None,
        )
        for label, lines in by_label(text).items()
    }


def parse_certificates(text: str) -> dict[str, Certificate]:
    """Parse lines of PATH KEY REST."""
    return {path: _certificate(lines) for path, lines in by_label(text).items()}


def by_label(text: str) -> dict[str, dict[str, str]]:
    """Group lines of LABEL KEY REST: the rest by label and key."""
    found: dict[str, dict[str, str]] = {}
    for line in text.splitlines():
        label, key, rest = [*line.split(" ", 2), ""][:3]
        found.setdefault(label, {})[key] = rest.strip()
    return found


def _handshake(line: str) -> Handshake:
    """Parse ``agreed PROTOCOL CIPHER`` or ``refused REASON``."""
    result, _, rest = line.partition(" ")
    if result == "agreed":
        return Handshake(rest, "")
    parts = rest.split(":")
    return Handshake("", parts[OPENSSL_REASON] if len(parts) > OPENSSL_REASON else rest)


def _certificate(lines: dict[str, str]) -> Certificate:
    return Certificate(
        subject=lines["subject"],
        issuer=lines["issuer"],
        not_before=moment(lines["notBefore"]),
        not_after=moment(lines["notAfter"]),
        distrust="" if lines["trust"].startswith("0 ") else lines["trust"],
    )


def moment(words: str) -> str:
    """Convert a time in openssl's format to ISO 8601."""
    return datetime.strptime(words, OPENSSL_DATE).replace(tzinfo=UTC).isoformat()


def parse_api(text: str) -> dict[str, ApiAnswer]:
    """Parse lines of URL token|anonymous CODE MILLISECONDS REASON."""
    answers = {}
    for url, lines in by_label(text).items():
        code, ms, problem = [*lines["token"].split(" ", 2), ""][:3]
        anonymous = int(lines["anonymous"].split(" ")[0])
        answers[url] = ApiAnswer(int(code), anonymous, int(ms), problem)
    return answers


def parse_endpoint(text: str) -> str:
    """Parse a URL.

    Raises:
        ValueError: the text contains no URL.
    """
    if "//" not in text:
        raise ValueError("no URL in the kubelet's kubeconfig")
    return text.strip().rstrip("/")


def parse_kubelet_port_answers(text: str) -> KubeletPortAnswers:
    """Parse lines of ``anonymous`` and ``read_only``, each with CODE MILLISECONDS REASON."""
    codes = {label: int(code.split(" ")[0]) for label, _, code in _partitioned(text, " ")}
    return KubeletPortAnswers(codes["anonymous"], codes["read_only"])


def parse_audit(text: str) -> AuditLog:
    """Parse lines of ``path``, ``before``, ``after``; only the first if there is no log."""
    values = {key: value for key, _, value in _partitioned(text, " ")}
    return AuditLog(values["path"], int(values.get("before", -1)), int(values.get("after", -1)))


def parse_rights(text: str) -> dict[str, str]:
    """Parse lines of CLIENT PREFIX RESULT."""
    rights = {}
    for line in text.splitlines():
        client, prefix, result = line.split(" ", 2)
        rights[f"{client} {prefix}"] = result
    return rights


def parse_at_rest(text: str) -> AtRest:
    """Parse lines of ``size``, ``prefix``, ``plain``."""
    values = {key: value for key, _, value in _partitioned(text, " ")}
    return AtRest(int(values["size"]), values["prefix"], values["plain"] == "yes")


def parse_runtime(text: str) -> RuntimeView:
    """Parse lines of ``cgroup PATH`` and ``mirror URL``."""
    lines = [(key, value) for key, _, value in _partitioned(text, " ")]
    mirrors = sorted({value.rstrip("/") for key, value in lines if key == "mirror"})
    cgroup = next((value for key, value in lines if key == "cgroup"), "")
    return RuntimeView(cgroup, {}, mirrors)


def parse_docker_mirrors(text: str) -> list[str]:
    """Parse the registry mirrors in Docker's /info."""
    config = json.loads(text).get("RegistryConfig") or {}
    return sorted(mirror.rstrip("/") for mirror in config.get("Mirrors") or [])


def parse_docker_logs(text: str) -> dict[str, str]:
    """Parse the log driver and its options in Docker's description of a container."""
    config = json.loads(text)["HostConfig"]["LogConfig"]
    return {"driver": config["Type"], **(config.get("Config") or {})}


def _partitioned(text: str, separator: str) -> list[tuple[str, str, str]]:
    return [line.partition(separator) for line in text.splitlines() if line]
