# SPDX-License-Identifier: Apache-2.0
"""Reads what `probe/etcd.sh` prints: a section's text in, plain values out. Pure."""

import json
import re

from conformance.facts.etcd import Copy, Database, Histogram, ListenerAnswers, Writes

LOG = "etcd_disk_wal_fsync_duration_seconds"
DATABASE = "etcd_disk_backend_commit_duration_seconds"
QUOTA = "etcd_server_quota_backend_bytes"
OWN_QUOTA = 2 * 2**30  # etcd's, where it is told none
OK = 200


def parse_writes(text: str) -> Writes:
    """Prometheus' text, of which only some lines are there."""
    return Writes(histogram(text, LOG), histogram(text, DATABASE))


def histogram(text: str, name: str) -> Histogram:
    """One histogram of it.

    Raises:
        ValueError: if it is not there.
    """
    lines = re.findall(rf'^{name}_bucket{{(?:.*,)?le="([^"]+)"}} (\S+)$', text, re.MULTILINE)
    counts = {bound: int(float(count)) for bound, count in lines}
    if "+Inf" not in counts:
        raise ValueError(f"no {name}")
    total = counts.pop("+Inf")
    return Histogram([float(bound) for bound in counts], list(counts.values()), total)


def parse_database(status: str, figures: str) -> Database:
    """`etcdctl endpoint status`, and the quota as told there (since 3.6) or by the figures."""
    told = json.loads(status)[0]["Status"]
    figure = re.search(rf"^{QUOTA} (\S+)$", figures, re.MULTILINE)
    quota = int(told.get("dbSizeQuota", 0)) or (int(float(figure[1])) if figure else 0)
    size = int(told.get("dbSize", 0))
    return Database(size, int(told.get("dbSizeInUse", size)), quota or OWN_QUOTA)


def parse_copies(text: str) -> dict[str, Copy]:
    """Lines of URL CODE SECONDS ANSWER."""
    return {url: _copy(rest) for url, _, rest in (_parted(line) for line in text.splitlines())}


def _copy(words: str) -> Copy:
    code, connect, answer = [*words.split(" ", 2), ""][:3]
    if int(code) != OK:
        return Copy(0, 0, float(connect), answer or "no answer")
    told = json.loads(answer)
    return Copy(int(told["hash"]), int(told.get("compact_revision", 0)), float(connect))


def parse_listener_answers(text: str) -> dict[str, ListenerAnswers]:
    """Lines of ADDRESS:PORT PLAIN STRANGER."""
    found = {}
    for line in sorted(text.splitlines()):
        at, plain, stranger = line.split()
        found[at] = ListenerAnswers(int(plain), int(stranger))
    return found


def _parted(line: str) -> tuple[str, str, str]:
    return line.partition(" ")
