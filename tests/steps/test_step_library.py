# SPDX-License-Identifier: Apache-2.0
"""Tests of the step library, hot/lib: downloads, files, failures, services and rolling restarts."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.http_server import running

from .conftest import Result, Sandbox

PROLOGUE = '#!/bin/bash\nset -euo pipefail\nsource "$HEATGEN_LIB/step.sh"\n'


class QuietHandler(SimpleHTTPRequestHandler):
    """A file server that logs nothing."""

    def log_message(self, format: str, *args: object) -> None:
        """Discard the message."""


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[str]:
    """Yield the URL of a mirror on localhost that contains one artifact, ``tool``."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    (folder / "tool").write_text("#!/bin/sh\necho 1.0\n")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(folder)))
    with running(server) as port:
        yield f"http://127.0.0.1:{port}"


def step(sandbox: Sandbox, body: str, **inputs: str) -> Result:
    """Run a few lines as a step."""
    script = sandbox.folder / "step.sh"
    script.write_text(PROLOGUE + body)
    return sandbox.run(script, **inputs)


def sha256(text: str) -> str:
    """Return the SHA-256 in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def test_program_installs_verified_artifact(sandbox: Sandbox, mirror: str) -> None:
    """A verified artifact is installed in its versioned directory; it is linked only on request."""
    artifact = f"{mirror}/tool {sha256('#!/bin/sh' + chr(10) + 'echo 1.0' + chr(10))}"
    body = """
        file=$(program "$ARTIFACT" tool 1.0 tool) || exit 1
        ls /opt/heatgen/bin
        link_program "$file"
        /opt/heatgen/bin/tool
        """
    result = step(sandbox, body, ARTIFACT=artifact)
    assert (result.status, result.stdout) == (0, "1.0\n"), result.stderr
    assert sandbox.file("/opt/heatgen/tool/1.0/tool").exists()


def test_wrong_checksum_fails(sandbox: Sandbox, mirror: str) -> None:
    """An artifact with a wrong checksum is not installed; the reason has URL and both checksums."""
    result = step(
        sandbox, 'program "$ARTIFACT" tool 1.0 tool\necho on', ARTIFACT=f"{mirror}/tool {'0' * 64}"
    )
    assert result.status == 1
    assert "on" not in result.stdout
    for part in (f"{mirror}/tool", "0" * 64, sha256("#!/bin/sh\necho 1.0\n")):
        assert part in result.problem
    assert not sandbox.file("/opt/heatgen/bin/tool").exists()


def test_missing_artifact_fails(sandbox: Sandbox, mirror: str) -> None:
    """The reason for a missing artifact has its URL and the HTTP status."""
    result = step(
        sandbox, 'program "$ARTIFACT" tool 1.0 tool', ARTIFACT=f"{mirror}/none {'0' * 64}"
    )
    assert result.status == 1
    assert f"{mirror}/none" in result.problem
    assert "404" in result.problem


def test_truncated_download_is_fetched_again(sandbox: Sandbox, mirror: str) -> None:
    """After a boot cached files are verified; only damaged ones are fetched again."""
    text = "#!/bin/sh\necho 1.0\n"
    body = """
        program "$ARTIFACT" tool 1.0 tool >/dev/null
        rm -r /run/heatgen-fetched; : >"/opt/heatgen/cache/${ARTIFACT##* }"
        $(program "$ARTIFACT" tool 1.0 tool)
        rm -r /run/heatgen-fetched; curl() { echo "fetched again"; return 1; }
        $(program "$ARTIFACT" tool 1.0 tool)
        """
    result = step(sandbox, body, ARTIFACT=f"{mirror}/tool {sha256(text)}")
    assert (result.status, result.stdout) == (0, "1.0\n1.0\n"), result.stderr


def test_damaged_directory_is_unpacked_again(sandbox: Sandbox, mirror: str, tmp_path: Path) -> None:
    """An archive is unpacked again only if the size of a file has changed."""
    archive = tmp_path / "mirror" / "archive"
    with tarfile.open(archive, "w") as tar:
        tar.add(tmp_path / "mirror" / "tool", "tool-1.0/tool")
    body = """
        folder=$(unpack "$ARTIFACT" tool 1.0 1)
        touch -d '2026-01-01 UTC' "$folder/tool"; unpack "$ARTIFACT" tool 1.0 1 >/dev/null
        date --reference "$folder/tool" --utc +%F
        for emptied in "$folder/tool" "$folder/.complete"; do
            : >"$emptied"; unpack "$ARTIFACT" tool 1.0 1 >/dev/null; cat "$folder/tool"
        done
        """
    artifact = f"{mirror}/archive {hashlib.sha256(archive.read_bytes()).hexdigest()}"
    result = step(sandbox, body, ARTIFACT=artifact)
    assert (result.status, result.stdout) == (0, "2026-01-01\n" + 2 * "#!/bin/sh\necho 1.0\n"), (
        result.stderr
    )


def test_concurrent_fetches(sandbox: Sandbox, mirror: str) -> None:
    """Two concurrent fetches of one artifact both return the complete file."""
    artifact = f"{mirror}/tool {sha256('#!/bin/sh' + chr(10) + 'echo 1.0' + chr(10))}"
    body = (
        'fetch "$ARTIFACT" & fetch "$ARTIFACT" & wait -n && wait -n && ls /opt/heatgen/cache/*.part'
    )
    result = step(sandbox, body, ARTIFACT=artifact)
    assert result.stdout.count("/opt/heatgen/cache/") == 2


def test_unexpected_failure_reports_command(sandbox: Sandbox) -> None:
    """A command that fails without ``fail`` is reported on stderr."""
    result = step(sandbox, "true\nls /does/not/exist\necho on")
    assert result.status != 0
    assert "ls /does/not/exist" in result.stderr
    assert "on" not in result.stdout


def test_captured_messages_are_those_of_the_command(sandbox: Sandbox) -> None:
    """The report of a failed command is on stderr of the step, not in captured messages."""
    body = """
        show() { ls /does/not/exist; }
        show 2>/run/message &
        wait $! || true
        message=$(show 2>&1) || true
        echo "$message"; cat /run/message
        """
    result = step(sandbox, body)
    line = "ls: cannot access '/does/not/exist': No such file or directory\n"
    assert result.stdout == 2 * line
    assert "exit status 2: ls /does/not/exist" in result.stderr


def test_unreachable_host_is_reported(sandbox: Sandbox) -> None:
    """The reason for a failed download is curl's, with the keys to check."""
    artifact = f"http://mirror.invalid/tool {'0' * 64}"
    result = step(sandbox, 'program "$ARTIFACT" tool 1.0 tool', ARTIFACT=artifact)
    assert "(6) Could not resolve host: mirror.invalid" in result.problem
    assert "cloud.dns" in result.problem


