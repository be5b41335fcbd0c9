# SPDX-License-Identifier: Apache-2.0
"""``heatgen kubeconfig``."""

import base64
import datetime
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from heatgen.cli import progress_display
from heatgen.cli.main import main
from heatgen.project import admin_key, kubeconfig_file
from heatgen.stack import kubeconfig, kubeconfig_merge
from tests.unit.heatgen.support import pki
from tests.unit.heatgen.support.fake_heat import STACK, Heat

Capture = pytest.CaptureFixture[str]


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


@pytest.fixture
def key(tmp_path: Path, heat: Heat) -> Path:
    """Return the administrator's key of a stack whose outputs belong to it."""
    path = tmp_path / "cluster.admin.key"
    admin_key.admin_request(path, tmp_path / "cluster.admin.csr", "demo")
    heat.outputs = pki.outputs(path.read_bytes(), 7 * pki.DAY)
    return path


def run(key: Path, *options: object) -> int:
    """Run the command for the stack."""
    return main(["kubeconfig", STACK, "--key", str(key), *map(str, options)])


def names(path: Path) -> dict[str, list[str]]:
    """Return the names of the entries in a kubeconfig."""
    config = yaml.safe_load(path.read_text())
    return {part: [item["name"] for item in config[part]] for part in kubeconfig_merge.SECTIONS}


def test_missing_outputs(key: Path, heat: Heat, capsys: Capture) -> None:
    """Missing outputs are reported, and no file is written."""
    heat.outputs = {"api_endpoint": "https://x"}
    target = key.with_name("kubeconfig")
    assert run(key, "-o", target) == 2
    assert "error[invalid-stack-output]: " in capsys.readouterr().err
    heat.status = "CREATE_IN_PROGRESS"
    assert run(key, "-o", target) == 1
    assert "error[stack-not-complete]: " in capsys.readouterr().err
    assert not target.exists()


def test_new_file(key: Path, capsys: Capture) -> None:
    """A new file has mode 0600, and the command shows until when it is valid."""
    target = key.with_name("kubeconfig")
    assert run(key, "-o", target) == 0
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    end = datetime.datetime.now(datetime.UTC) + 7 * pki.DAY
    assert f"valid until {end:%Y-%m-%d }" in capsys.readouterr().err
    assert run(key) == 0
    assert capsys.readouterr().out == target.read_text()


@pytest.mark.parametrize("status", ["UPDATE_IN_PROGRESS", "UPDATE_FAILED", "CHECK_FAILED"])
def test_stack_that_is_not_complete(status: str, key: Path, heat: Heat, capsys: Capture) -> None:
    """While an update runs or after it has failed the kubeconfig is available, with a note."""
    heat.status = status
    assert run(key) == 0
    captured = capsys.readouterr()
    assert f"note: stack demo is {status}" in captured.err
    assert yaml.safe_load(captured.out)["current-context"] == STACK


def test_expired_certificate(key: Path, heat: Heat, capsys: Capture) -> None:
    """An expired certificate is an error; one that expires soon is reported."""
    target = key.with_name("kubeconfig")
    heat.outputs = pki.outputs(key.read_bytes(), -3 * pki.DAY)
    assert run(key, "-o", target) == 1
    err = capsys.readouterr().err
    assert "error[certificate-expired]: " in err
    assert "--renew" in err
    assert not target.exists()
    heat.outputs = pki.outputs(key.read_bytes(), pki.DAY)
    assert run(key, "-o", target) == 0
    assert "note: run 'heatgen kubeconfig demo --renew'" in capsys.readouterr().err


PRODUCTION = """\
apiVersion: v1
kind: Config
preferences: {}
clusters:
- cluster: {server: "https://192.0.2.1:6443", certificate-authority: ca.crt}
  name: production
contexts:
- context: {cluster: production, user: bob, namespace: shop}
  name: production
current-context: production
users:
- name: bob
  user: {token: 0123, exec: {interactiveMode: Never, provideClusterInfo: yes}, since: 2020-01-01}
"""


