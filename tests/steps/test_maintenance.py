# SPDX-License-Identifier: Apache-2.0
"""Tests of the program that restarts a server in its maintenance window."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence

import pytest

from .conftest import HOT, Result, Sandbox

PROGRAM = HOT / "os" / "maintenance.sh"
NODES = "demo-control-0 control 192.0.2.1\ndemo-control-1 control 192.0.2.2\n"
STUBS = r"""
set -u
mkdir -p /run/stub /var/lib/heatgen /var/lib/heatgen-agent
rm -rf /var/lib/heatgen-agent/* /run/calls
touch /run/calls
stub() {
    printf '%s\n' '#!/bin/bash' 'echo "${0##*/} $*" >>/run/calls' "$2" >"/run/stub/$1"
    chmod +x "/run/stub/$1"
}
stub systemctl 'case $1 in is-active) echo inactive; exit 3 ;; esac'
export PATH=/run/stub:$PATH
echo demo-worker-0 >/var/lib/heatgen/node-name
"""
QUICK = {
    "\nMINUTE=60 ": "\nMINUTE=1 ",
    "\nPAUSE=60 ": "\nPAUSE=0.05 ",
    "\nPATIENCE=600 ": "\nPATIENCE=0.2 ",
}
"""Times in tests; a minute of the window is a second."""
# A control-plane node with another one; the etcd and API server of that one respond.
CONTROL = r"""
echo demo-control-0 >/var/lib/heatgen/node-name
mkdir -p /etc/etcd/pki /opt/heatgen/bin
touch /etc/etcd/pki/steps.crt
printf '%s' "$NODES" >/var/lib/heatgen/nodes
stub ip 'echo "192.0.2.0/24 src 192.0.2.1"'
stub curl '[ ! -e /run/api-down ]'
cat >/opt/heatgen/bin/etcdctl <<'END'
#!/bin/bash
while [[ $1 == --* ]]; do shift 2; done
echo "etcdctl $*" >>/run/calls
[ ! -e /run/etcd-down ] || { echo refused >&2; exit 1; }
case $1 in
    lease) echo 'lease 32695410dcc0ca06 granted with TTL(600s)' ;;
    get) [[ $* != *keys-only* ]] || cat /run/markers 2>/dev/null || true ;;
    lock) shift 5; exec "$@" ;;
