# SPDX-License-Identifier: Apache-2.0
"""A cluster in a closed site: private authorities, a proxy, and a registry that demands a token.

Keystone and Heat have certificates of a private authority; the mirror and the registry, of another
one. Nodes reach the mirror and the registry only through the proxy, and pull with anonymous tokens.
"""

import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.harness import controller, health

NAME = "closed"
LAB = controller.CHECKOUT / "lab"
TLS = controller.STATE / "cloud" / "tls"
CLOUD_AUTHORITY, SITE_AUTHORITY = TLS / "cloud-ca.crt", TLS / "site-ca.crt"
SERVICES = ("site", "heat-api-tls", "proxy", "token-server", "registry-token")
ACCESS_LOG = controller.STATE / "log" / "site-access.log"
PROXY_LOG = controller.STATE / "log" / "proxy.log"
MIRROR, REGISTRY = "https://mirror.lab.test", "https://registry.lab.test"
PROXY = "http://203.0.113.1:3128"
REGION = {"OS_AUTH_URL": "https://203.0.113.1:13000/v3", "OS_REGION_NAME": "RegionTLS"}
TRUST = {"OS_CACERT": str(CLOUD_AUTHORITY), "REQUESTS_CA_BUNDLE": str(SITE_AUTHORITY)}
FAILED, SECONDS = 1, 600


@dataclass(frozen=True)
class Finished:
    """A finished command."""

    status: int
    output: str
    seconds: float


