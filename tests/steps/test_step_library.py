# SPDX-License-Identifier: Apache-2.0
"""The step library, hot/lib/step.sh: downloads, files and failures."""

from __future__ import annotations

import hashlib
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from .conftest import Ran, Sandbox

PROLOGUE = '#!/bin/bash\nset -euo pipefail\nsource "$HEATGEN_LIB/step.sh"\n'


class Quiet(SimpleHTTPRequestHandler):
    """A file server that does not write to the tests' output."""

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[str]:
    """A mirror on loopback that holds one artifact, ``tool``."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    (folder / "tool").write_text("#!/bin/sh\necho 1.0\n")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def step(sandbox: Sandbox, body: str, **inputs: str) -> Ran:
    """Run a few lines as a step."""
    script = sandbox.folder / "step.sh"
    script.write_text(PROLOGUE + body)
    return sandbox.run(script, **inputs)


def sha256(text: str) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def test_fetch_checks_the_sum_and_links_the_program(sandbox: Sandbox, mirror: str) -> None:
    """A good artifact lands in its versioned folder and can be run by its name."""
    artifact = f"{mirror}/tool {sha256('#!/bin/sh' + chr(10) + 'echo 1.0' + chr(10))}"
    ran = step(
        sandbox, 'program "$ARTIFACT" tool 1.0 tool\n/opt/heatgen/bin/tool', ARTIFACT=artifact
    )
    assert (ran.status, ran.stdout) == (0, "1.0\n"), ran.stderr
    assert sandbox.file("/opt/heatgen/tool/1.0/tool").exists()


def test_a_wrong_sum_stops_the_step(sandbox: Sandbox, mirror: str) -> None:
    """A changed artifact is never run; both sums are named."""
    ran = step(
        sandbox, 'program "$ARTIFACT" tool 1.0 tool\necho on', ARTIFACT=f"{mirror}/tool {'0' * 64}"
    )
    assert ran.status == 1
    assert "on" not in ran.stdout
    assert ran.problem.startswith(
        f"checksum of {mirror}/tool: the lock says {'0' * 64}, the file has "
    )
    assert not sandbox.file("/opt/heatgen/bin/tool").exists()


def test_a_missing_artifact_names_its_url(sandbox: Sandbox, mirror: str) -> None:
    """A 404 is told with URL and status."""
    ran = step(sandbox, 'program "$ARTIFACT" tool 1.0 tool', ARTIFACT=f"{mirror}/none {'0' * 64}")
    assert ran.status == 1
    assert f"cannot fetch {mirror}/none" in ran.problem
    assert "404" in ran.problem


def test_what_a_loss_of_power_cut_short_is_fetched_again(sandbox: Sandbox, mirror: str) -> None:
    """After a boot the cache is read again; what is whole is not fetched again."""
    text = "#!/bin/sh\necho 1.0\n"
    body = """
        program "$ARTIFACT" tool 1.0 tool
        rm -r /run/heatgen-fetched; : >"/opt/heatgen/cache/${ARTIFACT##* }"
        program "$ARTIFACT" tool 1.0 tool; /opt/heatgen/bin/tool
        rm -r /run/heatgen-fetched; curl() { echo "fetched again"; return 1; }
        program "$ARTIFACT" tool 1.0 tool; /opt/heatgen/bin/tool
        """
    ran = step(sandbox, body, ARTIFACT=f"{mirror}/tool {sha256(text)}")
    assert (ran.status, ran.stdout) == (0, "1.0\n1.0\n"), ran.stderr


def test_what_a_loss_of_power_emptied_is_unpacked_again(
    sandbox: Sandbox, mirror: str, tmp_path: Path
) -> None:
    """The folder is left alone while each file has its size."""
    archive = tmp_path / "mirror" / "archive"
    with tarfile.open(archive, "w") as made:
        made.add(tmp_path / "mirror" / "tool", "tool-1.0/tool")
    body = """
        folder=$(unpack "$ARTIFACT" tool 1.0 1)
        touch -d '2026-01-01 UTC' "$folder/tool"; unpack "$ARTIFACT" tool 1.0 1 >/dev/null
        date --reference "$folder/tool" --utc +%F
        for emptied in "$folder/tool" "$folder/.complete"; do
            : >"$emptied"; unpack "$ARTIFACT" tool 1.0 1 >/dev/null; cat "$folder/tool"
        done
        """
    artifact = f"{mirror}/archive {hashlib.sha256(archive.read_bytes()).hexdigest()}"
    ran = step(sandbox, body, ARTIFACT=artifact)
    assert (ran.status, ran.stdout) == (0, "2026-01-01\n" + 2 * "#!/bin/sh\necho 1.0\n"), ran.stderr


def test_two_steps_may_fetch_one_artifact_at_once(sandbox: Sandbox, mirror: str) -> None:
    """Steps run side by side; both get the whole file."""
    artifact = f"{mirror}/tool {sha256('#!/bin/sh' + chr(10) + 'echo 1.0' + chr(10))}"
    body = (
        'fetch "$ARTIFACT" & fetch "$ARTIFACT" & wait -n && wait -n && ls /opt/heatgen/cache/*.part'
    )
    ran = step(sandbox, body, ARTIFACT=artifact)
    assert ran.stdout.count("/opt/heatgen/cache/") == 2


def test_an_unexpected_failure_names_its_command(sandbox: Sandbox) -> None:
    """A command that dies without fail() is still told on stderr."""
    ran = step(sandbox, "true\nls /does/not/exist\necho on")
    assert ran.status != 0
    assert "ls /does/not/exist" in ran.stderr
    assert "on" not in ran.stdout


def test_wait_for_is_bounded_and_says_what_it_saw(sandbox: Sandbox) -> None:
    """A wait that fails names what it waited for, how long, and the last answer."""
    ran = step(
        sandbox, 'not_yet() { echo "still starting"; return 1; }\nwait_for 1 "tea is ready" not_yet'
    )
    assert ran.problem == "tea is ready: not within 1 s: still starting"


def test_install_text_replaces_a_file_whole(sandbox: Sandbox) -> None:
    """Content and mode are as asked, also when the file was there with others."""
    body = 'install_text old $F 0644; install_text "$TEXT" $F 0600; stat -c %a $F'
    ran = step(sandbox, body, F="/etc/heatgen/x", TEXT="new\nlines")
    assert ran.stdout == "600\n"
    assert sandbox.file("/etc/heatgen/x").read_text() == "new\nlines\n"


def test_a_program_is_told_apart_by_its_file_a_text_by_its_content(sandbox: Sandbox) -> None:
    """What start_unit compares: the same text or program is no reason to restart, another is."""
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
    ("started", "said"),
    [
        ("Thu 2026-01-01 13:00:00 UTC", ""),
        ("Thu 2026-01-01 11:00:00 UTC", "restarted\n"),
        ("", "restarted\n"),
    ],
)
def test_a_service_that_came_with_the_boot_is_left_alone(
    sandbox: Sandbox, started: str, said: str
) -> None:
    """What was noted is gone after a boot: its files are older than it, so it runs with them."""
    body = SYSTEMCTL + "start_unit tea /etc/tea/tea.conf"
    assert step(sandbox, body, STARTED=started, TEXT="one").stdout == said


ETCDCTL = """
    mkdir -p /var/lib/heatgen
    printf '%s\\n' 'a control 192.0.2.1' 'b control 192.0.2.2' 'c control 192.0.2.3' \\
        'd worker 192.0.2.4' >/var/lib/heatgen/nodes
    node_address() { echo 192.0.2.1; }
    systemctl() { false; }
    lock_etcdctl() {
        [ "$1" != put ] || echo "marked" >&2
        case $heatgen_others in *$LEARNER*) echo "rpc not supported for learner"; return 1 ;; esac
        case $1 in
            lock)
                : >"$heatgen_lock"
                while [ -e "$heatgen_lock" ] && kill -0 $$ 2>/dev/null; do command sleep 0.1; done
                ;;
            lease) echo "lease 12 granted" ;;
        esac
    }
    """


@pytest.mark.parametrize(
    ("learner", "asked"),
    [("none", "https://192.0.2.2:2379,https://192.0.2.3:2379"), (".2:", "https://192.0.2.3:2379")],
)
def test_turns_are_asked_of_members_that_vote(sandbox: Sandbox, learner: str, asked: str) -> None:
    """A new member that does not vote yet answers no such question, and is not asked."""
    body = ETCDCTL + 'lock_cluster tea; echo "by $heatgen_others"; unlock_cluster'
    ran = step(sandbox, body, LEARNER=learner)
    assert (ran.status, ran.stdout) == (0, f"by {asked}\n"), ran.stderr


def test_without_anybody_who_votes_nobody_waits(sandbox: Sandbox) -> None:
    """There is no turn to take then: the service is started, and it is said."""
    ran = step(sandbox, ETCDCTL + "lock_cluster tea", LEARNER=":2379")
    assert ran.status == 0
    assert ran.stdout.startswith("tea restarts without waiting its turn")


@pytest.mark.parametrize(
    ("runs", "spared", "restarted"),
    [("true", "true", True), ("true", "false", False), ("false", "false", True)],
    ids=["others-serve", "others-do-not", "it-does-not-run-anyway"],
)
def test_what_runs_is_not_restarted_while_it_is_needed(
    sandbox: Sandbox, runs: str, spared: str, restarted: bool
) -> None:
    """A rollout that broke the service on one server does not break it on the next one, too."""
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
    ran = step(sandbox, ETCDCTL + body, LEARNER="none", RUNS=runs, SPARED=spared)
    assert ("started" in ran.stdout) == restarted
    assert (ran.status, ran.problem) == ((0, "") if restarted else (1, "not spared"))
    # Nobody waits for a server that was left alone, and the API's address stays with it.
    assert ("marked" in ran.stderr) == restarted
    assert not sandbox.file("/run/heatgen-tea.rolling").exists()


@pytest.mark.parametrize(
    ("minor", "said"),
    [("37", ""), ("38", ""), ("36", "it is of version 1.36, older than 1.37.2\n")],
)
def test_nothing_starts_before_the_api_is_of_its_version(
    sandbox: Sandbox, minor: str, said: str
) -> None:
    """Of two minor versions the apiserver's is the newer one, or they are the same."""
    body = r"""
        ask() {
            case $1 in
                */readyz) echo ok ;;
                */version) printf '{\n  "major": "1",\n  "minor": "%s",\n' "$MINOR" ;;
            esac
        }
        api_current 1.37.2 ask https://192.0.2.9:6443
        """
    ran = step(sandbox, body, MINOR=minor)
    assert (ran.status, ran.stdout) == (1 if said else 0, said)
