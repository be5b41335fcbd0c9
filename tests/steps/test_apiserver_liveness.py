# SPDX-License-Identifier: Apache-2.0
"""Tests of apiserver-liveness: when an unhealthy API server is restarted."""

from __future__ import annotations

import pytest

from .conftest import HOT, Sandbox

PROGRAM = HOT / "blocks/orchestration/kubernetes/apiserver-liveness.sh"
OWN, OTHER = "10.0.0.10", "10.0.0.11"
LIVE, OTHER_READY, ETCD_READY = (
    "https://127.0.0.1:6443/livez",
    f"https://{OTHER}:6443/readyz",
    "https://127.0.0.1:2379/readyz",
)
LIMIT = 6
"""Failed checks before the first restart."""
RESTART = "kill --signal=KILL kube-apiserver.service"
NODES = f"c-0 control {OWN}\nc-1 control {OTHER}\nw-0 worker 10.0.0.20\n"

# URLs in the file `healthy` succeed; others fail because of etcd.
CURL = """#!/bin/bash
grep -qxF "${@: -1}" /var/lib/heatgen/healthy && exit
printf '%s\\n' '[+]ping ok' '[-]etcd failed: reason withheld'
exit 22
"""
SYSTEMCTL = """#!/bin/bash
case $1 in is-active) [ -e /var/lib/heatgen/active ] ;; *) echo "$*" >>/var/lib/heatgen/done ;; esac
"""
# Ends the program after the last round. The check succeeds once, after round `recovers_after`.
SLEEP = """#!/bin/bash
cd /var/lib/heatgen
echo >>rounds
round=$(wc -l <rounds)
[ $round -lt "$(cat last)" ] || kill $PPID
sed -i '/livez/d' healthy
[ $round != "$(cat recovers_after)" ] || echo LIVE >>healthy
"""


def watch(
    sandbox: Sandbox,
    *healthy: str,
    rounds: int = LIMIT,
    active: bool = True,
    rolling: bool = False,
    recovers_after: int = 0,
) -> tuple[list[str], list[str]]:
    """Run the program for a number of rounds; return its calls of systemctl, and its output."""
    tools = sandbox.folder / "bin"
    tools.mkdir()
    for name, text in {
        "curl": CURL,
        "systemctl": SYSTEMCTL,
        "sleep": SLEEP.replace("LIVE", LIVE),
    }.items():
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    lib = "/var/lib/heatgen"
    script = sandbox.folder / "watch.sh"
    script.write_text(
        f"mkdir -p {lib}; rm -f {lib}/*\n"
        f"printf '%s' '{NODES}' >{lib}/nodes\n"
        f"echo {rounds} >{lib}/last; echo {recovers_after} >{lib}/recovers_after\n"
        f"printf '%s\\n' {' '.join(healthy) or 'none'} >{lib}/healthy; touch {lib}/done\n"
        + (f"touch {lib}/active\n" if active else "")
        + ("touch /run/heatgen-etcd.rolling\n" if rolling else "")
        + f"PATH={tools}:$PATH bash {PROGRAM} || true\n"
        f"cat {lib}/done >&2\n"
    )
    result = sandbox.run(script, NODE_ADDRESS=OWN)
    assert result.status == 0, result.stderr
    calls = [line for line in result.stderr.splitlines() if "kube-apiserver" in line]
    return calls, result.stdout.splitlines()


def test_restart_if_another_is_ready(sandbox: Sandbox) -> None:
    """After six failed checks it is restarted once, with the reason; the limit then doubles."""
    calls, lines = watch(sandbox, OTHER_READY, rounds=3 * LIMIT - 1)
    assert calls == [RESTART]
    assert len(lines) == 1
    assert lines[0].endswith(": [-]etcd failed: reason withheld")


def test_next_restart_takes_twice_as_long(sandbox: Sandbox) -> None:
    """If it remains unhealthy, it is restarted again after twice as many checks."""
    assert watch(sandbox, OTHER_READY, rounds=3 * LIMIT)[0] == [RESTART, RESTART]


def test_restart_if_etcd_is_ready(sandbox: Sandbox) -> None:
    """Without another API server it is restarted if etcd is not the cause."""
    assert watch(sandbox, ETCD_READY)[0] == [RESTART]


def test_no_restart_without_etcd_quorum(sandbox: Sandbox) -> None:
    """If neither etcd nor another API server is ready, it is not restarted; reported once."""
    calls, lines = watch(sandbox, rounds=3 * LIMIT)
    assert calls == []
    assert len(lines) == 1
    assert "not restarting" in lines[0]


@pytest.mark.parametrize(
    "state",
    [
        pytest.param({"rounds": LIMIT - 1}, id="below-limit"),
        pytest.param({"active": False}, id="stopped-or-starting"),
        pytest.param({"rolling": True}, id="restarted-by-a-step"),
        pytest.param({"rounds": 2 * LIMIT - 1, "recovers_after": LIMIT - 1}, id="recovers"),
    ],
)
def test_no_restart(sandbox: Sandbox, state: dict[str, object]) -> None:
    """It is not restarted below the limit, while it is not active, or during a step."""
    calls, lines = watch(sandbox, OTHER_READY, ETCD_READY, **state)  # type: ignore[arg-type]
    assert (calls, lines) == ([], [])