esac
END
chmod +x /opt/heatgen/bin/etcdctl
"""
REBOOT = "systemctl reboot --check-inhibitors=yes"


def window(sandbox: Sandbox, *before: str, minutes: int = 2) -> tuple[Result, Sequence[str]]:
    """Run the program for a window after commands; return the calls, too."""
    script, program = sandbox.folder / "window.sh", sandbox.folder / "program.sh"
    text = PROGRAM.read_text()
    for old, new in QUICK.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    program.write_text(text)
    run = f"/bin/bash {program} {minutes}"
    script.write_text("\n".join([STUBS, *before, run, "echo CALLS", "cat /run/calls"]))
    result = sandbox.run(script, NODES=NODES)
    assert result.status == 0, result.stderr
    return result, result.stdout.partition("CALLS\n")[2].splitlines()


def restarts(calls: Sequence[str]) -> bool:
    """Return whether the server was restarted."""
    return REBOOT in calls


def test_no_update(sandbox: Sandbox) -> None:
    """Without an update nothing happens until the window ends."""
    result, calls = window(sandbox)
    assert not calls
    assert "no restart is required" in result.stdout


def test_restart(sandbox: Sandbox) -> None:
    """The agent is stopped before the restart; if that does not happen, the agent starts again."""
    result, calls = window(sandbox, "touch /run/reboot-required")
    changes = [call for call in calls if "is-active" not in call]
    assert changes[:4] == [
        "systemctl kill --signal=KILL heatgen-agent.service",
        "systemctl stop heatgen-agent.service",
        REBOOT,
        "systemctl start --no-block heatgen-agent.service",
    ]
    assert "still needs a restart: the server has not restarted" in result.stdout


def test_inhibited(sandbox: Sandbox) -> None:
    """A program that inhibits the restart is the reason, and the agent continues."""
    stub = "case $1 in is-active) exit 3 ;; reboot) echo blocked by dpkg; exit 1 ;; esac"
    result, calls = window(sandbox, "touch /run/reboot-required", f"stub systemctl '{stub}'")
    assert "not restarting now: blocked by dpkg" in result.stdout
    assert calls[-1] == "systemctl start --no-block heatgen-agent.service"


BUSY = {
    "running": "mkdir /var/lib/heatgen-agent/os@1",
    "recent": "mkdir /var/lib/heatgen-agent/os@1; touch /var/lib/heatgen-agent/os@1/done",
    "locked": "exec 7>/var/lib/heatgen-agent/lock; flock -s 7",
    "upgrade": 'stub systemctl \'[ "$1 ${*: -1}" != "is-active apt-daily-upgrade.service" ]\'',
}


@pytest.mark.parametrize("case", BUSY)
def test_no_restart_during_a_step(sandbox: Sandbox, case: str) -> None:
    """A step that runs, waits, or has just ended, and an installation, prevent the restart."""
    result, calls = window(sandbox, "touch /run/reboot-required", BUSY[case])
    assert not restarts(calls)
    assert "heatgen-agent.service" not in " ".join(calls)
    assert "not restarting now:" in result.stdout


def test_restart_after_old_steps(sandbox: Sandbox) -> None:
    """Steps that ended some time ago do not prevent the restart."""
    old = (
        "mkdir /var/lib/heatgen-agent/os@1; touch -d '-11 minutes' /var/lib/heatgen-agent/os@1/done"
    )
    assert restarts(window(sandbox, "touch /run/reboot-required", old)[1])


def test_workers_have_different_slots(sandbox: Sandbox) -> None:
    """A window is divided into slots of ten minutes; the index of a worker selects one."""
    for index in (0, 1, 3, 10):
        name = f"echo demo-worker-{index} >/var/lib/heatgen/node-name"
        script = sandbox.folder / "slots.sh"
        end = "sleep() { echo slept $1; exit; }; export -f sleep"
        script.write_text("\n".join([STUBS, name, end, f"/bin/bash {PROGRAM} 30"]))
        lines = sandbox.run(script).stdout.splitlines()
        begin = index % 3 * 10
        assert f"from {begin} to {begin + 10} minutes" in lines[0]
        assert lines[1] == f"slept {begin * 60}"


def test_control_plane_holds_the_lock(sandbox: Sandbox) -> None:
    """A control-plane node restarts under the lock in etcd, with a marker for other nodes."""
    _, calls = window(sandbox, "touch /run/reboot-required", CONTROL)
    marker = "/heatgen/restarting/demo-control-0/system"
    expected = (
        "etcdctl lock --ttl 30 -- /heatgen/restart",
        f"etcdctl put --lease 32695410dcc0ca06 {marker}",
        REBOOT,
        f"etcdctl del {marker}",
    )
    order = [
        next(index for index, call in enumerate(calls) if call.startswith(start))
        for start in expected
    ]
    assert order == sorted(order)


UNHEALTHY = {
    "etcd": ("touch /run/etcd-down", "etcd on 192.0.2.2 does not respond"),
    "api": ("touch /run/api-down", "the API server on 192.0.2.2 is not ready"),
}


@pytest.mark.parametrize("case", UNHEALTHY)
def test_no_restart_without_a_healthy_control_plane(sandbox: Sandbox, case: str) -> None:
    """While another control-plane node is not healthy, this one does not restart."""
    break_it, reason = UNHEALTHY[case]
    result, calls = window(sandbox, "touch /run/reboot-required", CONTROL, break_it)
    assert not restarts(calls)
    assert reason in result.stdout
    assert not any(call.startswith("etcdctl lock") for call in calls)


def test_no_restart_while_another_node_restarts(sandbox: Sandbox) -> None:
    """The marker of another node prevents the restart; the lock is released."""
    marker = "echo /heatgen/restarting/demo-control-1/system >/run/markers"
    no_wait = "export HEATGEN_TIMEOUT_FACTOR=0"
    _, calls = window(sandbox, "touch /run/reboot-required", CONTROL, marker, no_wait)
    assert not restarts(calls)
    assert not any(call.startswith("etcdctl put") for call in calls)


@pytest.mark.parametrize("down", [False, True])
def test_end_of_a_restart(sandbox: Sandbox, down: bool) -> None:
    """After the start of a control-plane node the marker is removed; the unit never fails."""
    script = sandbox.folder / "booted.sh"
    before = "touch /run/etcd-down" if down else ":"
    run = f"/bin/bash {PROGRAM} booted"
    script.write_text("\n".join([STUBS, CONTROL, before, f"{run} && cat /run/calls"]))
    result = sandbox.run(script, NODES=NODES)
    assert result.status == 0, result.stderr
    assert "etcdctl del /heatgen/restarting/demo-control-0/system" in result.stdout
    assert ("cannot remove" in result.stdout) == down


def test_only_control_plane_node(sandbox: Sandbox) -> None:
    """Without other control-plane nodes there is no lock."""
    alone = "echo demo-control-0 control 192.0.2.1 >/var/lib/heatgen/nodes"
    _, calls = window(sandbox, "touch /run/reboot-required", CONTROL, alone)
    assert restarts(calls)
    assert not any(call.startswith("etcdctl") for call in calls)


def test_update_of_flatcar(sandbox: Sandbox) -> None:
    """An update of Flatcar needs a restart when it is complete."""

    def update(status: str) -> str:
        return f"stub update_engine_client 'echo CURRENT_OP=UPDATE_STATUS_{status}'"

    assert restarts(window(sandbox, update("UPDATED_NEED_REBOOT"))[1])
    assert not restarts(window(sandbox, update("DOWNLOADING"), "touch /run/reboot-required")[1])


@pytest.mark.skipif(not shutil.which("jq"), reason="jq is not installed")
def test_update_of_fedora_coreos(sandbox: Sandbox) -> None:
    """Zincati may restart the server while the window allows it, and not afterwards."""
    deployments = [{"staged": True}, {"booted": True}]
    (sandbox.folder / "status.json").write_text(json.dumps({"deployments": deployments}))
    status = f"stub rpm-ostree 'cat {sandbox.folder}/status.json'"
    seen = """