def test_wait_for_times_out(sandbox: Sandbox) -> None:
    """The reason of a timeout has the condition, the limit and the last message."""
    result = step(
        sandbox, 'not_yet() { echo "still starting"; return 1; }\nwait_for 1 "tea is ready" not_yet'
    )
    for part in ("1 s", "tea is ready", ": still starting"):
        assert part in result.problem


def test_install_text_replaces_file(sandbox: Sandbox) -> None:
    """An existing file gets the new content and mode."""
    body = 'install_text old $F 0644; install_text "$TEXT" $F 0600; stat -c %a $F'
    result = step(sandbox, body, F="/etc/heatgen/x", TEXT="new\nlines")
    assert result.stdout == "600\n"
    assert sandbox.file("/etc/heatgen/x").read_text() == "new\nlines\n"


def test_fingerprint(sandbox: Sandbox) -> None:
    """The fingerprint changes with the content of a text and the target of a program's link."""
    body = """
        cd /etc; mkdir -p heatgen; cd heatgen
        echo text >text; echo one >1.0; ln -s 1.0 program
        fingerprint text program
        echo text >again; mv again text; fingerprint text program
        echo other >text; fingerprint text program; echo text >text
        echo two >2.0; ln -sfn 2.0 program; fingerprint text program
        """
    first, same, text_changed, program_changed = step(sandbox, body).stdout.split("\n")[:4]
    assert same == first
    assert len({first, text_changed, program_changed}) == 3


SYSTEMCTL = """
    systemctl() {
        case $1 in
            is-active) true ;;
            show) echo "$STARTED" ;;
            restart) echo "restarted" ;;
        esac
    }
    mkdir -p /etc/systemd/system /etc/tea
    echo unit >/etc/systemd/system/tea.service; echo "$TEXT" >/etc/tea/tea.conf
    touch -d '2026-01-01 12:00:00 UTC' /etc/systemd/system/tea.service /etc/tea/tea.conf
    """