def command(*words: controller.Word, directory: Path, trust: bool = True) -> Finished:
    """Run a command as the user `demo` in the region with TLS, with the authorities if wanted."""
    settings = [f"{name}={value}" for name, value in (REGION | (TRUST if trust else {})).items()]
    began = time.monotonic()
    result = subprocess.run(
        [str(word) for word in (controller.LAB, "shell", "env", *settings, *words)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=directory,
        timeout=controller.SECONDS,
        check=False,
    )
    return Finished(result.returncode, result.stdout, time.monotonic() - began)


def succeed(*words: controller.Word, directory: Path) -> Finished:
    """Run a command as `command` does; it must succeed."""
    finished = command(*words, directory=directory)
    assert finished.status == 0, finished.output[-3000:]
    return finished


@pytest.fixture(scope="module", autouse=True)
def site() -> Iterator[None]:
    """Run the services of the closed site, with new logs."""
    with ExitStack() as cleanup:
        for name in SERVICES:
            controller.run(controller.LAB, "service", "stop", name)
        ACCESS_LOG.unlink(missing_ok=True)
        for name in SERVICES:
            cleanup.callback(controller.run, controller.LAB, "service", "stop", name)
            controller.run(controller.LAB, "service", "start", name)
        yield


def cluster(directory: Path, authorities: tuple[Path, ...], mirror: str = MIRROR) -> Path:
    """Write the cluster of a site, locked: one node with each runtime; return its file.

    Docker is built, because `make demo` does not do so.
    """
    controller.run(LAB / "artifacts" / "build", "--out", controller.STATE)
    spec: dict[str, Any] = yaml.safe_load((LAB / "cluster.yaml").read_text())
    large = yaml.safe_load((LAB / "cluster-ha.yaml").read_text())
    spec["name"] = NAME
    spec["cloud"]["nodes"] = "198.51.100.0/24"
    spec["workers"] = [{"name": "docker", "count": 1, "runtime": "docker"}]
    spec["overrides"]["docker"] = large["overrides"]["docker"]
    spec["artifacts"] |= {"mirror": mirror, "registry": REGISTRY}
    if "apt_mirror" in spec["artifacts"]:
        spec["artifacts"]["apt_mirror"] = f"{MIRROR}/debian"
    spec["site"] = {
        "http_proxy": PROXY,
        "https_proxy": PROXY,
        "ca_certificates": "".join(path.read_text() for path in authorities),
    }
    file = directory / "cluster.yaml"
    file.write_text(yaml.safe_dump(spec))
    succeed("heatgen", "lock", file, directory=directory)
    return file


@contextmanager
def created(file: Path) -> Iterator[Finished]:
    """Create the stack of a cluster, which may fail; delete it at the end."""
    controller.delete(NAME)
    try:
        yield command("heatgen", "create", "--timeout", "15", file, directory=file.parent)
    finally:
        controller.delete(NAME)


def test_a_cluster_is_created_and_healthy(tmp_path: Path) -> None:
    """Nodes use the proxy, trust the authorities and pull with tokens; the suite passes."""
    file = cluster(tmp_path, (CLOUD_AUTHORITY, SITE_AUTHORITY))
    succeed("heatgen", "plan", "--preflight", file, directory=tmp_path)
    with created(file) as creation:
        assert creation.status == 0, creation.output[-3000:]
        print(f"heatgen create succeeded after {creation.seconds:.0f} s")
        check_nodes()
        check_logs()
        check_client(tmp_path)
        health.run_suite(NAME, tmp_path)


def check_nodes() -> None:
    """Check on a node with each runtime that there is no other way out than the proxy."""
    for node in (f"{NAME}-control-0", f"{NAME}-docker-0"):
        resolved = controller.on_node(node, "getent hosts mirror.lab.test", check=False)
        assert not resolved, f"{node} resolves the name of the mirror: {resolved!r}"
        direct = "--noproxy '*' --resolve mirror.lab.test:443:198.18.0.1"
        script = f"curl --silent --connect-timeout 3 {direct} {MIRROR}/; echo $?"
        assert controller.on_node(node, script).split()[-1] == b"28", f"{node} reaches the mirror"


def check_logs() -> None:
    """Check in the logs of the proxy and the servers what nodes and runtimes did."""
    proxied = PROXY_LOG.read_text(errors="replace")
    for url in (MIRROR, REGISTRY):
        assert f"CONNECT {url.removeprefix('https://')}:443 " in proxied
    requests = ACCESS_LOG.read_text(errors="replace").splitlines()
    # The registry denies requests without a token, which both runtimes request as containerd.
    assert any(re.search(r'"GET /token\?\S+ HTTP/1.1" 200 "containerd/', line) for line in requests)
    for runtime in ("containerd/", "docker/"):
        pulled = rf'"GET /v2/\S+/blobs/\S+ HTTP/1.1" 200 "{runtime}'
        assert any(re.search(pulled, line) for line in requests), f"no image for {runtime}"
    package = r':443 \S+ "GET /debian/pool/\S+ HTTP/1.1" 200 "Debian APT'
    assert any(re.search(package, line) for line in requests), "no package by TLS"
    # Agents get tokens of Keystone, poll and signal: all with TLS.
    agents = [line for line in requests if '"Python-urllib/' in line]
    for pattern in (
        r':13000 \S+ "POST /v3/auth/tokens .* 201 ',
        r":13004 .*/metadata .* 200 ",
        r":13004 .*/signal .* 200 ",
    ):
        assert any(re.search(pattern, line) for line in agents), f"no request like {pattern}"


def check_client(directory: Path) -> None:
    """Check commands with the authority of the cloud, and that others name what is missing."""
    shown = succeed("heatgen", "status", NAME, directory=directory)
    assert "CREATE_COMPLETE" in shown.output
    words = ("kubeconfig", NAME, "-o", "kubeconfig")
    without = command("heatgen", *words, directory=directory, trust=False)
    assert without.status == FAILED
    assert "error[tls-failed]: " in without.output
    assert "--os-cacert" in without.output
    assert not (directory / "kubeconfig").exists()
    option = ("--os-cacert", CLOUD_AUTHORITY)
    given = command("heatgen", *words, *option, directory=directory, trust=False)
    assert given.status == 0, given.output


@pytest.mark.parametrize("words", [("create", "cluster.yaml"), ("status", NAME)])
def test_commands_without_the_authority_name_it(tmp_path: Path, words: tuple[str, ...]) -> None:
    """If the client does not trust the cloud, it reports this and the option to use."""
    shutil.copy(LAB / "cluster.yaml", tmp_path)
    controller.inside("heatgen", "lock", "cluster.yaml", directory=tmp_path)
    finished = command("heatgen", *words, directory=tmp_path, trust=False)
    assert finished.status == FAILED
    assert "error[tls-failed]: " in finished.output
    assert "--os-cacert" in finished.output


def failures(file: Path) -> str:
    """Create the stack of a cluster, which must fail in time; return the failures in Heat."""
    with created(file) as creation:
        assert creation.status == FAILED, creation.output[-3000:]
        assert creation.seconds < SECONDS
        print(f"heatgen create failed after {creation.seconds:.0f} s")
        found = controller.failures(NAME)
        assert "os/preflight" in creation.output
        return found


@pytest.mark.long
def test_an_untrusted_mirror_fails_the_preflight(tmp_path: Path) -> None:
    """If the authority of the mirror is missing on nodes, Heat reports step, node and the key."""
    found = failures(cluster(tmp_path, (CLOUD_AUTHORITY,)))
    reason = rf"os/preflight on {NAME}-(control|docker)-0: cannot reach https://\S+\.lab\.test/\S*:"
    assert re.search(rf"{reason} .*certificate.* \(check site\.ca_certificates", found)


@pytest.mark.long
def test_a_refusing_proxy_fails_the_preflight(tmp_path: Path) -> None:
    """If the proxy refuses a port, Heat reports step, node, the URL and the proxy."""
    file = cluster(tmp_path, (CLOUD_AUTHORITY, SITE_AUTHORITY), f"{MIRROR}:8443")
    found = failures(file)
    reason = rf"os/preflight on {NAME}-(control|docker)-0: cannot reach {MIRROR}:8443/\S+:"
    assert re.search(
        rf"{reason} .* \(status 403 of the proxy: check the rules of the proxy {PROXY}, ", found
    )


@pytest.mark.long
def test_an_untrusted_cloud_is_reported_on_the_console(tmp_path: Path) -> None:
    """If nodes do not trust Keystone, they cannot report to Heat; their console has the reason."""
    file = cluster(tmp_path, (SITE_AUTHORITY,))
    template = tmp_path / "generated.yaml"
    succeed("heatgen", "render", file, "-o", template, directory=tmp_path)
    controller.delete(NAME)
    try:
        succeed(
            *("openstack", "stack", "create", "-t", template, "--timeout", "10", NAME),
            directory=tmp_path,
        )
        words = ("openstack", "console", "log", "show", f"{NAME}-control-0")
        line = r"heatgen-agent: cannot poll Heat: .*203\.0\.113\.1:13000: .*site\.ca_certificates"
        controller.wait_for(
            "the console names site.ca_certificates",
            180,
            lambda: re.search(
                line, controller.inside(*words, check=False).decode(errors="replace")
            ),
        )
    finally:
        controller.delete(NAME)