def test_other_clusters_are_kept(key: Path, capsys: Capture) -> None:
    """Entries of other clusters stay; a second call updates the entries of the first."""
    target = key.with_name("kubeconfig")
    target.write_text(PRODUCTION)
    target.chmod(0o644)
    for _ in range(2):
        assert run(key, "-o", target) == 0
        assert names(target) == {
            "clusters": ["production", "demo"],
            "users": ["bob", "demo-admin"],
            "contexts": ["production", "demo"],
        }
    before, after = yaml.safe_load(PRODUCTION), yaml.safe_load(target.read_text())
    assert after["current-context"] == STACK
    for part in kubeconfig_merge.SECTIONS:
        assert before[part][0] == after[part][0]
    # Scalars stay as they were written.
    for text in ("token: 0123", "provideClusterInfo: yes", "since: 2020-01-01"):
        assert text in target.read_text()
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert [path.name for path in key.parent.glob("kubeconfig*")] == ["kubeconfig"]


def test_symbolic_link(key: Path) -> None:
    """The target of a symbolic link is changed, and the link stays."""
    (key.parent / "real").mkdir()
    real, target = key.parent / "real" / "config", key.with_name("kubeconfig")
    real.write_text(PRODUCTION)
    target.symlink_to("real/config")
    assert run(key, "-o", target) == 0
    assert target.is_symlink()
    assert names(real)["clusters"] == ["production", "demo"]
    assert [path.name for path in real.parent.iterdir()] == ["config"]


def test_own_changes_are_kept(key: Path) -> None:
    """Namespace and proxy that the user added to the entries stay when they are updated."""
    target = key.with_name("kubeconfig")
    assert run(key, "-o", target) == 0
    config = yaml.safe_load(target.read_text())
    config["contexts"][0]["context"]["namespace"] = "shop"
    config["clusters"][0]["cluster"] |= {
        "proxy-url": "socks5://localhost:1080", "insecure-skip-tls-verify": True, "server": "old",
    }  # fmt: skip
    config["users"][0]["user"]["token"] = "old"
    target.write_text(yaml.safe_dump(config))
    assert run(key, "-o", target) == 0
    config = yaml.safe_load(target.read_text())
    assert config["contexts"][0]["context"]["namespace"] == "shop"
    cluster = config["clusters"][0]["cluster"]
    assert sorted(cluster) == ["certificate-authority-data", "proxy-url", "server"]
    assert cluster["server"] == "https://203.0.113.50:6443"
    assert sorted(config["users"][0]["user"]) == ["client-certificate-data", "client-key-data"]


NAMED = "{{clusters: [{clusters}], users: [{users}], contexts: [{contexts}]}}"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("name: demo\ncloud: {image: x}\n", "not-a-kubeconfig"),
        ("-----BEGIN PRIVATE KEY-----\nMHcC\n-----END PRIVATE KEY-----\n", "not-a-kubeconfig"),
        ("heat_template_version: x\n", "not-a-kubeconfig"),
        ("apiVersion: v1\nkind: Pod\n", "not-a-kubeconfig"),
        ("apiVersion: v1\nkind: Config\nclusters: {a: b}\n", "not-a-kubeconfig"),
        ("clusters: [{name: a}]\n", "not-a-kubeconfig"),
        ("clusters: [[]]\n", "not-a-kubeconfig"),
        ("- a\n", "not-a-kubeconfig"),
        ("text", "not-a-kubeconfig"),
        ("{", "not-a-kubeconfig"),
        ("--- {}\n--- {}\n", "not-a-kubeconfig"),
        ("[" * 5000, "not-a-kubeconfig"),
        ("\0\1", "not-a-kubeconfig"),
        ("\udcff", "not-a-kubeconfig"),
        (NAMED.format(clusters="", users="",
                      contexts="{name: demo, context: {cluster: other, user: bob}}"),
         "kubeconfig-conflict"),
        (NAMED.format(clusters="{name: demo, cluster: {server: x}}", users="", contexts=""),
         "kubeconfig-conflict"),
        (NAMED.format(clusters="", users="{name: demo-admin, user: {token: x}}", contexts=""),
         "kubeconfig-conflict"),
    ],
)  # fmt: skip
def test_files_that_are_not_changed(text: str, code: str, key: Path, capsys: Capture) -> None:
    """What is not a kubeconfig, or has entries of others with the same names, is not changed."""
    target = key.with_name("out")
    target.write_bytes(text.encode(errors="surrogateescape"))
    assert run(key, "-o", target) == 2
    err = capsys.readouterr().err
    assert f"error[{code}]: " in err
    assert err.splitlines()[-2].startswith(str(target))
    assert "MHcC" not in err
    assert target.read_bytes() == text.encode(errors="surrogateescape")


