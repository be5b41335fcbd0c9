# SPDX-License-Identifier: Apache-2.0
"""The life of a cluster by commands: what is shown, what is asked, and the exit codes."""

import io
import json
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from configparser import ConfigParser
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from heatgen.cli import base, progress_display
from heatgen.cli.main import main
from heatgen.cloud import connection, logs, stack

from .fake_heat import STACK, Heat, serving

ROOT = Path(__file__).resolve().parents[2]
CASE = ROOT / "tests" / "golden" / "cases" / "minimal"
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def heat(monkeypatch: pytest.MonkeyPatch) -> Iterator[Heat]:
    """The cloud that every command asks: one with a Heat and nothing else."""
    monkeypatch.setattr(stack, "PAUSE", 0)
    with serving() as (served, found):
        monkeypatch.setattr(connection.Cloud, "has", lambda *_: False)
        found.connection.compute = SimpleNamespace(servers=list)
        monkeypatch.setattr(connection, "connect", lambda *_: found)
        yield served


@pytest.fixture
def cluster(tmp_path: Path) -> Path:
    """A cluster's folder with lock and request."""
    for name in ("cluster.yaml", "cluster.lock.yaml", "cluster.admin.csr"):
        shutil.copy(CASE / name, tmp_path)
    return tmp_path / "cluster.yaml"


@pytest.fixture
def running(heat: Heat, cluster: Path) -> Heat:
    """A stack of the cluster as it is rendered now."""
    text = (CASE / "generated.yaml").read_text("utf-8")
    heat.template = yaml.load(text, yaml.CSafeLoader)
    heat.parameters = {
        "OS::stack_name": STACK, "OS::stack_id": "x",
        **{name: str(item["default"]) for name, item in heat.template["parameters"].items()},
    }  # fmt: skip
    return heat


def created(heat: Heat, *, well: bool) -> None:
    """Let a creation take its course."""
    heat.there = False
    heat.event(STACK, "CREATE_IN_PROGRESS")
    heat.event("control_0", "CREATE_IN_PROGRESS")
    heat.event("control_0", "CREATE_COMPLETE")
    heat.event("kvstore_start_config", "CREATE_COMPLETE")
    heat.event("kvstore_start_control_0", "CREATE_IN_PROGRESS")
    if well:
        heat.event("1", "CREATE_COMPLETE", "runtime_start_workers")
        heat.event("kvstore_start_control_0", "CREATE_COMPLETE")
        heat.event(STACK, "CREATE_COMPLETE")
    else:
        heat.resource("kvstore_start_control_0", "OS::Heat::SoftwareDeployment", "CREATE_FAILED")
        said = {"deploy_stderr": "no space left", "deploy_status_code": 1}
        heat.deployments["kvstore_start_control_0"] = {
            "status": "FAILED", "status_reason": "problem : disk full", "output_values": said,
        }  # fmt: skip
        heat.event("kvstore_start_control_0", "CREATE_FAILED", reason="disk full")
        heat.event(STACK, "CREATE_FAILED", reason="disk full")


