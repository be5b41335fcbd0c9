# SPDX-License-Identifier: Apache-2.0
"""Parse the output of ``probe/network.sh``. Pure: sections in, ``Paths`` out."""

import json
from base64 import b64decode

from conformance.collect.parse_node import ProbeOutput, parse_answers, parse_pings
from conformance.facts.network import Frames, MetadataAccess, Own, Paths, Ping, Queries, Requests
from conformance.outcome import Unavailable

FORWARDING = ("-P FORWARD ", "-A FORWARD ")


def paths_of(at: ProbeOutput) -> Paths:
    """Return the network paths that a node's probes measured."""
    return Paths(
        own=at.answers("own", parse_own),
        neighbour=_neighbour(at),
        hosts=at.answers("pod_to_host", parse_pings),
        host_pings=at.answers("host_to_host", parse_pings),
        frames=_frames(at),
        seen_as=at.answers("seen_as", parse_words),
        direct=at.answers("direct", parse_answers),
        itself=at.answers("itself", lambda text: parse_answers(text)["-"]),
        nobody=at.answers("nobody", lambda text: parse_answers(text)["-"]),
        sticky=at.answers("sticky", str.split),
        requests=at.answers("requests", parse_requests),
        queries=at.answers("query", parse_queries),
        outside=at.answers("outside", parse_answers),
        forward=at.read("forward", parse_forward),
        lease_seconds=at.read("lease_seconds", parse_lease_seconds)
        if "lease_seconds" in at.sections
        else None,
        metadata=_metadata(at),
    )


def _metadata(at: ProbeOutput) -> MetadataAccess | Unavailable:
    pod = at.answers("metadata_from_pod", parse_refusal)
    host = at.answers("metadata_from_host", parse_refusal)
    if isinstance(pod, Unavailable):
        return pod
    return host if isinstance(host, Unavailable) else MetadataAccess(pod, host)


def _neighbour(at: ProbeOutput) -> Ping | Unavailable:
    pings = at.answers("neighbour", parse_pings)
    if isinstance(pings, Unavailable):
        return pings
    missing = f"{at.node}: no second pod ran on the node (see test_container_starts)"
    return next(iter(pings.values()), Unavailable(missing))


def _frames(at: ProbeOutput) -> dict[str, Frames] | Unavailable:
    without = at.answers("no_frames", str)
    if isinstance(without, str) and without:
        return Unavailable(f"{at.node}: {without}", permanent=True)
    return at.answers("frames", parse_frames)


def parse_own(text: str) -> Own:
    """Parse ADDRESS MTU."""
    address, mtu = text.split()
    return Own(address, int(mtu))


def parse_words(text: str) -> dict[str, str]:
    """Parse lines of NAME WORD."""
    pairs = (line.split() for line in text.splitlines())
    return {pair[0]: pair[1] for pair in pairs}


def parse_refusal(text: str) -> str:
    """Parse ``ok`` or ``failed REASON``: the reason, empty for ``ok``."""
    verdict, _, reason = text.strip().partition(" ")
    if verdict not in ("ok", "failed"):
        raise ValueError("neither ok nor failed")
    return reason if verdict == "failed" else ""


def parse_frames(text: str) -> dict[str, Frames]:
    """Parse lines of NODE SIZE SENT RECEIVED PROBLEM."""
    frames = {}
    for line in text.splitlines():
        node, size, sent, received, problem = [*line.split(None, 4), ""][:5]
        frames[node] = Frames(int(size), int(sent), int(received), problem)
    return frames


def parse_requests(text: str) -> Requests:
    """Parse COUNT FAILED SLOWEST PROBLEM."""
    count, failed, slowest, problem = [*text.split(None, 3), ""][:4]
    return Requests(int(count), int(failed), int(slowest), problem)


def parse_queries(text: str) -> dict[str, Queries]:
    """Parse lines of SERVER MILLISECONDS ok|failed REASON."""
    times: dict[str, list[int]] = {}
    failed: dict[str, list[str]] = {}
    for line in text.splitlines():
        server, ms, verdict, reason = [*line.split(None, 3), ""][:4]
        times.setdefault(server, [])
        if verdict == "ok":
            times[server].append(int(ms))
        else:
            failed.setdefault(server, []).append(reason)
    return {
        server: Queries(ms, len(failed.get(server, [])), failed.get(server, [""])[-1])
        for server, ms in times.items()
    }


def parse_forward(text: str) -> list[str]:
    """Parse ``iptables -S``: rules of FORWARD and of the chains it jumps to, in that order."""
    lines = text.splitlines()
    reached = [line for line in lines if line.startswith(FORWARDING)]
    for rule in reached:  # the loop extends the list
        chain = rule.partition(" -j ")[2].split(" ")[0]
        if chain and chain != "FORWARD":
            further = (line for line in lines if line.startswith(f"-A {chain} "))
            reached.extend(line for line in further if line not in reached)
    return reached


def parse_lease_seconds(text: str) -> dict[str, int]:
    """Parse lines of ``etcdctl lease timetolive --keys``: remaining seconds by subnet."""
    left = {}
    for line in text.splitlines():
        lease = json.loads(line)
        for key in lease.get("keys") or []:
            address, _, prefix = b64decode(key).decode().rsplit("/", 1)[1].partition("-")
            left[f"{address}/{prefix.partition('&')[0]}"] = int(lease["ttl"])
    return left
