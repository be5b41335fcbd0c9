# SPDX-License-Identifier: Apache-2.0
"""``heatgen kubeconfig``."""

from pathlib import Path

import pytest

from heatgen.cli import progress_display
from heatgen.cli.main import main
from heatgen.cloud import connection, stack
from heatgen.cloud.connection import Cloud
from heatgen.project import admin_key
from heatgen.stack import kubeconfig


def test_missing_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A missing key is reported before the cloud is used."""
    assert main(["kubeconfig", "demo", "--key", str(tmp_path / "k")]) == 2
    assert f"{tmp_path / 'k'}: error[file-not-readable]: " in capsys.readouterr().err


def test_missing_credentials(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without credentials the exit code is 1, and the hint names the configuration."""
    monkeypatch.chdir(tmp_path)
    for name in ("OS_CLOUD", "OS_AUTH_URL", "OS_CLIENT_CONFIG_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "k").write_text("key")
    assert main(["kubeconfig", "demo", "--key", "k", "--os-cloud", "nowhere"]) == 1
    err = capsys.readouterr().err
    assert "error[no-credentials]: " in err
    assert "clouds.yaml" in err


def test_missing_outputs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Missing outputs are reported, and no file is written."""
    monkeypatch.setattr(connection, "connect", lambda *_: Cloud(None))
    monkeypatch.setattr(stack, "outputs", lambda *_: {"api_endpoint": "https://x"})
    (tmp_path / "k").write_text("key")
    target = tmp_path / "kubeconfig"
    arguments = ["kubeconfig", "demo", "--key", str(tmp_path / "k"), "-o", str(target)]
    assert main(arguments) == 2
    assert "error[invalid-stack-output]: " in capsys.readouterr().err
    assert not target.exists()


def test_renewal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The old key is replaced only when the new certificate is issued."""
    key, target = tmp_path / "cluster.admin.key", tmp_path / "kubeconfig"
    admin_key.admin_request(key, tmp_path / "cluster.admin.csr", "minimal")
    before = key.read_bytes()
    requests: list[str] = []
    keys: list[bytes] = []
    monkeypatch.setattr(connection, "connect", lambda *_: Cloud(None))
    monkeypatch.setattr(stack, "outputs", lambda *_: {"conformance": {"cluster": "minimal"}})

    def update(name: str, changes: dict[str, str], *_: object) -> None:
        requests.append(changes["admin_request"])
        keys.append(key.read_bytes())

    monkeypatch.setattr(progress_display, "update", update)
    arguments = ["kubeconfig", "demo", "--renew", "--key", str(key), "-o", str(target)]
    assert main(arguments) == 2
    assert "error[invalid-stack-output]: " in capsys.readouterr().err
    assert key.read_bytes() == before
    monkeypatch.setattr(kubeconfig, "build", lambda name, outputs, used: used.decode())
    assert main(arguments) == 0
    assert keys == [before, before]
    assert requests[0] == requests[1] == (tmp_path / "cluster.admin.csr").read_text()
    assert target.read_bytes() == key.read_bytes() != before
