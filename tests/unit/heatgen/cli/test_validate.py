# SPDX-License-Identifier: Apache-2.0
"""``heatgen validate``."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from heatgen.cli.main import main
from heatgen.project import project
from heatgen.render import heat_limits
from heatgen.yamlio.problems import ProblemsFound

Capture = pytest.CaptureFixture[str]
GROUP = "- {name: g%d, count: 0}\n"


@pytest.fixture
def file(cluster: Path) -> Path:
    """Return a cluster's file without lock and certificate request."""
    for name in ("cluster.lock.yaml", "cluster.admin.csr", "cluster.backup.crt"):
        cluster.with_name(name).unlink()
    return cluster


def groups(count: int) -> str:
    """Return groups of workers."""
    return "workers:\n" + "".join(GROUP % number for number in range(count))


def authorities(folder: Path, count: int) -> str:
    """Return a cluster's section with the certificates of several authorities."""
    # An RSA key of the same size takes seconds to generate.
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    long = ["-addext", f"nsComment={'x' * 800}"]
    command = ["openssl", "req", "-x509", *kind, *long, "-nodes", "-subj", "/CN=a"]
    made = subprocess.run(
        [*command, "-keyout", str(folder / "key")], capture_output=True, text=True, check=True
    )
    lines = (made.stdout * count).splitlines()
    return "site:\n  ca_certificates: |\n" + "".join(f"    {line}\n" for line in lines)


def test_valid(file: Path, capsys: Capture) -> None:
    """A valid file needs no lock, and no file is created."""
    before = sorted(file.parent.iterdir())
    assert main(["validate", str(file)]) == 0
    assert sorted(file.parent.iterdir()) == before


@pytest.mark.parametrize(
    ("text", "code", "hint"),
    [
        ("workers: {count: 119}\n", "heat-limit-exceeded",
         "use at most 118 workers instead of 119, or raise max_resources_per_stack"),
        ("control_plane: {count: 3}\nworkers: {count: 115}\n", "heat-limit-exceeded",
         "at most 113"),
        ("control_plane: {count: 5}\nworkers: {count: 112}\n", "heat-limit-exceeded",
         "at most 110"),
        (groups(60), "heat-limit-exceeded", "groups of workers instead of 60: each takes about"),
        (groups(101), "invalid-length", ""),
        (f"overrides: {{containerd: {{a: {'x' * 600_000}}}}}\n", "heat-limit-exceeded",
         "shorten overrides, which have 6000"),
        ("overrides: {containerd: {x: [1, null]}}\n", "empty-value", "remove the item"),
    ],
)  # fmt: skip
def test_limits(file: Path, capsys: Capture, text: str, code: str, hint: str) -> None:
    """An exceeded limit is reported with place and advice."""
    start = len(file.read_text().splitlines()) + 1
    with file.open("a") as stream:
        stream.write(text)
    assert main(["validate", str(file)]) == 2
    err = capsys.readouterr().err
    assert f"error[{code}]: " in err
    assert hint in err
    place = min(int(line.split(":")[1]) for line in err.splitlines() if "error[" in line)
    assert place >= start


def test_suggested_number_of_groups(file: Path, capsys: Capture) -> None:
    """The number of groups that the advice states fits."""
    text = file.read_text()
    file.write_text(text + groups(60))
    with pytest.raises(ProblemsFound) as found:
        project.check(project.load(file))
    most = int(found.value.problems[0].hint.split("at most ")[1].split()[0])
    file.write_text(text + groups(most))
    project.check(project.load(file))


def test_user_data(file: Path, capsys: Capture) -> None:
    """Certificates of the site are part of the user data, and named in the advice."""
    with file.open("a") as stream:
        stream.write(authorities(file.parent, 20))
    assert main(["validate", str(file)]) == 2
    err = capsys.readouterr().err
    assert "bytes of user data: " in err
    assert f"the limit is {heat_limits.MAX_USER_DATA}" in err
    assert "shorten site.ca_certificates, whose 20 certificates take" in err


def test_raised_limits(file: Path) -> None:
    """With the limits of an operator who has raised them, larger clusters are valid."""
    with file.open("a") as stream:
        stream.write("workers: {count: 200}\nlimits: {max_resources_per_stack: 5000}\n")
    assert main(["validate", str(file)]) == 0


