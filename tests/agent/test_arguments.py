# SPDX-License-Identifier: Apache-2.0
"""No secret and no input is in the arguments of a process: all users of a server can read them."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.agent.simulation import Cloud, Kind, Node, booted, wait_until
from tests.http_server import running

SECRETS = ("hush-server", "hush-deployment", "hush-input", "hush-token", "hush-signature")
PROGRAMS = ("curl", "jq", "env", "setsid", "base64", "tail", "sed", "cmp", "cp", "cat", "mv", "dd")


def command_lines() -> dict[int, str]:
    """Return the arguments of all processes."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found[int(path.parent.name)] = path.read_bytes().replace(b"\0", b" ").decode("latin-1")
        except OSError:
            continue
    return found


@contextmanager
def watched() -> Iterator[set[str]]:
    """Collect the arguments of all processes, as another user would."""
    seen: set[str] = set()
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set():
            seen.update(command_lines().values())
            time.sleep(0.005)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()


def recording(folder: Path) -> Path:
    """Return a directory with programs that record their arguments, and run the real ones."""
    programs = folder / "programs"
    programs.mkdir()
    for name in PROGRAMS:
        program = programs / name
        program.write_text(
            f'#!/bin/sh\nprintf "%s\\n" "{name} $*" >>{folder}/arguments\n'
            f'exec {shutil.which(name)} "$@"\n'
        )
        program.chmod(0o755)
    return programs


def deploy(cloud: Cloud, receiver: Cloud) -> None:
    """Add deployments for both transports, whose inputs are secret."""
    inputs = {
        "WORD": "hush-input",
        "MAP": {"key": "hush-input"},
        "HEATGEN_STEP": "hush-input/step",
        "LONG": "hush-input" * 20_000,
    }
    script = (
        "#!/bin/sh\nsleep 0.3\n"
        'printf %s "$WORD" >"$heat_outputs_path.hush"; echo "$WORD" >&2; exit 1'
    )
    cloud.deploy("token", script, **inputs)
    url = f"{receiver.url}/v1/signal/url/demo?Signature=hush-signature"
    cloud.deploy("signed", script, deploy_signal_id=url, deploy_auth_url="", **inputs)


def run(node: Node, cloud: Cloud, **environ: str) -> None:
    """Run both deployments; a new token is required meanwhile."""
    cloud.token = "hush-token"
    receiver = Cloud()
    with running(receiver), booted(node, **environ):
        deploy(cloud, receiver)
        assert cloud.signal_of("token")["hush"] == "hush-input"
        assert receiver.signal_of("url")["hush"] == "hush-input"
        cloud.rejected_tokens = {f"hush-token-{number}" for number in range(cloud.tokens + 1)}
        tokens = cloud.tokens
        wait_until(lambda: cloud.tokens > tokens)


def test_running_processes(kind: Kind, cloud: Cloud, tmp_path: Path) -> None:
    """While deployments run, no process of the machine has a secret in its arguments."""
    cloud.delay = 0.1  # so that requests are observed
    node = Node(kind, tmp_path, cloud)
    with watched() as seen:
        run(node, cloud)
    lines = "\n".join(seen)
    assert str(node.program) in lines
    assert f"{node.state}/token@id-token" in lines
    if kind.name == "shell":
        assert "curl --disable --config -" in lines
    assert not [secret for secret in SECRETS if secret in lines]


def test_every_program(shell: Kind, cloud: Cloud, tmp_path: Path) -> None:
    """No program that the agent starts has a secret in its arguments, however short it runs."""
    programs = recording(tmp_path)
    run(Node(shell, tmp_path, cloud), cloud, PATH=f"{programs}:{os.environ['PATH']}")
    lines = (tmp_path / "arguments").read_text()
    assert {"curl", "jq", "setsid", "env"} <= {line.split()[0] for line in lines.splitlines()}
    assert not [secret for secret in SECRETS if secret in lines]
