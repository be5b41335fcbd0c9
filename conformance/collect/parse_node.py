# SPDX-License-Identifier: Apache-2.0
"""Parse the output of ``probe/collect.sh``. Pure: text in, ``NodeView`` out."""

import ipaddress
import json
import re
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from conformance.collect import parse_etcd, parse_machine
from conformance.collect import parse_security as hardening
from conformance.facts import components
from conformance.facts.etcd import Backups, Database, Running, Writes
from conformance.facts.machine import Clock, Machine
from conformance.facts.model import (
    ClientPortAnswers,
    Etcd,
    Forward,
    Health,
    Lease,
    Link,
    Lookup,
    Member,
    MemberStatus,
    Neighbour,
    NodeView,
    Route,
    SubnetEnv,
    Unit,
)
from conformance.facts.network import Answer, Ping
from conformance.facts.security import AuditLog, RuntimeView
from conformance.outcome import Unavailable

T = TypeVar("T")
NO_TOOL = 127
NO_FILE = 2
SHOWN = 300  # characters of text that cannot be parsed
NO_ENTRY = "cannot enter the pod-network probe"


@dataclass(frozen=True)
class Section:
    """Output of one command."""

    text: str
    status: int
    problem: str
    """Last line of its standard error."""


def split(run: str, printed: str) -> dict[str, Section]:
    """Split the output of ``collect.sh`` into its sections, without an incomplete last one."""
    frame = re.compile(
        rf"^@@{re.escape(run)} begin (\S+)\n(.*?)\n?@@{re.escape(run)} end \1 (\d+) ?(.*?)$",
        re.MULTILINE | re.DOTALL,
    )
    return {
        found[1]: Section(found[2].strip("\n"), int(found[3]), found[4].strip())
        for found in frame.finditer(printed)
    }


@dataclass(frozen=True)
class ProbeOutput:
    """The sections of one node."""

    node: str
    sections: dict[str, Section]

    def read(self, name: str, parse: Callable[[str], T]) -> T | Unavailable:
        """Return the section's value; ``Unavailable`` if it is missing, failed or malformed."""
        section = self.sections.get(name)
        if section is None:
            return Unavailable(f"{self.node}: the probe printed no section {name}")
        if section.status == NO_TOOL:
            return Unavailable(f"{self.node}: {name}: {section.problem}", permanent=True)
        if section.status != 0:
            reason = section.problem or "no reason given"
            return Unavailable(f"{self.node}: {name}: exit status {section.status}: {reason}")
        return self._parsed(name, section.text, parse)

    def answers(self, kind: str, parse: Callable[[str], T]) -> T | Unavailable:
        """Return the value of one kind of lines in the section ``network``."""
        lines = self.read("network", by_kind)
        if isinstance(lines, Unavailable):
            return lines
        if kind not in lines and "pod_problem" in lines:
            return Unavailable(f"{self.node}: {kind}: {NO_ENTRY}: {lines['pod_problem']}")
        return self._parsed(kind, lines.get(kind, ""), parse)

    def found(self, name: str) -> bool | Unavailable:
        """Return whether a section that searches for a process has found one."""
        return self.read(name, lambda text: bool(text.strip()))

    def _parsed(self, name: str, text: str, parse: Callable[[str], T]) -> T | Unavailable:
        try:
            return parse(text)
        except (ValueError, KeyError, IndexError, TypeError, AttributeError) as problem:
            return Unavailable(f"{self.node}: {name}: cannot parse {text[:SHOWN]!r}: {problem!r}")


