# SPDX-License-Identifier: Apache-2.0
"""The command line: exit codes, reports, and never a traceback."""

import json
import shutil
import stat
from pathlib import Path

import pytest
import yaml

from heatgen.cli import progress_display
from heatgen.cli.main import main
from heatgen.cloud import connection, stack
from heatgen.cloud.connection import Cloud
from heatgen.project import admin_key
from heatgen.stack import kubeconfig

CASE = Path(__file__).resolve().parents[1] / "golden" / "cases" / "minimal"


@pytest.fixture
def cluster(tmp_path: Path) -> Path:
    """A cluster's folder with lock and request."""
    for name in ("cluster.yaml", "cluster.lock.yaml", "cluster.admin.csr"):
        shutil.copy(CASE / name, tmp_path)
    return tmp_path / "cluster.yaml"


def test_render_to_stdout(cluster: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The template goes to stdout, and nothing else does."""
    assert main(["render", str(cluster)]) == 0
    assert capsys.readouterr().out == (CASE / "generated.yaml").read_text()


def test_render_to_file(cluster: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With -o the file is written and stdout stays empty."""
    target = cluster.with_name("out.yaml")
    assert main(["render", str(cluster), "-o", str(target)]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert "bytes" in said.err
    assert target.read_text() == (CASE / "generated.yaml").read_text()


def test_render_tells_what_is_rarely_meant(
    cluster: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A cluster that nobody can reach is rendered, and that is said."""
    assert main(["render", str(cluster)]) == 0
    assert "access.api is empty" in capsys.readouterr().err
    with cluster.open("a") as file:
        file.write("access: {api: [198.51.100.0/24]}\n")
    assert main(["render", str(cluster)]) == 0
    assert "note:" not in capsys.readouterr().err


def test_plan(cluster: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The plan is shown as a table, or as JSON or YAML; no key is made for it."""
    cluster.with_name("cluster.admin.csr").unlink()
    before = sorted(cluster.parent.iterdir())
    assert main(["plan", str(cluster)]) == 0
    assert "STACK-control-0" in capsys.readouterr().out
    assert main(["plan", str(cluster), "-f", "json"]) == 0
    as_json = json.loads(capsys.readouterr().out)
    assert as_json["networks"]["DNS"] == "10.96.0.10"
    assert main(["plan", str(cluster), "-f", "yaml"]) == 0
    assert yaml.safe_load(capsys.readouterr().out) == as_json
    assert sorted(cluster.parent.iterdir()) == before


def test_plan_without_lock(cluster: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is missing is named, and how to get it."""
    cluster.with_name("cluster.lock.yaml").unlink()
    assert main(["plan", str(cluster)]) == 2
    assert "run 'heatgen lock" in capsys.readouterr().err


def test_render_makes_the_key(cluster: Path) -> None:
    """Without a request, key and request are made beside the cluster's file."""
    cluster.with_name("cluster.admin.csr").unlink()
    assert main(["render", str(cluster), "-o", str(cluster.with_name("o"))]) == 0
    key = cluster.with_name("cluster.admin.key")
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: path.unlink(), "no such file or directory"),
        (lambda path: (path.unlink(), path.mkdir()), "is a directory"),
        (lambda path: path.write_text(""), "must be a mapping"),
        (lambda path: path.write_text("{"), "is not YAML"),
        (lambda path: path.write_text("- a"), "must be a mapping, not a list"),
        (lambda path: path.write_bytes(b"\xff\xfe"), "is not UTF-8"),
        (lambda path: path.write_text("nmae: x"), "nmae is not known here"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("command", ["render", "lock", "validate", "graph", "create"])
def test_bad_files(command: str, make: object, reason: str, cluster: Path,
                   capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    """Whatever lies there instead of a cluster's file: exit code 2 and one reason, named."""
    assert callable(make)
    make(cluster)
    assert main([command, str(cluster)]) == 2
    said = capsys.readouterr()
    assert reason in said.err
    assert str(cluster) in said.err
    assert "Traceback" not in said.err
    assert said.out == ""


def test_output_that_cannot_be_written(cluster: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that is not there is told, not traced."""
    assert main(["render", str(cluster), "-o", str(cluster.parent / "no" / "o")]) == 2
    assert "no such file or directory" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["rendr"], ["render"], ["render", "a", "b"], ["--nope"]])
def test_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong usage is exit code 2."""
    try:
        code: object = main(arguments)
    except SystemExit as left:
        code = left.code
    assert code == 2
    assert "Traceback" not in capsys.readouterr().err


def test_kubeconfig_without_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The key is asked for before the cloud is."""
    assert main(["kubeconfig", "demo", "--key", str(tmp_path / "k")]) == 2
    assert "no such file" in capsys.readouterr().err


def test_kubeconfig_without_cloud(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without credentials: exit code 1 and what to set."""
    monkeypatch.chdir(tmp_path)
    for name in ("OS_CLOUD", "OS_AUTH_URL", "OS_CLIENT_CONFIG_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "k").write_text("key")
    assert main(["kubeconfig", "demo", "--key", "k", "--os-cloud", "nowhere"]) == 1
    assert "clouds.yaml" in capsys.readouterr().err


def test_kubeconfig_that_does_not_fit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outputs and a key that do not belong together are told, and no file is written."""
    monkeypatch.setattr(connection, "connect", lambda *_: Cloud(None))
    monkeypatch.setattr(stack, "outputs", lambda *_: {"api_endpoint": "https://x"})
    (tmp_path / "k").write_text("key")
    target = tmp_path / "kubeconfig"
    arguments = ["kubeconfig", "demo", "--key", str(tmp_path / "k"), "-o", str(target)]
    assert main(arguments) == 2
    assert "is it complete?" in capsys.readouterr().err
    assert not target.exists()


class Stack:
    """What a stack's cluster agreed on, in the place of the cloud."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.agreed = {"certificates_generation": "1", "authority_generations": "1"}
        self.updates: list[dict[str, str]] = []
        self.deaf = False
        monkeypatch.setattr(connection, "connect", lambda *_: Cloud(None))
        monkeypatch.setattr(stack, "outputs", lambda *_: dict(self.agreed))
        monkeypatch.setattr(progress_display, "update", self.update)

    def update(self, name: str, changes: dict[str, str], *_: object) -> None:
        """Take an update."""
        self.updates.append(changes)
        if not self.deaf:
            self.agreed |= changes


def test_rotate_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    """One update with a larger generation."""
    cluster = Stack(monkeypatch)
    assert main(["rotate", "certificates", "demo"]) == 0
    assert cluster.updates == [{"certificates_generation": "2"}]


def test_rotate_authorities(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two calls replace an authority; between them people are told what to do."""
    cluster = Stack(monkeypatch)
    assert main(["rotate", "authorities", "demo"]) == 0
    assert "then run the same command again" in capsys.readouterr().err
    assert main(["rotate", "authorities", "demo"]) == 0
    said = capsys.readouterr().err
    assert "not trusted any more" in said
    assert "heatgen kubeconfig demo" in said
    sent = [changes["authority_generations"] for changes in cluster.updates]
    assert sent == ["1,2", "2,1", "2"]


@pytest.mark.parametrize("what", ["certificates", "authorities"])
def test_rotation_without_effect(
    what: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An update that leaves the cluster as it was is no success, and nothing follows it."""
    cluster = Stack(monkeypatch)
    cluster.deaf = True
    assert main(["rotate", what, "demo"]) == 1
    assert "is '1', not '" in capsys.readouterr().err
    assert len(cluster.updates) == 1


def test_rotation_of_an_older_stack(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A stack of a template that cannot rotate is told what it needs."""
    Stack(monkeypatch).agreed.clear()
    assert main(["rotate", "certificates", "demo"]) == 1
    assert "with a template of this heatgen" in capsys.readouterr().err


def test_rotation_that_takes_too_long(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wait that ends without an end is exit code 3."""
    cluster = Stack(monkeypatch)

    def late(*_: object) -> None:
        raise TimeoutError("stack 'demo' is UPDATE_IN_PROGRESS after 60 s")

    monkeypatch.setattr(progress_display, "update", late)
    assert main(["rotate", "certificates", "demo", "--timeout", "1"]) == 3
    assert "timed out: stack 'demo'" in capsys.readouterr().err
    assert cluster.updates == []


def test_renewed_kubeconfig(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A new key is certified; only then it takes the old one's place."""
    key, target = tmp_path / "cluster.admin.key", tmp_path / "kubeconfig"
    admin_key.admin_request(key, tmp_path / "cluster.admin.csr", "minimal")
    before = key.read_bytes()
    sent: list[str] = []
    kept: list[bytes] = []
    monkeypatch.setattr(connection, "connect", lambda *_: Cloud(None))
    monkeypatch.setattr(stack, "outputs", lambda *_: {"conformance": {"cluster": "minimal"}})

    def update(name: str, changes: dict[str, str], *_: object) -> None:
        sent.append(changes["admin_request"])
        kept.append(key.read_bytes())

    monkeypatch.setattr(progress_display, "update", update)
    arguments = ["kubeconfig", "demo", "--renew", "--key", str(key), "-o", str(target)]
    assert main(arguments) == 2
    assert "is it complete?" in capsys.readouterr().err
    assert key.read_bytes() == before
    monkeypatch.setattr(kubeconfig, "build", lambda name, outputs, used: used.decode())
    assert main(arguments) == 0
    assert kept == [before, before]
    assert sent[0] == sent[1] == (tmp_path / "cluster.admin.csr").read_text()
    assert target.read_bytes() == key.read_bytes() != before


def test_faults_of_our_own(
    cluster: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even a fault of heatgen's own is one line, unless --debug asks for more."""

    def broken(*_: object) -> None:
        raise RuntimeError("oops")

    monkeypatch.setattr("heatgen.project.project.load", broken)
    assert main(["render", str(cluster)]) == 1
    said = capsys.readouterr().err
    assert "RuntimeError: oops" in said
    assert "--debug" in said
    assert "Traceback" not in said


def test_block_lint(capsys: pytest.CaptureFixture[str]) -> None:
    """The installed blocks are good."""
    assert main(["block", "lint"]) == 0
    assert "blocks are good" in capsys.readouterr().err
