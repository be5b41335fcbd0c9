# SPDX-License-Identifier: Apache-2.0
"""Tests of the resolver file that the step orchestration/node gives to the kubelet."""

from __future__ import annotations

import hashlib
import json

import pytest

from .conftest import HOT, Result, Sandbox

STEP = HOT / "blocks/orchestration/kubernetes/20-node.sh"
FILE, STUB = "/etc/resolv.conf", "/run/systemd/resolve/stub-resolv.conf"
UPLINKS = "/run/systemd/resolve/resolv.conf"
SERVER = "nameserver 192.0.2.2\nsearch example\n"
LOCAL = "# managed by systemd-resolved\nnameserver 127.0.0.53\noptions edns0 trust-ad\n"
PROGRAM = "program"
DIGEST = hashlib.sha256(PROGRAM.encode()).hexdigest()
RESTARTED = "systemctl restart kubelet.service"

# Programs are in the cache, the API server answers, and services are only recorded.
PROLOGUE = f"""
mkdir -p /etc/kubernetes/pki /opt/heatgen/cache /run/heatgen-fetched
mkdir -p /run/stub /run/active /run/systemd/resolve
[ -e /opt/heatgen/cache/{DIGEST} ] || printf %s '{PROGRAM}' >/opt/heatgen/cache/{DIGEST}
touch /run/heatgen-fetched/{DIGEST} /etc/kubernetes/pki/ca.crt
cat >/run/stub/systemctl <<'END'
#!/bin/bash
case $1 in
    is-active) [ -e "/run/active/$3" ] && exit 0 || exit 3 ;;
    restart) touch "/run/active/$2" ;;
esac
echo "systemctl $*"
END
printf '%s\\n' '#!/bin/bash' "echo '\\"minor\\": \\"99\\"'" >/run/stub/curl
printf '%s\\n' '#!/bin/bash' 'echo "192.0.2.1 dev eth0 src 192.0.2.20"' >/run/stub/ip
cat >/run/stub/iptables <<'END'
#!/bin/bash
[ ! -e /run/no-iptables ] || {{ echo "no table nat" >&2; exit 3; }}
END
chmod +x /run/stub/*
export PATH=/run/stub:$PATH
rm -f {FILE} {STUB} {UPLINKS} /run/active/systemd-resolved.service
"""


def write(path: str, text: str) -> str:
    """Return a command that writes a file."""
    return f"cat >{path} <<'END'\n{text}END"


RESOLVED = "touch /run/active/systemd-resolved.service"
STUB_LINK = f"{write(STUB, LOCAL)}\nln -s ../run/systemd/resolve/stub-resolv.conf {FILE}"
KNOWN = write(UPLINKS, SERVER)


def node_step(sandbox: Sandbox, *system: str, proxy: str = "x", **config: str) -> Result:
    """Run the step with this state of the system, kube-proxy's and the kubelet's settings."""
    script = sandbox.folder / "node.sh"
    script.write_text("\n".join(["set -eu", PROLOGUE, *system, f"exec /bin/bash {STEP}"]))
    artifact = f"http://mirror.invalid/program {DIGEST}"
    inputs = dict.fromkeys(
        (
            *("KUBELET_UNIT", "KUBELET_CERTIFICATES", "KUBE_PROXY_UNIT"),
            *("GROUP_LABELS", "GROUP_TAINTS", "TRUST_REVISION", "SIGNING"),
        ),
        "x",
    )
    return sandbox.run(
        script,
        **inputs,
        HEATGEN_STEP="orchestration/node",
        KUBELET_VERSION="1.37.2",
        API_URL="https://192.0.2.9:6443",
        CONTROL_PLANE_ADDRESSES="192.0.2.10,192.0.2.11",
        KUBELET_ARTIFACT=artifact,
        KUBE_PROXY_ARTIFACT=artifact,
        KUBE_PROXY_CONFIG=proxy,
        KUBELET_CONFIG=json.dumps({"kind": "KubeletConfiguration", **config}, indent=2),
    )


def resolv_conf(sandbox: Sandbox, result: Result) -> str | None:
    """Return ``resolvConf`` in the kubelet's configuration; None if it is not set."""
    assert result.status == 0, result.stderr
    config = json.loads(sandbox.file("/etc/kubernetes/kubelet.json").read_text())
    assert config.pop("kind") == "KubeletConfiguration"
    assert set(config) <= {"resolvConf"}
    value = config.get("resolvConf")
    assert value is None or isinstance(value, str)
    return value