def node_view(
    node: str,
    run: str,
    printed: str,
    endpoint: str,
    web: str,
    window: tuple[float, float] = (0.0, 0.0),
) -> NodeView:
    """Parse the output of a node's probe.

    Args:
        node: its name.
        run: the run ID, which is part of the section markers.
        printed: the output of ``collect.sh``.
        endpoint: of its etcd member.
        web: address:port of the run's own Service.
        window: when the probe was started and had returned, by the suite's clock.
    """
    at = ProbeOutput(node, split(run, printed))
    return NodeView(
        subnet_env=_subnet_env(at),
        links=at.read("links", parse_links),
        routes=at.read("routes", parse_routes),
        forwards=_of_vxlan(at, "fdb", parse_fdb),
        neighbours=_of_vxlan(at, "neighbours", parse_neighbours),
        sysctls=at.read("sysctls", parse_pairs),
        units=at.read("units", parse_units),
        flanneld=at.found("flanneld_process"),
        leases=at.read("leases", parse_leases) if "leases" in at.sections else None,
        etcd=_etcd(at, endpoint),
        pod_pings=at.answers("pod_ping", parse_pings),
        host_pings=at.answers("host_ping", parse_pings),
        web_from_pod=at.answers("pod_http", lambda text: parse_answers(text)[web]),
        web_from_host=at.answers("host_http", lambda text: parse_answers(text)[web]),
        node_ports=at.answers("node_port", parse_answers),
        nameservers=at.answers("nameserver", str.split),
        lookups=at.answers("lookup", parse_lookups),
        upstream_nameservers=at.read("upstream_nameservers", str.split),
        api=at.read("api", hardening.parse_api),
        endpoint=at.read("endpoint", hardening.parse_endpoint),
        programs=at.read("programs", hardening.parse_programs),
        listeners=at.read("listeners", hardening.parse_listeners),
        files=at.read("files", hardening.parse_files),
        ports=at.read("tls", hardening.parse_ports),
        certificates=at.read("certificates", hardening.parse_certificates),
        kubelet_doors=at.read("kubelet_doors", hardening.parse_kubelet_port_answers),
        audit=_audit(at),
        runtime=_runtime(at),
        components=at.read("components", components.parse),
        machine=_machine(at, window),
        backups=_backups(at),
    )


def _machine(at: ProbeOutput, window: tuple[float, float]) -> Machine:
    return Machine(
        clock=_clock(at, window),
        disks=at.read("disks", parse_machine.parse_disks),
        kernel=at.read("kernel", parse_pairs),
        failed_units=at.read("failed_units", str.split),
        lives=at.read("lives", parse_machine.parse_validities),
        deployments=at.read("deployments", parse_machine.parse_deployments),
        generations=at.read("generations", parse_machine.parse_generations),
    )


def _clock(at: ProbeOutput, window: tuple[float, float]) -> Clock | Unavailable:
    began = at.read("clock_begin", parse_machine.parse_clock)
    ended = at.read("clock_end", parse_machine.parse_clock)
    if isinstance(began, Unavailable):
        return began
    if isinstance(ended, Unavailable):
        return ended
    return Clock(began, ended, *window)


def _audit(at: ProbeOutput) -> AuditLog | Unavailable | None:
    return at.read("audit", hardening.parse_audit) if "audit" in at.sections else None


def _runtime(at: ProbeOutput) -> RuntimeView | Unavailable:
    """Return settings common to all runtimes, and those of Docker on nodes that run it."""
    view = at.read("runtime", hardening.parse_runtime)
    if isinstance(view, Unavailable) or "docker" not in at.sections:
        return view
    mirrors = at.read("docker", hardening.parse_docker_mirrors)
    logs = at.read("docker_container", hardening.parse_docker_logs)
    for part in (mirrors, logs):
        if isinstance(part, Unavailable):
            return part
    assert isinstance(mirrors, list)
    assert isinstance(logs, dict)
    return RuntimeView(view.cgroup, logs, sorted({*view.mirrors, *mirrors}))


def _of_vxlan(at: ProbeOutput, name: str, parse: Callable[[str], list[T]]) -> list[T] | Unavailable:
    links = at.read("links", parse_links)
    if not isinstance(links, Unavailable) and not any(
        re.fullmatch(r"flannel\.[0-9]+", name) for name in links
    ):
        return Unavailable(f"{at.node}: the node has no VXLAN device of flannel", permanent=True)
    return at.read(name, parse)


def _backups(at: ProbeOutput) -> Backups | Unavailable | None:
    section = at.sections.get("backups")
    if section is None or section.status == NO_FILE:
        return None
    return at.read("backups", parse_etcd.parse_backups)


def _subnet_env(at: ProbeOutput) -> SubnetEnv | Unavailable | None:
    section = at.sections.get("subnet_env")
    if section is not None and section.status == NO_FILE:
        return None
    return at.read("subnet_env", parse_subnet_env)


