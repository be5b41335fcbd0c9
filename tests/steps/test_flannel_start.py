# SPDX-License-Identifier: Apache-2.0
"""Tests of the step network/start: the check of the kernel, and the device of each back end."""

from __future__ import annotations

import pytest

from .conftest import HOT, Result, Sandbox

STEP = HOT / "blocks/network/flannel/20-start.sh"
LEASE = "FLANNEL_NETWORK=10.244.0.0/16\\nFLANNEL_SUBNET=10.244.7.1/24\\nFLANNEL_MTU=1450\\n"
REFUSED = "RTNETLINK answers: Operation not supported"

# Archives are in the cache, devices are files, and services are only recorded.
PROLOGUE = f"""
mkdir -p /opt/heatgen/cache /run/heatgen-fetched /run/stub /run/devices /run/flannel /etc/cni/net.d
mkdir -p /run/archive /opt/cni/bin
for name in flanneld bridge host-local loopback portmap; do
    printf '#!/bin/sh\\n' >/run/archive/$name
done
chmod +x /run/archive/*
tar --create --gzip --sort=name --mtime=@0 --file /run/archive.tgz --directory /run/archive .
sum=$(sha256sum /run/archive.tgz)
cp /run/archive.tgz "/opt/heatgen/cache/${{sum%% *}}"
touch "/run/heatgen-fetched/${{sum%% *}}"
export FLANNEL_ARTIFACT="http://mirror.invalid/archive.tgz ${{sum%% *}}"
export CNI_ARTIFACT=$FLANNEL_ARTIFACT
cat >/run/stub/systemctl <<'END'
#!/bin/bash
[ "$1" != is-active ] || [ "$3" != kubelet.service ] || exit 3 # no pods run here
[ "$1" != is-active ] || exit 0
echo "systemctl $*"
END
cat >/run/stub/ip <<'END'
#!/bin/bash
echo "ip $*" >>/run/ip.log
case "$1 $2" in
    "link show") [ -e "/run/devices/$3" ] ;;
    "link add") [ ! -e /run/no-wireguard ] || {{ echo "{REFUSED}" >&2 && exit 2; }} ;;
    "link delete") [ "$3" = heatgen-wg ] ;;
    *) echo "192.0.2.1 dev eth0 src 192.0.2.20" ;;
esac
END
chmod +x /run/stub/*
printf '{LEASE}' >/run/flannel/subnet.env
echo '{{}}' >/etc/cni/net.d/10-flannel.conflist
export PATH=/run/stub:$PATH
"""


def start(sandbox: Sandbox, backend: str, *system: str, vni: str = "1") -> Result:
    """Run the step with a back end and this state of the system."""
    script = sandbox.folder / "start.sh"
    script.write_text("\n".join(["set -eu", PROLOGUE, *system, f"exec /bin/bash {STEP}"]))
    texts = dict.fromkeys(
        ("FLANNEL_UNIT", "CNI_PROGRAM", "RESYNC_PROGRAM", "RESYNC_UNIT", "METADATA_FILTER",
         "METADATA_UNIT"), "x",
    )  # fmt: skip
    return sandbox.run(
        script,
        **texts,
        HEATGEN_STEP="network/start",
        BACKEND=backend,
        VXLAN_VNI=vni,
        FLANNEL_VERSION="0.28.10",
        CNI_VERSION="1.9.1",
        METADATA_SERVICE="allow",
        CONTROL_PLANE_ADDRESSES="192.0.2.10",
        TRUST_GENERATIONS="1",
        HEATGEN_TIMEOUT="60",
    )


@pytest.mark.parametrize(
    ("backend", "vni", "device"),
    [("vxlan", "1", "flannel.1"), ("vxlan", "42", "flannel.42"), ("wireguard", "1", "flannel-wg")],
)
def test_device(sandbox: Sandbox, backend: str, vni: str, device: str) -> None:
    """The step waits for the device of the back end."""
    result = start(sandbox, backend, f"touch /run/devices/{device}", vni=vni)
    assert result.status == 0, result.stderr
    assert f"ip link show {device}" in sandbox.file("/run/ip.log").read_text().splitlines()
    assert result.stdout.splitlines()[-1].endswith(f"({backend}).")


def test_routes_only(sandbox: Sandbox) -> None:
    """With host-gw there is no device to wait for."""
    result = start(sandbox, "host-gw")
    assert result.status == 0, result.stderr
    assert "link show" not in sandbox.file("/run/ip.log").read_text()


def test_kernel_with_wireguard(sandbox: Sandbox) -> None:
    """The device of the check is deleted; that of a running flanneld is not touched."""
    assert start(sandbox, "wireguard", "(sleep 2; touch /run/devices/flannel-wg) &").status == 0
    log = sandbox.file("/run/ip.log")
    assert "ip link add heatgen-wg type wireguard\nip link delete heatgen-wg\n" in log.read_text()
    log.unlink()
    assert start(sandbox, "wireguard").status == 0
    assert "link add" not in log.read_text()


def test_kernel_without_wireguard(sandbox: Sandbox) -> None:
    """The problem names the kernel, the module and what to do, before anything is installed."""
    result = start(sandbox, "wireguard", "touch /run/no-wireguard")
    assert result.status != 0
    assert "does not support WireGuard (module wireguard: " + REFUSED in result.problem
    assert "network.backend: vxlan" in result.problem
    assert not sandbox.file("/etc/flannel/flanneld.env").exists()