def test_overrides_that_weaken(file: Path, capsys: Capture) -> None:
    """Overrides that weaken a component are noted."""
    with file.open("a") as stream:
        stream.write("overrides: {kubelet: {authorization: {mode: AlwaysAllow}}}\n")
    assert main(["validate", str(file)]) == 0
    assert "note: overrides.kubelet.authorization.mode " in capsys.readouterr().err


def test_plan_reports_limits(cluster: Path, capsys: Capture) -> None:
    """``plan`` prints the plan and exits with 2 if a limit is exceeded."""
    with cluster.open("a") as stream:
        stream.write("workers: {count: 119}\n")
    assert main(["plan", str(cluster)]) == 2
    captured = capsys.readouterr()
    assert "resources of the stack" in captured.out
    assert "error[heat-limit-exceeded]: " in captured.err


def test_several_files(file: Path, capsys: Capture) -> None:
    """All files are validated; one that is not valid is exit code 2."""
    bad = file.with_name("bad.yaml")
    bad.write_text(file.read_text() + "wrkers: {count: 3}\n")
    assert main(["validate", str(bad), str(file), str(file.with_name("none.yaml"))]) == 2
    err = capsys.readouterr().err
    assert f"{bad}:" in err
    assert "error[unknown-key]: " in err
    assert "none.yaml: error[file-not-readable]: " in err
    assert f"{file}: cluster minimal is valid" in err


def test_json(file: Path, capsys: Capture) -> None:
    """The format for programs has code, place and hint of each problem, and notes."""
    bad = file.with_name("bad.yaml")
    bad.write_text(file.read_text() + "wrkers: {count: 3}\n")
    assert main(["validate", str(bad), str(file), "-f", "json"]) == 2
    captured = capsys.readouterr()
    assert captured.err == ""
    problem, note = json.loads(captured.out)
    assert problem.pop("message")
    assert problem == {
        "file": str(bad), "line": len(file.read_text().splitlines()) + 1, "column": 1,
        "severity": "error", "code": "unknown-key", "hint": "did you mean 'workers'?",
    }  # fmt: skip
    assert (note["file"], note["severity"], note["code"]) == (str(file), "note", None)


def test_json_without_secrets(file: Path, capsys: Capture) -> None:
    """The format for programs does not show secrets either."""
    with file.open("a") as stream:
        stream.write('site: {http_proxy: "http://svc:S3cr3t@proxy:3128"}\n')
    assert main(["validate", str(file), "-f", "json"]) == 2
    captured = capsys.readouterr()
    assert "S3cr3t" not in captured.out + captured.err
    assert json.loads(captured.out)[0]["code"] == "secret-in-file"


@pytest.mark.parametrize(("addition", "code"), [("", 0), ("wrkers: {count: 3}\n", 2)])
def test_stdin(
    file: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch, addition: str, code: int
) -> None:
    """A cluster can be read from standard input."""
    content = (file.read_text() + addition).encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    assert main(["validate", "-"]) == code
    assert "<stdin>:" in capsys.readouterr().err


def test_strict(file: Path, capsys: Capture) -> None:
    """With --strict notes are exit code 2."""
    assert main(["validate", str(file)]) == 0
    assert "note: access.api is empty" in capsys.readouterr().err
    assert main(["validate", "--strict", str(file)]) == 2
    with file.open("a") as stream:
        stream.write("access: {api: [198.51.100.0/24]}\n")
    assert main(["validate", "--strict", str(file)]) == 0


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("access: {api: [0.0.0.0/0]}", "access.api has 0.0.0.0/0: "),
        ("access: {ssh: [0.0.0.0/0], ssh_key: k}", "access.ssh has 0.0.0.0/0: "),
        ("site: {no_proxy: [a.example]}", "site.no_proxy has no effect without "),
        ("kvstore: {volume_type: ssd}", "kvstore.volume_type has no effect without "),
        ("control_plane: {availability_zones: [a, b, a]}",
         "control_plane.availability_zones has a 2 times"),
    ],
)  # fmt: skip
def test_notes(file: Path, capsys: Capture, text: str, note: str) -> None:
    """Settings that are valid but rarely intended are noted."""
    with file.open("a") as stream:
        stream.write(f"{text}\n")
    assert main(["validate", str(file)]) == 0
    assert f"note: {note}" in capsys.readouterr().err
