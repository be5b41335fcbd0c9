# SPDX-License-Identifier: Apache-2.0
"""Collection of logs from nodes."""

from pathlib import Path

from heatgen.cloud import logs, stack


def test_journals(tmp_path: Path) -> None:
    """Journals are read with the given command; failures are reported by node."""
    servers = {
        stack.Server("a", "1", "192.0.2.1"): "x", stack.Server("b", "2", "192.0.2.2"): "x"
    }  # fmt: skip
    script = tmp_path / "ssh"
    script.write_text('#!/bin/sh\n[ "$1" = x@192.0.2.1 ] || { echo no route >&2; exit 255; }\n'
                      'shift; echo "$@"\n')  # fmt: skip
    script.chmod(0o755)
    entries = logs.from_nodes(servers, [str(script), "%u@%h"], tmp_path)
    assert {(entry.node, bool(entry.file)) for entry in entries} == {("a", True), ("b", False)}
    assert "-u etcd" in (tmp_path / "a" / "kvstore.journal").read_text()
    assert {entry.problem for entry in entries if entry.node == "b"} == {"journal: no route"}