@pytest.mark.parametrize(
    ("started", "stdout"),
    [
        ("Thu 2026-01-01 13:00:00 UTC", ""),
        ("Thu 2026-01-01 11:00:00 UTC", "restarted\n"),
        ("", "restarted\n"),
    ],
    ids=["started-after-change", "started-before-change", "not-started"],
)
def test_service_started_at_boot(sandbox: Sandbox, started: str, stdout: str) -> None:
    """A service started at boot is restarted only if its files are newer than its start."""
    body = SYSTEMCTL + "start_unit tea /etc/tea/tea.conf"
    assert step(sandbox, body, STARTED=started, TEXT="one").stdout == stdout


# Versions 1 and 2 of a program; a restart prints the version that is linked then.
PROGRAM = """
    for version in 1 2; do
        mkdir -p /opt/heatgen/tea/$version
        printf '#!/bin/sh\\necho tea %s\\n' $version >/opt/heatgen/tea/$version/tea
        chmod +x /opt/heatgen/tea/$version/tea
        touch -d '2026-01-01 12:00:00 UTC' /opt/heatgen/tea/$version/tea
    done
    mkdir -p /etc/systemd/system /opt/heatgen/bin
    echo unit >/etc/systemd/system/tea.service
    linked=/opt/heatgen/bin/tea
    systemctl() {
        case $1 in
            is-active) [ -e /run/active ] ;;
            restart) touch /run/active; echo "started $("$linked")" ;;
            show) echo "$STARTED" ;;
        esac
    }
    start() { start_unit tea --link /opt/heatgen/tea/$1/tea "$linked"; }
    """


def test_program_is_linked_at_its_start(sandbox: Sandbox) -> None:
    """A restart follows the link to a new program at once; the same program restarts nothing."""
    body = PROGRAM + "start 1; start 1; start 2; start 2; readlink $linked"
    result = step(sandbox, body, STARTED="")
    expected = "started tea 1\nstarted tea 2\n/opt/heatgen/tea/2/tea\n"
    assert (result.status, result.stdout) == (0, expected), result.stderr


def test_state_of_older_versions(sandbox: Sandbox) -> None:
    """The state that heatgen 0.1 recorded, with the link in place, is the state of now."""
    body = (
        PROGRAM
        + """
        ln -s /opt/heatgen/tea/1/tea $linked; touch /run/active
        { cat /etc/systemd/system/tea.service
            stat --dereference --format '%n %i %s %Y' $linked
        } | openssl dgst -sha256 -r >/run/heatgen-tea.state
        start 1; start 2
        """
    )
    assert step(sandbox, body, STARTED="").stdout == "started tea 2\n"


def test_new_program_after_a_reboot(sandbox: Sandbox) -> None:
    """A service that systemd started at boot, before its new program was linked, is restarted."""
    body = (
        PROGRAM
        + """
        ln -s /opt/heatgen/tea/1/tea $linked; touch /run/active
        touch --no-dereference -d '2026-01-01 12:00:00 UTC' $linked /etc/systemd/system/tea.service
        start 1; echo "nothing new"; start 2
        """
    )
    result = step(sandbox, body, STARTED="Thu 2026-01-01 13:00:00 UTC")
    assert result.stdout == "nothing new\nstarted tea 2\n", result.stderr


def test_missing_program_stops_nothing(sandbox: Sandbox) -> None:
    """If an archive does not contain the program, the running version keeps its link."""
    body = PROGRAM + "start 1; rm /opt/heatgen/tea/2/tea; start 2; echo on"
    result = step(sandbox, body, STARTED="")
    assert (result.status, result.stdout) == (1, "started tea 1\n")
    assert "does not contain the program tea" in result.problem
    assert sandbox.file("/opt/heatgen/bin/tea").readlink() == Path("/opt/heatgen/tea/1/tea")


ETCDCTL = """
    mkdir -p /var/lib/heatgen
    printf '%s\\n' 'a control 192.0.2.1' 'b control 192.0.2.2' 'c control 192.0.2.3' \\
        'd worker 192.0.2.4' >/var/lib/heatgen/nodes
    node_address() { echo 192.0.2.1; }
    systemctl() { false; }
    lock_etcdctl() {
        [ "$1" != put ] || echo "marked" >>/run/marks
        [ "$1" != "${FAILING:-}" ] || { echo "Error: etcdserver: request timed out" >&2; return 1; }
        case $heatgen_others in *$LEARNER*) echo "rpc not supported for learner"; return 1 ;; esac
        case $1 in
            lock)
                : >"$heatgen_lock"
                while [ -e "$heatgen_lock" ] && kill -0 $$ 2>/dev/null; do command sleep 0.1; done
                ;;
            lease) echo "lease 12ab granted with TTL(600s)" ;;
        esac
    }
    """