@pytest.mark.parametrize("text", ["", "\n", "# empty\n", "null\n", "{}\n", "clusters: null\n",
                                  "apiVersion: v1\nkind: Config\nclusters: []\nx: y\n",
                                  '{"apiVersion":"v1","kind":"Config","users":[]}'])  # fmt: skip
def test_empty_kubeconfigs(text: str, key: Path) -> None:
    """Empty kubeconfigs, as editors and kubectl leave them, are filled."""
    target = key.with_name("kubeconfig")
    target.write_text(text)
    assert run(key, "-o", target) == 0
    assert names(target) == {"clusters": ["demo"], "users": ["demo-admin"], "contexts": ["demo"]}
    assert "{" not in target.read_text().replace("{}", "")


def test_lock_of_kubectl(key: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock of kubectl is respected, and one that a killed heatgen left is removed."""
    monkeypatch.setattr(kubeconfig_file, "WAIT", 0.2)
    target, lock = key.with_name("kubeconfig"), key.with_name("kubeconfig.lock")
    os.close(os.open(lock, os.O_CREAT | os.O_EXCL, 0))
    assert run(key, "-o", target) == 1
    assert f"{lock}: error[file-locked]: " in capsys.readouterr().err
    assert not target.exists()
    lock.unlink()
    killed = (
        "import os, filelock\n"
        f"held = filelock.SoftFileLock({str(lock)!r}).acquire()\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", killed])
    assert lock.exists()
    assert run(key, "-o", target) == 0
    assert not lock.exists()


def test_concurrent_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Concurrent runs for several stacks lose no entries, also through a symbolic link."""
    monkeypatch.setattr(kubeconfig_file, "WAIT", 300)
    path, link = tmp_path / "config", tmp_path / "link"
    path.write_text(PRODUCTION)
    link.symlink_to(path)
    key = pki.pem(pki.AUTHORITY)

    def add(number: int) -> None:
        text = kubeconfig.build(f"c{number}", pki.outputs(key), key)
        kubeconfig_file.add(link if number % 2 else path, text)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(12)))
    assert sorted(names(path)["clusters"]) == sorted(["production", *(f"c{n}" for n in range(12))])
    assert sorted(item.name for item in tmp_path.iterdir()) == ["config", "link"]


@pytest.mark.parametrize("name", [
    "cluster.admin.key", "cluster.admin.csr", "cluster.admin.new.key", "cluster.admin.new.csr",
    "cluster.yaml", "cluster.lock.yaml",
])  # fmt: skip
@pytest.mark.parametrize("options", [[], ["--renew"]])
def test_own_files(name: str, options: list[str], key: Path, capsys: Capture) -> None:
    """A file of the cluster is not overwritten, also if it is empty or does not exist."""
    target = key.with_name(name)
    before = target.read_bytes() if target.exists() else None
    assert run(key, *options, "-o", target) == 2
    assert f"{target}: error[output-is-input]: " in capsys.readouterr().err
    assert (target.read_bytes() if target.exists() else None) == before


def test_renewal(key: Path, heat: Heat, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """The old key is replaced only when the new certificate is issued."""
    target, request_file = key.with_name("kubeconfig"), key.with_name("cluster.admin.csr")
    before = key.read_bytes()
    requests: list[str] = []
    keys: list[bytes] = []
    heat.outputs = {"conformance": {"cluster": "minimal"}}

    def update(name: str, changes: dict[str, str], *_: object) -> None:
        requests.append(changes["admin_request"])
        keys.append(key.read_bytes())

    monkeypatch.setattr(progress_display, "update", update)
    assert run(key, "--renew", "-o", target) == 2
    assert "error[invalid-stack-output]: " in capsys.readouterr().err
    assert key.read_bytes() == before
    new = key.with_name("cluster.admin.new.key").read_bytes()
    heat.outputs = {**pki.outputs(new), "conformance": {"cluster": "minimal"}}
    assert run(key, "--renew", "-o", target) == 0
    assert keys == [before, before]
    assert requests[0] == requests[1] == request_file.read_text()
    assert key.read_bytes() == new != before
    user = yaml.safe_load(target.read_text())["users"][0]["user"]
    assert base64.b64decode(user["client-key-data"]) == new