def test_create(heat: Heat, cluster: Path, capsys: Capture) -> None:
    """One line for each event off a terminal, texts left out; then the next command."""
    created(heat, well=True)
    assert main(["create", str(cluster), "--stack", STACK, "--timeout", "7"]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    told = [line.split(" s  ", 1)[1] for line in said.err.splitlines() if " s  " in line]
    assert told == [
        "server on demo-control-0 done",
        "kvstore/start on demo-control-0 ...",
        "runtime/start on demo-worker-1 done",
        "kvstore/start on demo-control-0 done",
    ]
    assert "heatgen kubeconfig demo -o kubeconfig" in said.err
    sent = heat.sent[0][2]
    assert sent["timeout_mins"] == 7
    assert sent["template"] == yaml.safe_load((CASE / "generated.yaml").read_text("utf-8"))


def test_create_that_fails(heat: Heat, cluster: Path, capsys: Capture) -> None:
    """Layer, node, reason, last lines, next command; exit code 1."""
    created(heat, well=False)
    assert main(["create", str(cluster), "--stack", STACK]) == 1
    said = capsys.readouterr().err
    assert "kvstore/start on demo-control-0 FAILED: disk full" in said
    assert "kvstore/start on demo-control-0: problem : disk full\n  | no space left" in said
    assert said.rstrip().endswith("hint: see 'heatgen logs demo'")


def test_dry_run(heat: Heat, cluster: Path, capsys: Capture) -> None:
    """The cloud is only asked what it would do; what it refuses is exit code 1."""
    heat.there = False
    assert main(["create", str(cluster), "--stack", STACK, "--dry-run"]) == 0
    assert [path for _, path, _ in heat.sent] == ["/stacks/preview"]
    heat.refusal = (400, "The Image (debian-12) could not be found.")
    assert main(["create", str(cluster), "--stack", STACK, "--dry-run"]) == 1
    assert "The Image (debian-12) could not be found." in capsys.readouterr().err


def test_create_twice(heat: Heat, cluster: Path, capsys: Capture) -> None:
    """A name that is taken is told before anything is rendered or sent."""
    assert main(["create", str(cluster), "--stack", STACK]) == 1
    assert f"heatgen diff demo {cluster}" in capsys.readouterr().err
    assert heat.sent == []


def test_interrupted(
    heat: Heat, cluster: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C says that the cloud goes on and how to come back; exit code 130."""
    heat.there = False

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(stack, "follow", interrupt)
    assert main(["create", str(cluster), "--stack", STACK]) == 130
    said = capsys.readouterr().err
    assert "the cloud goes on" in said
    assert "heatgen status demo --wait" in said
    assert "heatgen delete demo" in said


def test_board(heat: Heat, cluster: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal the layers are drawn in place, failures stay above them."""
    created(heat, well=False)
    terminal = io.StringIO()
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stderr", terminal)
    assert main(["create", str(cluster), "--stack", STACK]) == 1
    text = terminal.getvalue()
    assert "\x1b[4F\x1b[J" in text  # seconds and three layers
    last = text.rpartition("\x1b[J")[2].splitlines()
    assert last[1].split() == ["cloud", "1/4"]
    assert last[3].split()[:2] == ["kvstore", "0/1"]
    assert text.count("kvstore/start on demo-control-0 FAILED: disk full") == 1


def test_diff_of_the_same(running: Heat, cluster: Path, capsys: Capture) -> None:
    """A stack of this very file: exit code 0 and no rows."""
    assert main(["diff", STACK, str(cluster), "-f", "json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out) == []
    assert "nothing would change" in said.err


def test_diff_in_place(running: Heat, cluster: Path, capsys: Capture) -> None:
    """Another number of workers: exit code 4, and where what runs again."""
    with cluster.open("a") as file:
        file.write("workers: {count: 3}\n")
    assert main(["diff", STACK, str(cluster), "-f", "json"]) == 4
    rows = {(row["Change"], row["What"]): row for row in json.loads(capsys.readouterr().out)}
    assert rows["add", "workers (OS::Nova::Server)"]["Where"] == "demo-worker-2"
    assert rows["run again", "step trust/request"]["Where"] == "demo-worker-2"


def test_diff_with_losses(running: Heat, cluster: Path, capsys: Capture) -> None:
    """Another image rebuilds servers: exit code 5, and it is said loudly."""
    cluster.write_text(cluster.read_text().replace("debian-12", "debian-13"))
    assert main(["diff", STACK, str(cluster)]) == 5
    said = capsys.readouterr().err
    assert "REBUILDS demo-control-0 (OS::Nova::Server): image" in said
    assert "WOULD DESTROY" in said


def test_diff_keeps_what_was_given(running: Heat, cluster: Path, capsys: Capture) -> None:
    """Parameters that the stack was given stay, and that is said."""
    running.given = {"worker_count": "2"}
    running.parameters["worker_count"] = "2"
    with cluster.open("a") as file:
        file.write("workers: {count: 3}\n")
    assert main(["diff", STACK, str(cluster)]) == 0
    assert "worker_count stays 2" in capsys.readouterr().err


def test_diff_makes_no_key(running: Heat, cluster: Path) -> None:
    """Who only looks makes no administrator: the stack's own request is compared with itself."""
    (cluster.parent / "cluster.admin.csr").unlink()
    assert main(["diff", STACK, str(cluster)]) == 0
    assert not list(cluster.parent.glob("*.key"))


def test_status(heat: Heat, capsys: Capture) -> None:
    """Layer by layer; a failed stack is exit code 1 with the reason."""
    heat.resource("network", "OS::Neutron::Net", "CREATE_COMPLETE")
    assert main(["status", STACK, "-f", "json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)[0] == {
        "Layer": "cloud", "Done": 1, "Of": 4, "State": "in progress", "What": "",
    }  # fmt: skip
    assert "CREATE_COMPLETE" in said.err
    created(heat, well=False)
    heat.there, heat.status = True, "CREATE_FAILED"
    assert main(["status", STACK, "-f", "json"]) == 1
    said = capsys.readouterr()
    assert json.loads(said.out)[2]["What"] == "kvstore/start on demo-control-0"
    assert "problem : disk full" in said.err


def test_delete_asks(heat: Heat, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody to ask is an error; another word than the name deletes nothing."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("demo\n"))
    assert main(["delete", STACK]) == 2
    assert "--yes" in capsys.readouterr().err
    terminal = io.StringIO("yes\n")
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stdin", terminal)
    assert main(["delete", STACK]) == 1
    assert "nothing is deleted" in capsys.readouterr().err
    assert heat.sent == []


def test_delete(heat: Heat, capsys: Capture) -> None:
    """What is outside the stack is told first; then it is watched until it is gone."""
    heat.event(STACK, "CREATE_COMPLETE")
    heat.then = [
        lambda: heat.event("control_0", "DELETE_COMPLETE"),
        lambda: setattr(heat, "there", False),
    ]
    assert main(["delete", STACK, "--yes"]) == 0
    said = capsys.readouterr().err
    assert "outside the stack: nothing" in said
    assert "server on demo-control-0 done" in said
    assert said.rstrip().endswith("stack demo: deleted")
    assert [method for method, _, _ in heat.sent] == ["DELETE"]


def test_logs(heat: Heat, tmp_path: Path, capsys: Capture) -> None:
    """A file for each step on each node; a node that cannot be reached is named."""
    created(heat, well=False)
    heat.there = True
    folder = tmp_path / "logs"
    assert main(["logs", STACK, "-o", str(folder), "-f", "json"]) == 0
    file = folder / "demo-control-0" / "kvstore-start.txt"
    said = capsys.readouterr()
    assert json.loads(said.out)[0]["File"] == str(file)
    assert "no journals" in said.err
    text = file.read_text()
    assert "FAILED, exit status 1" in text
    assert "no space left" in text


def test_journals(tmp_path: Path) -> None:
    """Each layer's services are asked for by the command given; what fails is told by node."""
    servers = [stack.Server("a", "1", "192.0.2.1"), stack.Server("b", "2", "192.0.2.2")]
    script = tmp_path / "ssh"
    script.write_text('#!/bin/sh\n[ "$1" = x@192.0.2.1 ] || { echo no route >&2; exit 255; }\n'
                      'shift; echo "$@"\n')  # fmt: skip
    script.chmod(0o755)
    entries = logs.from_nodes(servers, [str(script), "x@%h"], tmp_path)
    assert {(entry.node, bool(entry.file)) for entry in entries} == {("a", True), ("b", False)}
    assert "-u etcd" in (tmp_path / "a" / "kvstore.journal").read_text()
    assert {entry.problem for entry in entries if entry.node == "b"} == {"journal: no route"}


def test_init(tmp_path: Path, capsys: Capture) -> None:
    """The file that is written is good, with its comments and with all that they show."""
    path = tmp_path / "c.yaml"
    words = ["--name", "web", "--workers", "4", "--api", "198.51.100.0/24, 203.0.113.7/32"]
    assert main(["init", str(path), "--yes", *words]) == 0
    data = yaml.safe_load(path.read_text())
    assert (data["name"], data["workers"]["count"]) == ("web", 4)
    assert data["access"]["api"] == ["198.51.100.0/24", "203.0.113.7/32"]
    assert main(["validate", str(path)]) == 0
    path.write_text(path.read_text().replace("#~", ""))
    assert main(["validate", str(path)]) == 0
    assert "cluster web is good" in capsys.readouterr().err
    before = path.read_text()
    assert main(["init", str(path), "--yes"]) == 2
    assert "is there already" in capsys.readouterr().err
    assert path.read_text() == before


def test_init_asks(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal what no option says is asked; an empty answer is the default."""
    terminal = io.StringIO("\npublic-2\n\n\n3\n\n\n")
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stdin", terminal)
    path = tmp_path / "cluster.yaml"
    assert main(["init", str(path)]) == 0
    data = yaml.safe_load(path.read_text())
    assert data["cloud"]["external_network"] == "public-2"
    assert (data["name"], data["control_plane"]["count"]) == ("demo", 3)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--control", "2"], "must be 1, 3 or 5"),
        (["--control", "x"], "must be a number"),
        (["--name", "a: b"], "name"),
        (["--api", "everybody"], "access.api"),
    ],
)
def test_init_with_wrong_answers(words: list[str], reason: str, tmp_path: Path,
                                 capsys: Capture) -> None:  # fmt: skip
    """A wrong answer is told like a wrong file, and no file is written."""
    path = tmp_path / "cluster.yaml"
    assert main(["init", str(path), "--yes", *words]) == 2
    assert reason in capsys.readouterr().err
    assert not path.exists()


def test_graph(cluster: Path, capsys: Capture) -> None:
    """Every step is a box, upper layers are above, and arrows lead to the right."""
    (cluster.parent / "cluster.admin.csr").unlink()
    assert main(["graph", str(cluster)]) == 0
    picture = ET.fromstring(capsys.readouterr().out)
    texts = [item.text for item in picture.iter("{http://www.w3.org/2000/svg}text")]
    layers = ["orchestration", "network", "kvstore", "runtime", "trust", "os"]
    assert [text for text in texts if text in layers] == layers
    for item in picture.iter("{http://www.w3.org/2000/svg}path"):
        if item.get("marker-end"):
            start, *_, end, _ = [float(x) for x in re.findall(r"[0-9.]+", str(item.get("d")))]
            assert start < end
    assert not list(cluster.parent.glob("*.key"))
    assert main(["graph", "-f", "dot", str(cluster)]) == 0
    text = capsys.readouterr().out
    assert '"trust/sign" -> "trust/install";' in text
    # What follows from other arrows is not drawn.
    assert '"trust/request" -> "trust/install";' not in text


def test_help_is_quick() -> None:
    """The list of commands needs none of the libraries that take long to import."""
    program = (
        "import sys; from heatgen.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    slow = {"cryptography", "heatclient", "jsonschema", "openstack", "requests"}
    assert set(done.stderr.split()) & slow == set()
    assert "rotate certificates" in done.stdout


def entry_points() -> dict[str, dict[str, str]]:
    """Groups of entry points as they are declared."""
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    return {
        group: dict(tuple(part.strip() for part in line.split("=", 1))  # type: ignore[misc]
                    for line in text.strip().splitlines())
        for group, text in setup["options.entry_points"].items()
    }  # fmt: skip


def test_every_command_is_also_the_clients() -> None:
    """'openstack kube' has the same commands, of the same classes, and all report alike."""
    found = entry_points()
    ours = found["heatgen.commands"]
    assert found["openstack.kube.v1"] == {f"kube_{name}": place for name, place in ours.items()}
    for place in ours.values():
        module, _, name = place.partition(":")
        assert issubclass(getattr(import_module(module), name), base.Command), place


def test_plugin_is_what_the_client_wants() -> None:
    """The module that python-openstackclient loads names group and version of the commands."""
    plugin: Any = import_module(entry_points()["openstack.cli.extension"]["kube"])
    group = f"openstack.{plugin.API_NAME}.v{plugin.DEFAULT_API_VERSION}"
    assert group in entry_points()
    assert plugin.DEFAULT_API_VERSION in plugin.API_VERSIONS


def test_client_brings_the_cloud(heat: Heat) -> None:
    """Run by the client, a command takes its session and offers no --os-cloud of its own."""
    sdk = connection.connect().connection
    client = SimpleNamespace(client_manager=SimpleNamespace(sdk_connection=sdk))
    command = import_module("heatgen.cli.validate").Validate
    assert not command.auth_required
    asking: Any = import_module("heatgen.cli.status").Status(client, None)
    assert asking.auth_required
    arguments = asking.get_parser("openstack kube status").parse_args([STACK])
    assert not hasattr(arguments, "os_cloud")
    assert asking.cloud(arguments).connection is sdk


def test_lines_are_shown_off_a_terminal() -> None:
    """Pytest's stderr is no terminal: lines, not a board."""
    assert isinstance(progress_display.watch(SimpleNamespace()), progress_display.Lines)  # type: ignore[arg-type]
