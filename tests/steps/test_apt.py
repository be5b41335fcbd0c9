# SPDX-License-Identifier: Apache-2.0
"""Tests of packages on a node: the mirror of the site, and the installation with apt."""

from __future__ import annotations

import platform
import subprocess
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from .conftest import HERE, Result, Sandbox
from .test_site import closed_port, preflight, proxy, upstream  # noqa: F401

SOURCES = "/etc/heatgen/apt/mirror.sources"
OPTIONS = "/etc/apt/apt.conf.d/90heatgen-mirror"
FOUND: tuple[int, dict[str, str]] = (200, {})
RELEASE = platform.freedesktop_os_release()
SUITE = RELEASE.get("VERSION_CODENAME", "")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
TARGETS = ["apt-get", "indextargets", "--no-release-info", "--format"]
TARGETS += ["$(REPO_URI) $(RELEASE)", "Created-By: Packages"]


def suites(folder: str, *names: str) -> dict[str, tuple[int, dict[str, str]]]:
    """Return the responses of a mirror for its suites."""
    return {f"{folder}/dists/{name}/InRelease": FOUND for name in names}


def apt_reads(sandbox: Sandbox) -> list[str]:
    """Return the sources, "URL SUITE", that the real apt-get of this machine uses on the node."""
    command: list[str | Path] = [HERE / "sandbox.sh", sandbox.folder / "system", *TARGETS]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return list(dict.fromkeys(done.stdout.splitlines()))


@pytest.fixture(autouse=True)
def debian() -> None:
    """Skip tests of a mirror on machines with another distribution, whose suites differ."""
    if RELEASE.get("ID") != "debian" or not Path(KEYRING).exists():
        pytest.skip("not Debian")


def test_apt_uses_only_the_mirror(sandbox: Sandbox, proxy: ThreadingHTTPServer) -> None:  # noqa: F811
    """With a mirror apt reads its suites only; without one again the sources of the image."""
    before = apt_reads(sandbox)
    found = suites("/debian", SUITE, f"{SUITE}-updates") | suites(
        "/debian-security", f"{SUITE}-security"
    )
    with upstream(found) as host:
        mirror = f"http://{host}/debian"
        result = preflight(sandbox, proxy, APT_MIRROR=mirror)
        assert result.status == 0, result.stderr
        assert apt_reads(sandbox) == [
            f"{mirror}/ {SUITE}",
            f"{mirror}/ {SUITE}-updates",
            f"{mirror}-security/ {SUITE}-security",
        ]
        assert sandbox.file(SOURCES).read_text().count(f"Signed-By: {KEYRING}") == 2
    assert "security" not in result.stdout
    without = preflight(sandbox, proxy)
    assert without.status == 0, without.stderr
    assert apt_reads(sandbox) == before


def test_security_updates_in_the_same_archive(
    sandbox: Sandbox,
    proxy: ThreadingHTTPServer,  # noqa: F811
) -> None:
    """A mirror may have the suite of security updates beside the others."""
    with upstream(suites("", SUITE, f"{SUITE}-security")) as host:
        result = preflight(sandbox, proxy, APT_MIRROR=f"http://{host}")
        assert result.status == 0, result.stderr
        assert apt_reads(sandbox) == [
            f"http://{host}/ {SUITE}",
            f"http://{host}/ {SUITE}-security",
        ]


def test_mirror_without_security_updates(sandbox: Sandbox, proxy: ThreadingHTTPServer) -> None:  # noqa: F811
    """A mirror without security updates is accepted; the message of the step reports it."""
    with upstream(suites("/debian", SUITE)) as host:
        result = preflight(sandbox, proxy, APT_MIRROR=f"http://{host}/debian")
    assert result.status == 0, result.stderr
    assert "has no security updates" in result.stdout
    assert apt_reads(sandbox) == [f"http://{host}/debian/ {SUITE}"]


@pytest.mark.parametrize(
    ("replies", "reason"),
    [
        ({}, f"has no file dists/{SUITE}/InRelease"),
        (suites("/debian", "potato"), f"has no file dists/{SUITE}/InRelease"),
        ({f"/debian/dists/{SUITE}/InRelease": (503, {})}, "status 503"),
        ({f"/debian/dists/{SUITE}/InRelease": (407, {})}, "status 407"),
    ],
)
def test_unusable_mirror(
    sandbox: Sandbox,
    proxy: ThreadingHTTPServer,  # noqa: F811
    replies: dict[str, tuple[int, dict[str, str]]],
    reason: str,
) -> None:
    """A mirror without the release of the image ends the step, before anything is changed."""
    with upstream(replies) as host:
        result = preflight(sandbox, proxy, APT_MIRROR=f"http://{host}/debian")
    assert result.status == 1
    assert "artifacts.apt_mirror" in result.problem
    assert reason in result.problem
    assert not sandbox.file(OPTIONS).exists()


def test_unreachable_mirror(sandbox: Sandbox, proxy: ThreadingHTTPServer) -> None:  # noqa: F811
    """The reason of an unreachable mirror is curl's."""
    url = f"http://localhost:{closed_port()}/debian"
    result = preflight(sandbox, proxy, APT_MIRROR=url)
    assert result.problem.startswith(f"cannot reach {url}/dists/{SUITE}/InRelease: (7) ")


