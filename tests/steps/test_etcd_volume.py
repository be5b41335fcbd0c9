# SPDX-License-Identifier: Apache-2.0
"""Tests of the volume for etcd's data, on a loop device: only an empty volume is formatted."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from .conftest import HOT, Result, Sandbox

STEP = HOT / "blocks" / "kvstore" / "etcd" / "05-volume.sh"
VOLUME = "0f4c4ad1-9d3e-4b5c-8f57-2f7a53f0a1b2"

# A /dev that contains only this disk, and a systemctl that mounts according to the unit.
PROLOGUE = r"""
mkdir -p /run/dev /run/stub
mount -t tmpfs dev /run/dev
cp --archive /dev/null /dev/zero /dev/urandom "$LOOP" /run/dev/
ln -s /proc/self/fd /run/dev/fd
mkdir -p /run/dev/disk/by-id
ln -s "$LOOP" "/run/dev/disk/by-id/virtio-${ETCD_VOLUME:0:20}"
mount --move /run/dev /dev
cat >/run/stub/systemctl <<'END'
#!/bin/bash
[ "$1" = start ] || exit 0
value() { sed -n "s/^$1=//p" "/etc/systemd/system/$2"; }
mountpoint -q "$(value Where "$2")" && exit 0
exec mount -t "$(value Type "$2")" "$(value What "$2")" "$(value Where "$2")"
END
chmod +x /run/stub/systemctl
export PATH=/run/stub:$PATH
mkdir -p /var/lib/etcd
"""


@dataclass(frozen=True)
class Disk:
    """A volume: a loop device and its file."""

    image: Path
    device: str

    @property
    def digest(self) -> str:
        """Hash of its content."""
        return hashlib.sha256(self.image.read_bytes()).hexdigest()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """Yield an empty volume; skip the test if loop devices are not available."""
    image = tmp_path / "volume"
    with image.open("wb") as file:
        file.truncate(16 * 1024 * 1024)
    losetup = subprocess.run(
        ["/usr/sbin/losetup", "--find", "--show", image], capture_output=True, text=True
    )
    if losetup.returncode != 0:
        pytest.skip(f"no loop device: {losetup.stderr.strip()}")
    device = losetup.stdout.strip()
    yield Disk(image, device)
    subprocess.run(["/usr/sbin/losetup", "--detach", device], check=True)


def run(sandbox: Sandbox, disk: Disk, before: str = "", after: str = "") -> Result:
    """Run the step on a newly booted server, with shell commands before and after it."""
    script = sandbox.folder / "boot.sh"
    script.write_text(f"set -eu\n{PROLOGUE}\n{before}\n/bin/bash {STEP}\n{after}\n")
    return sandbox.run(script, LOOP=disk.device, ETCD_VOLUME=VOLUME)


def test_empty_volume_is_formatted_once(sandbox: Sandbox, disk: Disk) -> None:
    """Data survive further runs of the step, in the same boot and in the next one."""
    again = f"/bin/bash {STEP}\ncat /var/lib/etcd/member"
    first = run(sandbox, disk, after=f"echo kept >/var/lib/etcd/member\n{again}")
    assert first.status == 0, first.stderr
    assert first.stdout.endswith("kept\n")
    next_boot = run(sandbox, disk, after="cat /var/lib/etcd/member; stat -c %U /var/lib/etcd")
    assert next_boot.status == 0, next_boot.stderr
    assert next_boot.stdout.endswith("kept\netcd\n")


def test_owner_of_data_on_replacement_server(sandbox: Sandbox, disk: Disk) -> None:
    """Data are owned by the user etcd, also if its UID differs on a replacement server."""
    run(sandbox, disk, after="echo kept >/var/lib/etcd/member; chown -R 4711 /var/lib/etcd")
    result = run(sandbox, disk, after="stat -c %U /var/lib/etcd/member")
    assert result.stdout.endswith("\netcd\n"), result.stderr


PARTITIONED = """\
printf '\\125\\252' | dd of=$LOOP bs=1 seek=510 conv=notrunc status=none
printf '\\203' | dd of=$LOOP bs=1 seek=450 conv=notrunc status=none
printf '\\001\\0\\0\\0\\377' | dd of=$LOOP bs=1 seek=454 conv=notrunc status=none
"""


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("mkfs.ext4 -q -L other $LOOP", "LABEL=other"),
        ("mkswap $LOOP >/dev/null", "TYPE=swap"),
        (PARTITIONED, "PTTYPE=dos"),
    ],
    ids=["file-system", "swap", "partitions"],
)
def test_volume_with_content_is_not_changed(
    sandbox: Sandbox, disk: Disk, content: str, found: str
) -> None:
    """A volume with other content is not changed; the reason contains the type."""
    shell = content.replace("$LOOP", disk.device)
    subprocess.run(["/bin/sh", "-c", f"PATH=$PATH:/usr/sbin; {shell}\nsync"], check=True)
    before = disk.digest
    result = run(sandbox, disk)
    assert result.status != 0
    assert found in result.problem
    assert disk.digest == before


def test_data_on_server_disk_is_not_hidden(sandbox: Sandbox, disk: Disk) -> None:
    """A volume that is added later is not mounted over the data of a member."""
    before = disk.digest
    result = run(sandbox, disk, before="mkdir /var/lib/etcd/member")
    assert result.status != 0
    assert "server's disk" in result.problem
    assert disk.digest == before