stub sleep '[ ! -e /run/heatgen-restart ] || touch /run/seen; exec /bin/sleep "$1"'
"""
    _, calls = window(sandbox, status, seen)
    assert not restarts(calls)
    assert "systemctl stop heatgen-agent.service" in calls
    assert sandbox.file("/run/seen").exists()
    assert not sandbox.file("/run/heatgen-restart").exists()


def request(sandbox: Sandbox, method: str, path: str, granted: bool) -> str:
    """Send a request of Zincati to the program; return the response."""
    script = sandbox.folder / "fleet-lock.sh"
    body = '{"client_params": {"id": "x", "group": "default"}}'
    lines = f"{method} {path} HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: {len(body)}\\r\\n\\r\\n"
    grant = "touch /run/heatgen-restart" if granted else "rm -f /run/heatgen-restart"
    script.write_text(
        f"{grant}\nprintf '{lines}{body}' | /bin/bash {PROGRAM} fleet-lock | sed 's/\\r$/~/'\n"
    )
    return sandbox.run(script).stdout


def test_fleet_lock(sandbox: Sandbox) -> None:
    """Zincati may always report that it is steady, and restart only when this is granted."""
    assert request(sandbox, "POST", "/v1/steady-state", False).startswith("HTTP/1.1 200 OK~\n")
    assert request(sandbox, "POST", "/v1/pre-reboot", False).startswith("HTTP/1.1 423 ")
    response = request(sandbox, "POST", "/v1/pre-reboot", True)
    assert response.startswith("HTTP/1.1 200 OK~\n")
    head, _, body = response.partition("~\n~\n")
    assert f"Content-Length: {len(body)}" in head
    assert request(sandbox, "GET", "/v1/pre-reboot", True).startswith("HTTP/1.1 404 ")