def test_mirror_is_reached_through_the_proxy(
    sandbox: Sandbox,
    proxy: ThreadingHTTPServer,  # noqa: F811
) -> None:
    """The mirror is requested through the proxy of the site, also by automatic updates."""
    lines = f"http_proxy=http://127.0.0.1:{proxy.server_address[1]}\nno_proxy=localhost"
    result = preflight(sandbox, proxy, SITE_PROXY=lines, APT_MIRROR="http://mirror.invalid/debian")
    assert result.status == 0, result.stderr
    requested = proxy.requested  # type: ignore[attr-defined]
    assert f"http://mirror.invalid/debian/dists/{SUITE}/InRelease" in requested
    for unit in ("apt-daily", "apt-daily-upgrade"):
        drop_in = sandbox.file(f"/etc/systemd/system/{unit}.service.d/heatgen-proxy.conf")
        assert "/etc/heatgen/proxy.env" in drop_in.read_text()
        assert f"try-restart {unit}" not in result.stdout


# An apt-get that fails with the messages in the files 1, 2, ... of a directory, then succeeds.
APT = r"""
mkdir -p /run/stub
cat >/run/stub/apt-get <<'END'
#!/bin/bash
echo "${NEEDRESTART_SUSPEND:-} ${DEBIAN_FRONTEND:-} ${http_proxy:-} $*" >>/run/stub/calls
case " $* " in *" update "*) ! [ -e /run/stub/warning ] || cat /run/stub/warning >&2; exit 0;; esac
message=$(ls /run/stub/messages/* 2>/dev/null | sed -n 1p)
[ -n "$message" ] || exit 0
cat "$message" >&2
[[ $message == *always ]] || rm "$message"
exit 100
END
printf '#!/bin/bash\necho "dpkg $*" >>/run/stub/calls\n' >/run/stub/dpkg
chmod +x /run/stub/*
export PATH=/run/stub:$PATH
mkdir -p /run/stub/messages
source "$HEATGEN_LIB/step.sh"
"""
LOCKED = "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 7 (apt-get)"
FRONTEND = "dpkg: error: dpkg frontend lock was locked by another process with pid 8"
INTERRUPTED = "E: dpkg was interrupted, you must manually run 'dpkg --configure -a'"
LISTS = "E: Could not open file /var/lib/apt/lists/a_Packages - open (2: No such file or directory)"
CORRUPTED = "E: The package cache file is corrupted"
NOT_FOUND = "E: Unable to locate package tool"
NO_NAME = "W: Failed to fetch http://a.invalid/InRelease  Could not resolve 'a.invalid'"


def install(sandbox: Sandbox, body: str) -> Result:
    """Run ``install_packages tool`` with an apt-get that fails in a given way."""
    script = sandbox.folder / "step.sh"
    script.write_text(
        f"set -euo pipefail\n{APT}\n{body}\ninstall_packages tool\ncat /run/stub/calls"
    )
    return sandbox.run(script)


def test_installation_waits_for_other_updates(sandbox: Sandbox) -> None:
    """A lock of the automatic updates is waited for; an interrupted installation is finished."""
    messages = enumerate((LOCKED, FRONTEND, INTERRUPTED))
    files = [f"echo {text!r} >/run/stub/messages/{number}" for number, text in messages]
    files = [line.replace("'dpkg --configure -a'", "dpkg") for line in files]
    proxy_file = "mkdir -p /etc/heatgen; echo http_proxy=http://p.invalid:1 >/etc/heatgen/proxy.env"
    result = install(sandbox, "\n".join([*files, proxy_file]))
    assert result.status == 0, result.stderr
    calls = result.stdout.splitlines()
    assert calls.count("dpkg --configure -a") == 1
    installs = [call for call in calls if call.endswith("--no-install-recommends tool")]
    assert len(installs) == 4
    assert all(call.startswith("1 noninteractive http://p.invalid:1 ") for call in installs)


@pytest.mark.parametrize("message", [LISTS, CORRUPTED])
def test_installation_is_repeated_when_another_update_replaced_the_lists(
    sandbox: Sandbox, message: str
) -> None:
    """apt-daily replaces lists while apt-get reads them; no lock prevents it."""
    result = install(sandbox, f"echo '{message}' >/run/stub/messages/1")
    assert result.status == 0, result.stderr
    installs = [call for call in result.stdout.splitlines() if call.endswith(" tool")]
    assert len(installs) == 2
    assert all(" -o Dir::Cache::pkgcache= " in call for call in installs)


def test_failed_installation_reports_the_first_errors(sandbox: Sandbox) -> None:
    """Not only apt-get's last line, which may be a consequence of the first."""
    lines = f"{NOT_FOUND}\nE: second\nE: third\nE: fourth"
    result = install(sandbox, f"printf '{lines}\n' >/run/stub/messages/always")
    assert result.status == 1
    assert f"{NOT_FOUND}; E: second; E: third." in result.problem


def test_failed_installation_reports_the_cause(sandbox: Sandbox) -> None:
    """The message has the list that could not be fetched, and not only its consequence."""
    result = install(
        sandbox,
        f'echo "{NO_NAME}" >/run/stub/warning; echo "{NOT_FOUND}" >/run/stub/messages/always',
    )
    assert result.status == 1
    assert NO_NAME in result.problem
    assert NOT_FOUND in result.problem
    assert "artifacts.apt_mirror" in result.problem
