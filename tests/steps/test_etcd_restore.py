# SPDX-License-Identifier: Apache-2.0
"""Tests of a restore of etcd with three real members."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import Sandbox
from .etcd_backup import ETCD, certified, programs
from .etcd_members import Members, running
from .trust_cluster import Cluster

ID = "0123456789abcdef"
BUMP = 1_000_000_000
FOLDER = "/var/backups/etcd"
GET = "client $pki/apiserver $own get --print-value-only /registry/"
HASHES = "as_root $own endpoint hashkv --cluster | cut -d , -f 2 | sort -u | wc -l\n"


@pytest.fixture(scope="module")
def created(tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    """Return three control-plane nodes with certificates."""
    return certified(tmp_path_factory.mktemp("created"), control=3)


@pytest.fixture
def members(sandbox: Sandbox, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Members]:
    """Yield three running members with some objects, and a backup of the second node."""
    programs()
    created: Cluster = request.getfixturevalue("created")
    with running(created.copy(tmp_path / "cluster"), tmp_path) as found:
        found.start()
        found.members[0].shell(
            "for i in 1 2 3; do client $pki/apiserver $own put /registry/p$i before; done\n"
            "client $pki/flannel $own put /coreos.com/network/x before"
        )
        found.members[1].shell(f"bash {ETCD}/backup.sh take")
        found.members[0].shell(
            "client $pki/apiserver $own put /registry/p1 after\n"
            "client $pki/apiserver $own put /registry/later x\n"
            "client $pki/steps $own put /heatgen/restarting/demo-control-2/etcd now"
        )
        yield found


def source(members: Members) -> tuple[str, str, str]:
    """Return node, file and sum of the backup, as the output of the step reports them."""
    outputs = [result.outputs for result in members.step("20-backup.sh", RESTORE=f"{ID} list")]
    assert {output["restore"] for output in outputs} == {f"{ID} list"}
    [(node, archive)] = [
        (state["node"], archive)
        for state in (json.loads(output["backups"]) for output in outputs)
        for archive in state["archives"]
    ]
    return node, archive["file"], archive["sha256"]


def phase(members: Members, name: str, chosen: tuple[str, str, str]) -> list[str]:
    """Execute a phase on all nodes; return the reasons of failures."""
    request = " ".join((ID, name, *chosen))
    results = members.step("20-backup.sh", RESTORE=request)
    for result in results:
        assert result.status == 0 or result.problem, result.stderr
        if result.status == 0:
            assert result.outputs["restore"] == f"{ID} {name}"
    return [result.problem for result in results if result.problem]


def assert_restored(members: Members) -> None:
    """Assert that all members have the data of the backup, at a revision that is far higher."""
    for member in members.members:
        assert member.shell(f"{GET}p1\n{GET}later").split() == ["before"]
        status = member.shell("client $pki/health $own endpoint status --write-out json")
        assert json.loads(status)[0]["Status"]["header"]["revision"] > BUMP
        calls = member.node.text("/run/calls")
        assert calls.rindex("start etcd.service") < calls.rindex("start kube-apiserver.service")
        assert not member.node.path("/var/lib/heatgen/restoring").exists()
    first = members.members[0]
    listed = first.shell("client $pki/health $own member list").splitlines()
    assert len(listed) == 3
    assert all(line.endswith(", false") for line in listed)
    assert first.shell(HASHES).strip() == "1"
    assert first.shell("client $pki/steps $own get --prefix /heatgen/").strip() == ""


def test_restore(members: Members) -> None:
    """All members have the state of the backup, also if the data of all was deleted before."""
    chosen = source(members)
    assert chosen[0] == "demo-control-1"
    for member in members.members:
        member.shell("systemctl stop etcd; rm -rf /var/lib/etcd/member")
    for name in ("check", "stop", "start"):
        assert phase(members, name, chosen) == []
    assert_restored(members)
    # The same request again, and the end of the restore, change nothing.
    assert phase(members, "start", chosen) == []
    [ended, *_] = members.step("20-backup.sh", RESTORE=f"{ID} done")
    assert ended.outputs["restore"] == f"{ID} done"
    assert_restored(members)


def test_data_that_is_not_lost(members: Members) -> None:
    """The data of a healthy cluster is moved aside, and clients notice the step back."""
    chosen = source(members)
    for name in ("check", "stop"):
        assert phase(members, name, chosen) == []
    for member in members.members:
        assert member.node.path(f"/var/lib/etcd/before-{ID}/wal").exists()
        calls = member.node.text("/run/calls")
        assert calls.rindex("disable --quiet etcd.service") > calls.rindex("stop kube-apiserver")
        refused = member.run(ETCD / "10-start.sh", MEMBERS="", USERS="")
        assert refused.problem.startswith("a restore of etcd is in progress")
    assert phase(members, "start", chosen) == []
    assert_restored(members)
    text = members.members[2].shell(
        "watch() { client $pki/apiserver $own watch --rev 5 --prefix /registry/; }\n"
        "export -f watch client; export pki own heatgen_bin\n"
        "timeout 5 bash -c watch 2>&1 || true"
    )
    assert "canceled" in text


@pytest.mark.parametrize("after", ["restored", "moved", "joining"])
def test_interruption(members: Members, after: str) -> None:
    """A phase that was interrupted at any place is completed by the same request."""
    chosen = source(members)
    assert phase(members, "check", chosen) == phase(members, "stop", chosen) == []
    first, other = members.members[1], members.members[2]
    if after == "restored":
        # Power failure while the data is written.
        first.shell("mkdir -p /var/lib/etcd/restored/member/snap; touch /var/lib/etcd/restored/x")
    elif after == "moved":
        assert phase(members, "start", chosen) == []
        for member in members.members:
            member.shell(
                f"systemctl stop etcd; echo {ID} >/var/lib/heatgen/restoring\n"
                f"echo '{ID} stop' >/var/lib/heatgen/restore"
            )
    else:
        assert phase(members, "start", chosen) == []
        other.shell(
            "systemctl stop etcd; rm -rf /var/lib/etcd/member\n"
            f"echo {ID} >/var/lib/heatgen/restoring; echo '{ID} stop' >/var/lib/heatgen/restore"
        )
    assert phase(members, "start", chosen) == []
    assert_restored(members)


def test_refusals(members: Members) -> None:
    """A damaged, unknown or foreign backup, and one of newer versions, changes nothing."""
    node, file, sum_ = source(members)
    second = members.members[1]
    bad = (node, file, "0" * 64)
    assert "was changed: its SHA-256 is not" in phase(members, "check", bad)[0]
    unknown = (node, "etcd-20200101T000000Z-r1.backup", sum_)
    assert "does not exist on this node" in phase(members, "check", unknown)[0]
    second.shell(
        "ln -sfn /opt/heatgen/kubernetes/1.36.3/kube-apiserver /opt/heatgen/bin/kube-apiserver"
    )
    assert "has the older version 1.36.3" in phase(members, "check", (node, file, sum_))[0]
    second.shell(
        "ln -sfn /opt/heatgen/kubernetes/1.37.2/kube-apiserver /opt/heatgen/bin/kube-apiserver\n"
        "cd /var/lib/heatgen/trust/current && cp encryption.key /run && echo other >encryption.key"
    )
    assert "is of another cluster (demo)" in phase(members, "check", (node, file, sum_))[0]
    second.shell(f"head -c 3000 {FOLDER}/{file} >/run/part && cp /run/part {FOLDER}/{file}")
    changed = second.shell(f"sum_of {FOLDER}/{file}")
    assert "cannot be opened with the key" in phase(members, "check", (node, file, changed))[0]
    assert second.shell(f"{GET}p1").strip() == "after"