def _etcd(at: ProbeOutput, endpoint: str) -> Etcd | Unavailable | None:
    runs = at.found("etcd_process")
    if isinstance(runs, Unavailable):
        return runs
    if not runs:
        return None
    if isinstance(found := at.read("etcd_endpoint", str), str):
        endpoint = found
    blocked = at.read("etcd_tools", str) if "etcd_tools" in at.sections else None
    health: Health | Unavailable = _health(at)
    if isinstance(blocked, Unavailable):
        return Etcd(
            endpoint=endpoint,
            health=blocked,
            status=blocked,
            members=blocked,
            alarms=blocked,
            doors=at.read("etcd_doors", parse_client_port_answers),
            rights=blocked,
            at_rest=blocked,
            later=blocked,
            running=blocked,
        )
    return Etcd(
        endpoint=endpoint,
        health=health,
        status=at.read("etcd_status", parse_status),
        members=at.read("etcd_members", parse_members),
        alarms=at.read("etcd_alarms", parse_alarms),
        doors=at.read("etcd_doors", parse_client_port_answers),
        rights=at.read("etcd_rights", hardening.parse_rights),
        at_rest=at.read("etcd_at_rest", hardening.parse_at_rest),
        later=at.read("etcd_status_later", parse_status),
        running=Running(
            database=_database(at),
            writes=_writes(at),
            copies=at.read("etcd_copies", parse_etcd.parse_copies),
            entrances=at.read("etcd_entrances", parse_etcd.parse_listener_answers),
        ),
    )


def _database(at: ProbeOutput) -> Database | Unavailable:
    section = at.sections.get("etcd_figures")
    figures = section.text if section else ""
    return at.read("etcd_status", lambda text: parse_etcd.parse_database(text, figures))


def _writes(at: ProbeOutput) -> Writes | Unavailable:
    """Return the disk latency between the first and the last reading of the metrics."""
    first = at.read("etcd_figures", parse_etcd.parse_writes)
    last = at.read("etcd_figures_later", parse_etcd.parse_writes)
    if isinstance(first, Unavailable):
        return first
    if isinstance(last, Unavailable):
        return last
    return Writes(last.log.since(first.log), last.database.since(first.database))


def _health(at: ProbeOutput) -> Health | Unavailable:
    """Return the health; unlike any other command, failure of this one is a result."""
    section = at.sections.get("etcd_health")
    if section is not None and section.status not in (0, NO_TOOL):
        return Health(False, section.problem or "etcdctl endpoint health failed")
    return at.read("etcd_health", parse_health)


# ---- sections ----


def by_kind(text: str) -> dict[str, str]:
    """Group lines of KIND REST: the rests of each kind, as lines."""
    kinds: dict[str, list[str]] = {}
    for line in text.splitlines():
        kind, _, rest = line.partition(" ")
        kinds.setdefault(kind, []).append(rest)
    return {kind: "\n".join(rests) for kind, rests in kinds.items()}


def parse_pairs(text: str) -> dict[str, str]:
    """Parse lines of NAME VALUE."""
    pairs = (line.split(None, 1) for line in text.splitlines())
    return {pair[0]: pair[1] for pair in pairs}


def parse_subnet_env(text: str) -> SubnetEnv:
    """Parse shell assignments: FLANNEL_NETWORK, FLANNEL_SUBNET, FLANNEL_MTU."""
    values = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    mtu = int(values["FLANNEL_MTU"])
    return SubnetEnv(values["FLANNEL_NETWORK"], values["FLANNEL_SUBNET"], mtu)


def parse_links(text: str) -> dict[str, Link]:
    """Parse ``ip -json -details address show``, without ports of bridges, which belong to pods."""
    links = {}
    for device in json.loads(text):
        if "master" in device:
            continue
        data = device.get("linkinfo", {}).get("info_data", {})
        vxlan = device.get("linkinfo", {}).get("info_kind") == "vxlan"
        links[device["ifname"]] = Link(
            mac=device.get("address", ""),
            mtu=device["mtu"],
            up="UP" in device["flags"],
            addresses=[
                f"{address['local']}/{address['prefixlen']}"
                for address in device.get("addr_info", [])
                if address["family"] == "inet"
            ],
            vni=data.get("id") if vxlan else None,
            port=data.get("port") if vxlan else None,
        )
    return links


def parse_routes(text: str) -> list[Route]:
    """Parse ``ip -json route show``."""
    return [
        Route(route["dst"], route.get("gateway", ""), route.get("dev", ""))
        for route in json.loads(text)
    ]


def parse_fdb(text: str) -> list[Forward]:
    """Parse ``bridge -json fdb show dev flannel.VNI``: entries with a destination."""
    return [
        Forward(entry["mac"], entry["dst"]) for entry in json.loads(text or "[]") if "dst" in entry
    ]


def parse_neighbours(text: str) -> list[Neighbour]:
    """Parse ``ip -json neighbour show dev flannel.VNI``: IPv4 only."""
    return [
        Neighbour(entry["dst"], entry.get("lladdr", ""), ",".join(entry.get("state", [])))
        for entry in json.loads(text or "[]")
        if ipaddress.ip_address(entry["dst"]).version == 4
    ]


