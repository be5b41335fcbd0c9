# SPDX-License-Identifier: Apache-2.0
"""When an apiserver is started again: if it does not live for a while, and that helps somebody."""

from __future__ import annotations

import pytest

from .conftest import HOT, Sandbox

PROGRAM = HOT / "blocks/orchestration/kubernetes/apiserver-liveness.sh"
OWN, OTHER = "10.0.0.10", "10.0.0.11"
LIVES, OTHER_READY, STORED = (
    "https://127.0.0.1:6443/livez",
    f"https://{OTHER}:6443/readyz",
    "https://127.0.0.1:2379/readyz",
)
PATIENCE = 6
AGAIN = "kill --signal=KILL kube-apiserver.service"
NODES = f"c-0 control {OWN}\nc-1 control {OTHER}\nw-0 worker 10.0.0.20\n"

# Each URL that is a line of the file `well` says yes; of the others etcd is to blame.
CURL = """#!/bin/bash
grep -qxF "${@: -1}" /var/lib/heatgen/well && exit
printf '%s\\n' '[+]ping ok' '[-]etcd failed: reason withheld'
exit 22
"""
SYSTEMCTL = """#!/bin/bash
case $1 in is-active) [ -e /var/lib/heatgen/active ] ;; *) echo "$*" >>/var/lib/heatgen/done ;; esac
"""
# The last round ends the program. In the round after the one that the file `mended` names it lives.
SLEEP = """#!/bin/bash
cd /var/lib/heatgen
echo >>rounds
round=$(wc -l <rounds)
[ $round -lt "$(cat last)" ] || kill $PPID
sed -i '/livez/d' well
[ $round != "$(cat mended)" ] || echo LIVES >>well
"""


def watch(
    sandbox: Sandbox,
    *well: str,
    rounds: int = PATIENCE,
    active: bool = True,
    rolling: bool = False,
    mended: int = 0,
) -> tuple[list[str], list[str]]:
    """Let it ask so many times; return what it had systemd do, and what it said."""
    tools = sandbox.folder / "bin"
    tools.mkdir()
    for name, text in {
        "curl": CURL,
        "systemctl": SYSTEMCTL,
        "sleep": SLEEP.replace("LIVES", LIVES),
    }.items():
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    lib = "/var/lib/heatgen"
    script = sandbox.folder / "watch.sh"
    script.write_text(
        f"mkdir -p {lib}; rm -f {lib}/*\n"
        f"printf '%s' '{NODES}' >{lib}/nodes\n"
        f"echo {rounds} >{lib}/last; echo {mended} >{lib}/mended\n"
        f"printf '%s\\n' {' '.join(well) or 'none'} >{lib}/well; touch {lib}/done\n"
        + (f"touch {lib}/active\n" if active else "")
        + ("touch /run/heatgen-etcd.rolling\n" if rolling else "")
        + f"PATH={tools}:$PATH bash {PROGRAM} || true\n"
        f"cat {lib}/done >&2\n"
    )
    ran = sandbox.run(script, NODE_ADDRESS=OWN)
    assert ran.status == 0, ran.stderr
    done = [line for line in ran.stderr.splitlines() if "kube-apiserver" in line]
    return done, ran.stdout.splitlines()


def test_one_without_its_member_is_started_again_for_others_serve(sandbox: Sandbox) -> None:
    """After six times no, once, with the reason; then it gets twice the time."""
    done, said = watch(sandbox, OTHER_READY, rounds=3 * PATIENCE - 1)
    assert done == [AGAIN]
    assert said == [
        "kube-apiserver does not live and is started again: [-]etcd failed: reason withheld"
    ]


def test_one_that_still_does_not_live_is_started_again_later(sandbox: Sandbox) -> None:
    """Each time it gets twice as long as before."""
    assert watch(sandbox, OTHER_READY, rounds=3 * PATIENCE)[0] == [AGAIN, AGAIN]


def test_one_that_hangs_is_started_again_for_its_store_is_well(sandbox: Sandbox) -> None:
    """On a single control-plane server, too."""
    assert watch(sandbox, STORED)[0] == [AGAIN]


def test_it_is_left_alone_if_that_helps_nobody(sandbox: Sandbox) -> None:
    """Without a quorum of etcd none is ready; what it has in memory is better than nothing."""
    done, said = watch(sandbox, rounds=3 * PATIENCE)
    assert done == []
    assert len(said) == 1
    assert "it is left alone" in said[0]


@pytest.mark.parametrize(
    "state",
    [
        pytest.param({"rounds": PATIENCE - 1}, id="not-long-enough"),
        pytest.param({"active": False}, id="stopped-or-starting"),
        pytest.param({"rolling": True}, id="restarted-by-a-step"),
        pytest.param({"rounds": 2 * PATIENCE - 1, "mended": PATIENCE - 1}, id="lives-now-and-then"),
    ],
)
def test_it_runs_on(sandbox: Sandbox, state: dict[str, object]) -> None:
    """Where it may yet live, does now and then, or is not meant to run."""
    done, said = watch(sandbox, OTHER_READY, STORED, **state)  # type: ignore[arg-type]
    assert (done, said) == ([], [])
