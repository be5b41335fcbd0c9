# SPDX-License-Identifier: Apache-2.0
"""Tests of the step kvstore/start with a real etcd: versions that it refuses."""

from __future__ import annotations

import pytest

from tests.programs import program

from .conftest import HOT, Result, Sandbox

BLOCK = HOT / "blocks/kvstore/etcd"
# A member with TLS in a network namespace of its own. The step stops at the download.
PROLOGUE = """
[ -n "${INSIDE:-}" ] || INSIDE=1 exec unshare --net "$0"
ip link set lo up
ip address add 192.0.2.10/32 dev lo
ip route add default dev lo src 192.0.2.10
pki=/etc/etcd/pki
mkdir -p $pki /run/etcd /var/lib/etcd/member/wal
cd $pki
key="req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc"
openssl $key -x509 -subj /CN=etcd -days 2 -keyout issuer.key -out ca.crt 2>/dev/null
for name in server health; do
    openssl $key -subj /CN=$name -keyout $name.key -out $name.csr 2>/dev/null
    openssl x509 -req -in $name.csr -CA ca.crt -CAkey issuer.key -days 2 -out $name.crt \\
        2>/dev/null -extfile <(echo subjectAltName=IP:127.0.0.1,IP:192.0.2.10)
done
if [ -n "$ETCD" ]; then
    "$ETCD" --name control-0 --data-dir /run/etcd --log-level error --client-cert-auth \\
        --trusted-ca-file ca.crt --cert-file server.crt --key-file server.key \\
        --listen-client-urls https://127.0.0.1:2379 --advertise-client-urls https://127.0.0.1:2379 &
    trap "kill $!; wait" EXIT
    tls="--cacert ca.crt --cert health.crt --key health.key"
    for _ in $(seq 100); do
        ! curl --silent $tls https://127.0.0.1:2379/version | grep -q 'cluster":"3' || break
        sleep 0.1
    done
fi
cd /
"""


def start(sandbox: Sandbox, version: str, *, running: bool = True) -> Result:
    """Run the step with this version on a node that has data of etcd."""
    script = sandbox.folder / "start.sh"
    script.write_text(f"#!/bin/bash\nset -eu\n{PROLOGUE}\n/bin/bash {BLOCK}/10-start.sh\n")
    script.chmod(0o755)
    return sandbox.run(
        script,
        ETCD=str(program("etcd")) if running else "",
        ETCD_VERSION=version,
        ETCD_ARTIFACT=f"http://127.0.0.1:9/etcd-{version}.tar.gz {'0' * 64}",
        CONTROL_PLANE_ADDRESSES="192.0.2.10",
        MEMBERS=(BLOCK / "members.sh").read_text(),
        USERS=(BLOCK / "users.sh").read_text(),
    )


@pytest.mark.parametrize(
    ("version", "remedy"),
    [
        ("3.5.21", "an older minor version. Set a version 3.6.x and update the stack, or prepare"),
        ("3.8.0", "the next minor version only. Set a version 3.6.x or 3.7.x"),
        ("4.0.0", "the next minor version only. Set a version 3.6.x or 3.7.x"),
    ],
)
def test_refused_versions(sandbox: Sandbox, version: str, remedy: str) -> None:
    """An older minor version, and one after the next, are refused before anything changes."""
    result = start(sandbox, version)
    assert result.status == 1
    problem = f"kvstore.version cannot be changed to {version}: the etcd cluster has version 3.6, "
    assert result.problem.startswith(problem)
    assert remedy in result.problem
    assert not sandbox.file("/etc/etcd/etcd.env").exists()


@pytest.mark.parametrize("version", ["3.6.12", "3.6.99", "3.7.0"])
def test_allowed_versions(sandbox: Sandbox, version: str) -> None:
    """Another patch version, and the next minor version, are installed."""
    assert "cannot fetch http://127.0.0.1:9/" in start(sandbox, version).problem


def test_no_member_responds(sandbox: Sandbox) -> None:
    """If no member responds, the version may be the remedy: it is installed."""
    assert "cannot fetch http://127.0.0.1:9/" in start(sandbox, "3.5.21", running=False).problem