@pytest.mark.parametrize(
    ("learner", "endpoints"),
    [("none", "https://192.0.2.2:2379,https://192.0.2.3:2379"), (".2:", "https://192.0.2.3:2379")],
    ids=["no-learner", "one-learner"],
)
def test_lock_uses_voting_members(sandbox: Sandbox, learner: str, endpoints: str) -> None:
    """The restart lock is acquired from voting members, not from a learner."""
    body = ETCDCTL + 'lock_cluster tea; echo "by $heatgen_others"; unlock_cluster'
    result = step(sandbox, body, LEARNER=learner)
    assert (result.status, result.stdout) == (0, f"by {endpoints}\n"), result.stderr


@pytest.mark.parametrize("failing", ["lease", "put", "del"])
def test_reason_of_etcd_is_reported(sandbox: Sandbox, failing: str) -> None:
    """If a request for the restart marker fails, the message of etcdctl is part of the problem."""
    body = """
        systemctl() { :; }
        unit_current() { return 1; }
        start_unit() { :; }
        wait_unit() { :; }
        sleep() { :; }
        spare() { :; }
        touch /run/heatgen-tea.state
        roll_unit tea true
        """
    result = step(sandbox, ETCDCTL + body, LEARNER="none", FAILING=failing)
    assert result.status == 1
    assert "tea" in result.problem
    assert result.problem.endswith(": Error: etcdserver: request timed out")


@pytest.mark.parametrize(("failures", "status"), [(2, 0), (1000, 1)])
def test_expired_sessions(sandbox: Sandbox, failures: int, status: int) -> None:
    """If the session of the lock expires, the step tries again; after a while it fails."""
    body = (
        ETCDCTL
        + """
        sleep() { SECONDS=$((SECONDS + ${1%.*})); }
        real=$(declare -f lock_etcdctl)
        eval "held${real#lock}"
        lock_etcdctl() {
            if [ "$1" = lock ] && [ "$(wc -l 2>/dev/null </run/attempts)" -lt $FAILURES ]; then
                echo >>/run/attempts
                echo "Error: mutex: session is expired"
                return 1
            fi
            held_etcdctl "$@"
        }
        touch /run/attempts
        lock_cluster tea
        unlock_cluster
        echo "attempts $(wc -l </run/attempts)"
        """
    )
    result = step(sandbox, body, LEARNER="none", FAILURES=str(failures))
    assert result.status == status, result.stderr
    if status:
        assert result.problem.endswith("Error: mutex: session is expired")
    else:
        assert result.stdout.endswith(f"attempts {failures}\n")


def test_program_is_linked_under_the_lock(sandbox: Sandbox) -> None:
    """While another node restarts the service, a crash on this node starts the old program."""
    body = (
        ETCDCTL
        + PROGRAM
        + """
        start 1
        sleep() { :; }
        spare() { :; }
        wait_unit() { :; }
        lock_cluster() { heatgen_lock=''; [ "$HELD" = no ] || fail "another node holds the lock"; }
        roll_unit tea true --link /opt/heatgen/tea/2/tea "$linked"
        """
    )
    result = step(sandbox, body, STARTED="", HELD="yes")
    assert result.problem == "another node holds the lock"
    assert sandbox.file("/opt/heatgen/bin/tea").readlink() == Path("/opt/heatgen/tea/1/tea")
    result = step(sandbox, body, STARTED="", HELD="no")
    assert (result.status, result.stdout) == (0, "started tea 2\n"), result.stderr


def test_lock_is_skipped_without_voting_members(sandbox: Sandbox) -> None:
    """If no voting member responds, the service may restart, and a warning is printed."""
    result = step(sandbox, ETCDCTL + "lock_cluster tea", LEARNER=":2379")
    assert result.status == 0
    assert "tea without the restart lock" in result.stdout