def parse_units(text: str) -> dict[str, Unit]:
    """Parse ``systemctl show``: blocks of KEY=VALUE, separated by empty lines."""
    units = {}
    for block in re.split(r"\n\s*\n", text.strip()):
        values = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        unit = Unit(
            values["LoadState"],
            values["ActiveState"],
            values["SubState"],
            values.get("UnitFileState", ""),
        )
        units[values["Id"].removesuffix(".service")] = unit
    return units


def parse_leases(text: str) -> list[Lease]:
    """Parse ``etcdctl get --prefix …/subnets/``: key 10.244.1.0-24, value flannel's JSON."""
    leases = []
    for pair in json.loads(text).get("kvs", []):
        value = json.loads(b64decode(pair["value"]))
        data = value.get("BackendData") or {}
        address, _, prefix = b64decode(pair["key"]).decode().rsplit("/", 1)[1].partition("-")
        leases.append(
            Lease(
                subnet=f"{address}/{prefix.partition('&')[0]}",
                public_ip=value["PublicIP"],
                backend=value.get("BackendType", ""),
                mac=data.get("VtepMAC", ""),
                vni=data.get("VNI"),
            )
        )
    return leases


def parse_health(text: str) -> Health:
    """Parse ``etcdctl endpoint health``."""
    answer = json.loads(text)[0]
    return Health(answer["health"], answer.get("error", ""))


def parse_status(text: str) -> MemberStatus:
    """Parse ``etcdctl endpoint status``."""
    status = json.loads(text)[0]["Status"]
    return MemberStatus(
        member=str(status["header"]["member_id"]),
        leader=str(status.get("leader", 0)),
        cluster=str(status["header"]["cluster_id"]),
        version=status["version"],
        learner=status.get("isLearner", False),
        errors=status.get("errors") or [],
        term=int(status.get("raftTerm", 0)),
        index=int(status.get("raftIndex", 0)),
        applied=int(status.get("raftAppliedIndex", 0)),
    )


def parse_members(text: str) -> list[Member]:
    """Parse ``etcdctl member list``."""
    return [
        Member(
            id=str(member["ID"]),
            name=member.get("name", ""),
            client_urls=member.get("clientURLs") or [],
            learner=member.get("isLearner", False),
        )
        for member in json.loads(text)["members"]
    ]


def parse_alarms(text: str) -> list[str]:
    """Parse ``etcdctl alarm list``: the names of raised alarms."""
    names = {0: "NONE", 1: "NOSPACE", 2: "CORRUPT"}
    raised = json.loads(text).get("alarms") or []
    return [
        f"{names.get(alarm.get('alarm', 0), alarm.get('alarm'))} on member {alarm.get('memberID')}"
        for alarm in raised
    ]


def parse_client_port_answers(text: str) -> ClientPortAnswers:
    """Parse lines of LABEL HTTP-CODE CURL-STATUS."""
    codes = {label: int(code) for label, code, _ in (line.split() for line in text.splitlines())}
    return ClientPortAnswers(codes["certificate"], codes["no-certificate"], codes["plain"])


def parse_pings(text: str) -> dict[str, Ping]:
    """Parse lines of NODE SENT RECEIVED MILLISECONDS [LEAST]."""
    pings = {}
    for line in text.splitlines():
        node, sent, received, ms, least = [*line.split(), "-"][:5]
        times = (None if each == "-" else float(each) for each in (ms, least))
        pings[node] = Ping(int(sent), int(received), *times)
    return pings


def parse_answers(text: str) -> dict[str, Answer]:
    """Parse lines of LABEL TRIES MILLISECONDS ok|failed TEXT."""
    answers = {}
    for line in text.splitlines():
        label, tries, ms, result, rest = [*line.split(None, 4), ""][:5]
        answered = result == "ok"
        answers[label] = Answer(
            rest if answered else "", int(tries), int(ms), "" if answered else rest
        )
    return answers


def parse_lookups(text: str) -> dict[str, Lookup]:
    """Parse lines of NAME MILLISECONDS ok|failed ADDRESSES|REASON."""
    lookups = {}
    for line in text.splitlines():
        name, ms, result, rest = [*line.split(None, 3), ""][:4]
        found = rest.split() if result == "ok" else []
        lookups[name] = Lookup(found, int(ms), "" if found else rest)
    return lookups
