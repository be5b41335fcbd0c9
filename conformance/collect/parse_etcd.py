# SPDX-License-Identifier: Apache-2.0
"""Parse the output of ``probe/etcd.sh``. Pure: text of a section in, facts out."""

import json
import re
from datetime import datetime

from conformance.facts.etcd import Backups, Copy, Database, Histogram, ListenerAnswers, Writes

LOG = "etcd_disk_wal_fsync_duration_seconds"
DATABASE = "etcd_disk_backend_commit_duration_seconds"
QUOTA = "etcd_server_quota_backend_bytes"
DEFAULT_QUOTA = 2 * 2**30  # etcd's default
OK = 200


def parse_writes(text: str) -> Writes:
    """Parse an excerpt of Prometheus metrics."""
    return Writes(histogram(text, LOG), histogram(text, DATABASE))


def histogram(text: str, name: str) -> Histogram:
    """Parse one histogram of Prometheus metrics.

    Raises:
        ValueError: the text does not contain it.
    """
    lines = re.findall(rf'^{name}_bucket{{(?:.*,)?le="([^"]+)"}} (\S+)$', text, re.MULTILINE)
    counts = {bound: int(float(count)) for bound, count in lines}
    if "+Inf" not in counts:
        raise ValueError(f"no {name}")
    total = counts.pop("+Inf")
    return Histogram([float(bound) for bound in counts], list(counts.values()), total)


def parse_database(status: str, figures: str) -> Database:
    """Parse ``etcdctl endpoint status``; before etcd 3.6, the quota is in the metrics only."""
    member = json.loads(status)[0]["Status"]
    figure = re.search(rf"^{QUOTA} (\S+)$", figures, re.MULTILINE)
    quota = int(member.get("dbSizeQuota", 0)) or (int(float(figure[1])) if figure else 0)
    size = int(member.get("dbSize", 0))
    return Database(size, int(member.get("dbSizeInUse", size)), quota or DEFAULT_QUOTA)


def parse_copies(text: str) -> dict[str, Copy]:
    """Parse lines of URL CODE SECONDS ANSWER."""
    return {url: _copy(rest) for url, _, rest in (_parted(line) for line in text.splitlines())}


def _copy(rest: str) -> Copy:
    code, connect, answer = [*rest.split(" ", 2), ""][:3]
    if int(code) != OK:
        return Copy(0, 0, float(connect), answer or "no answer")
    result = json.loads(answer)
    return Copy(int(result["hash"]), int(result.get("compact_revision", 0)), float(connect))


def parse_listener_answers(text: str) -> dict[str, ListenerAnswers]:
    """Parse lines of ADDRESS:PORT PLAIN ANONYMOUS."""
    found = {}
    for line in sorted(text.splitlines()):
        at, plain, anonymous = line.split()
        found[at] = ListenerAnswers(int(plain), int(anonymous))
    return found


def _parted(line: str) -> tuple[str, str, str]:
    return line.partition(" ")


def parse_backups(text: str) -> Backups:
    """Parse the node's time in seconds, and the status file of the program that takes backups."""
    now, _, status = text.partition("\n")
    data = json.loads(status)
    return Backups(
        now=float(now),
        since=_seconds(data["since"]),
        taken=_seconds(data["taken"]),
        rehearsed=_seconds(data["rehearsed"]),
        interval=float(data["interval"]),
        count=len(data["archives"]),
        problem=str(data["problem"]),
        rehearsal_problem=str(data["rehearsal_problem"]),
    )


def _seconds(text: str) -> float:
    """Return a time in RFC 3339 in seconds since the epoch; 0 for an empty text."""
    return datetime.fromisoformat(text).timestamp() if text else 0.0