@pytest.mark.parametrize(
    ("runs", "spared", "restarted"),
    [("true", "true", True), ("true", "false", False), ("false", "false", True)],
    ids=["others-serve", "others-do-not-serve", "not-running"],
)
def test_required_service_is_not_restarted(
    sandbox: Sandbox, runs: str, spared: str, restarted: bool
) -> None:
    """A running service is not restarted while the other nodes cannot serve without it."""
    body = """
        systemctl() { $RUNS; }
        unit_current() { return 1; }
        start_unit() { echo started; }
        wait_for() { shift 2; "$@" || fail "not spared"; }
        wait_unit() { :; }
        sleep() { :; }
        spare() { $SPARED; }
        touch /run/heatgen-tea.state
        roll_unit tea true
        """
    result = step(sandbox, ETCDCTL + body, LEARNER="none", RUNS=runs, SPARED=spared)
    assert ("started" in result.stdout) == restarted
    assert (result.status, result.problem) == ((0, "") if restarted else (1, "not spared"))
    # Without a restart there is no marker in etcd, and the API address does not move.
    assert sandbox.file("/run/marks").exists() == restarted
    assert not sandbox.file("/run/heatgen-tea.rolling").exists()


@pytest.mark.parametrize(
    ("minor", "status"),
    [("37", 0), ("38", 0), ("36", 1)],
    ids=["same", "newer", "older"],
)
def test_api_current(sandbox: Sandbox, minor: str, status: int) -> None:
    """An API server of an older minor version is not accepted; its version is printed."""
    body = r"""
        request() {
            case $1 in
                */readyz) echo ok ;;
                */version) printf '{\n  "major": "1",\n  "minor": "%s",\n' "$MINOR" ;;
            esac
        }
        api_current 1.37.2 request https://192.0.2.9:6443
        """
    result = step(sandbox, body, MINOR=minor)
    assert result.status == status
    assert ("1.36" in result.stdout) == (status == 1)


@pytest.mark.parametrize(
    ("versions", "status", "named"),
    [
        ("37 37 37", 0, ()),
        ("37 38 37", 0, ()),
        ("37 36 37", 1, ("192.0.2.11",)),
        ("37 36 35", 1, ("192.0.2.11", "192.0.2.12")),
        ("37 down 37", 0, ()),
        ("37 down 36", 1, ("192.0.2.12",)),
        ("36 37 37", 1, ("192.0.2.9",)),
        ("down 37 37", 1, ()),
    ],
)
def test_no_api_server_is_older(
    sandbox: Sandbox, versions: str, status: int, named: tuple[str, ...]
) -> None:
    """Every API server that responds must be current; all older ones are named, others skipped."""
    body = r"""
        read -r one two three <<<"$VERSIONS"
        declare -A minor=([192.0.2.9]=$one [192.0.2.10]=$one [192.0.2.11]=$two [192.0.2.12]=$three)
        request() {
            local address=${1#https://}
            address=${address%%:*}
            [ "${minor[$address]}" != down ] || { sleep 0.5; echo "refused" >&2; return 7; }
            case $1 in
                */readyz) echo ok ;;
                */version)
                    printf '{"emulationMinor": "%s",\n "minor": "%s"' "${minor[$address]}"{,}
                    ;;
            esac
        }
        apis_current 1.37.2 request https://192.0.2.9:6443 192.0.2.10,192.0.2.11,192.0.2.12
        """
    result = step(sandbox, body, VERSIONS=versions)
    assert result.status == status, result.stderr
    lines = result.stdout.splitlines()
    assert [line.split()[3] for line in lines] == [f"https://{address}:6443" for address in named]
    assert all(line.endswith("older than 1.37.2") for line in lines)


@pytest.mark.parametrize(
    ("emulated", "behavior", "version", "status"),
    [
        # A kubelet of 1.36 can use an API server that behaves as 1.36; one of 1.37 cannot.
        ("", "36", "1.36.3", 0),
        ("", "36", "1.37.2", 1),
        ("", "37", "1.37.2", 0),
        # Controllers of 1.37 that behave as 1.36 can.
        ("1.36.3", "36", "1.37.2", 0),
        ("1.36.3", "35", "1.37.2", 1),
    ],
)
def test_behavior_of_the_api_server(
    sandbox: Sandbox, emulated: str, behavior: str, version: str, status: int
) -> None:
    """A component is not newer than the version as which an API server behaves."""
    body = r"""
        request() {
            printf '{"minor": "37",\n "emulationMajor": "1", "emulationMinor": "%s"}' "$BEHAVIOR"
        }
        api_current "$VERSION" request https://192.0.2.9:6443
        """
    inputs = {"EMULATED_VERSION": emulated, "BEHAVIOR": behavior, "VERSION": version}
    result = step(sandbox, body, **inputs)
    assert result.status == status, result.stdout
    assert (f"behaves as 1.{behavior}, older than" in result.stdout) == (status == 1)