@pytest.mark.parametrize(
    "stub",
    [
        pytest.param(STUB_LINK, id="link"),
        pytest.param(write(FILE, LOCAL), id="copy"),
        pytest.param(write(FILE, "nameserver 127.0.0.53\nnameserver 127.0.0.54\n"), id="both"),
    ],
)
def test_stub_is_replaced_by_its_servers(sandbox: Sandbox, stub: str) -> None:
    """Where systemd-resolved's stub is in use, pods use the servers to which it forwards."""
    assert resolv_conf(sandbox, node_step(sandbox, RESOLVED, KNOWN, stub)) == UPLINKS


@pytest.mark.parametrize(
    "state",
    [
        pytest.param([write(FILE, SERVER)], id="file"),
        pytest.param([RESOLVED, KNOWN, write(FILE, SERVER)], id="file-beside-resolved"),
        pytest.param([RESOLVED, KNOWN, f"ln -s {UPLINKS} {FILE}"], id="link-past-the-stub"),
        pytest.param([write(FILE, f"# nameserver 127.0.0.1\n{SERVER}")], id="comment"),
    ],
)
def test_servers_of_the_network_are_kept(sandbox: Sandbox, state: list[str]) -> None:
    """Where /etc/resolv.conf has servers of the network, the configuration does not change."""
    assert resolv_conf(sandbox, node_step(sandbox, *state)) is None


@pytest.mark.parametrize(
    ("file", "server", "state"),
    [
        pytest.param(FILE, "127.0.0.1", [write(FILE, "nameserver 127.0.0.1\n")], id="dnsmasq"),
        pytest.param(FILE, "127.0.0.1", [write(FILE, f"nameserver 127.0.0.1\n{SERVER}")], id="two"),
        pytest.param(FILE, "::1", [write(FILE, f"{SERVER}nameserver ::1\n")], id="ipv6"),
        pytest.param(FILE, "0.0.0.0", [write(FILE, "nameserver 0.0.0.0\n")], id="any"),
        pytest.param(FILE, "127.0.0.53", [KNOWN, STUB_LINK], id="stub-without-resolved"),
        pytest.param(
            UPLINKS,
            "127.0.0.1",
            [RESOLVED, STUB_LINK, write(UPLINKS, "nameserver 127.0.0.1\n")],
            id="dnsmasq-behind-resolved",
        ),
        pytest.param(UPLINKS, "", [RESOLVED, STUB_LINK], id="no-file-of-resolved"),
        pytest.param(
            UPLINKS, "", [RESOLVED, STUB_LINK, write(UPLINKS, "search .\n")], id="no-uplink"
        ),
        pytest.param(
            UPLINKS,
            "",
            [RESOLVED, STUB_LINK, write(UPLINKS, "nameserver fe80::1%eth0\n")],
            id="link-local",
        ),
        pytest.param(FILE, "", [write(FILE, "search example\n")], id="no-server"),
        pytest.param(FILE, "", [], id="no-file"),
    ],
)
def test_servers_that_pods_cannot_use(
    sandbox: Sandbox, file: str, server: str, state: list[str]
) -> None:
    """The step fails and names the file and the local server; the kubelet is not started."""
    result = node_step(sandbox, *state)
    assert result.status == 1
    assert f"{file} " in result.problem
    assert f"name server {server}" in result.problem
    assert ("overrides.kubelet.resolvConf" if server else "cloud.dns") in result.problem
    assert RESTARTED not in result.stdout


@pytest.mark.parametrize(
    "state",
    [
        pytest.param([RESOLVED, KNOWN, STUB_LINK], id="stub"),
        pytest.param([write(FILE, "nameserver 127.0.0.1\n")], id="dnsmasq"),
        pytest.param([], id="no-file"),
    ],
)
def test_override_has_precedence(sandbox: Sandbox, state: list[str]) -> None:
    """The user's ``overrides.kubelet.resolvConf`` is kept, whatever the node's servers are."""
    result = node_step(sandbox, *state, resolvConf="/etc/site/resolv.conf")
    assert resolv_conf(sandbox, result) == "/etc/site/resolv.conf"


def test_step_follows_a_changed_link(sandbox: Sandbox) -> None:
    """If the link is changed, the next run changes the configuration and restarts the kubelet."""
    stub, past = [RESOLVED, KNOWN, STUB_LINK], [RESOLVED, KNOWN, f"ln -s {UPLINKS} {FILE}"]
    for state, expected, restarted in [
        (past, None, True),
        (stub, UPLINKS, True),
        (stub, UPLINKS, False),
        (past, None, True),
        (past, None, False),
    ]:
        result = node_step(sandbox, *state)
        assert resolv_conf(sandbox, result) == expected
        assert (RESTARTED in result.stdout) == restarted
