# SPDX-License-Identifier: Apache-2.0
"""The volume of etcd's data, on a loop device: formatted when it is empty, and never again."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from .conftest import HOT, Ran, Sandbox

STEP = HOT / "blocks" / "kvstore" / "etcd" / "05-volume.sh"
VOLUME = "0f4c4ad1-9d3e-4b5c-8f57-2f7a53f0a1b2"

# A /dev with this disk alone, and a systemctl that mounts what the unit says.
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
    """A volume: a file behind a loop device."""

    image: Path
    device: str

    @property
    def digest(self) -> str:
        """Of all its bytes."""
        return hashlib.sha256(self.image.read_bytes()).hexdigest()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """An empty volume, or a skip where there are no loop devices."""
    image = tmp_path / "volume"
    with image.open("wb") as file:
        file.truncate(16 * 1024 * 1024)
    made = subprocess.run(
        ["/usr/sbin/losetup", "--find", "--show", image], capture_output=True, text=True
    )
    if made.returncode != 0:
        pytest.skip(f"no loop device: {made.stderr.strip()}")
    device = made.stdout.strip()
    yield Disk(image, device)
    subprocess.run(["/usr/sbin/losetup", "--detach", device], check=True)


def run(sandbox: Sandbox, disk: Disk, before: str = "", after: str = "") -> Ran:
    """Run the step between two pieces of shell, on a server that has just booted."""
    script = sandbox.folder / "boot.sh"
    script.write_text(f"set -eu\n{PROLOGUE}\n{before}\n/bin/bash {STEP}\n{after}\n")
    return sandbox.run(script, LOOP=disk.device, ETCD_VOLUME=VOLUME)


def test_an_empty_volume_is_formatted_once(sandbox: Sandbox, disk: Disk) -> None:
    """What etcd wrote is there after the step has run again, on the same boot and on the next."""
    again = f"/bin/bash {STEP}\ncat /var/lib/etcd/member"
    first = run(sandbox, disk, after=f"echo kept >/var/lib/etcd/member\n{again}")
    assert first.status == 0, first.stderr
    assert first.stdout.endswith("kept\n")
    next_boot = run(sandbox, disk, after="cat /var/lib/etcd/member; stat -c %U /var/lib/etcd")
    assert next_boot.status == 0, next_boot.stderr
    assert next_boot.stdout.endswith("kept\netcd\n")


def test_the_data_belongs_to_the_user_of_the_server_it_came_to(
    sandbox: Sandbox, disk: Disk
) -> None:
    """A server that takes another's place may have another number for etcd's user."""
    run(sandbox, disk, after="echo kept >/var/lib/etcd/member; chown -R 4711 /var/lib/etcd")
    ran = run(sandbox, disk, after="stat -c %U /var/lib/etcd/member")
    assert ran.stdout.endswith("\netcd\n"), ran.stderr


PARTITIONED = """\
printf '\\125\\252' | dd of=$LOOP bs=1 seek=510 conv=notrunc status=none
printf '\\203' | dd of=$LOOP bs=1 seek=450 conv=notrunc status=none
printf '\\001\\0\\0\\0\\377' | dd of=$LOOP bs=1 seek=454 conv=notrunc status=none
"""


@pytest.mark.parametrize(
    "content", ["mkfs.ext4 -q -L other $LOOP", "mkswap $LOOP >/dev/null", PARTITIONED]
)
def test_a_volume_that_holds_something_is_left_alone(
    sandbox: Sandbox, disk: Disk, content: str
) -> None:
    """The step fails, says what it found, and not a byte is changed."""
    shell = content.replace("$LOOP", disk.device)
    subprocess.run(["/bin/sh", "-c", f"PATH=$PATH:/usr/sbin; {shell}\nsync"], check=True)
    before = disk.digest
    ran = run(sandbox, disk)
    assert ran.status != 0
    assert "holds something else" in ran.problem
    assert disk.digest == before


def test_data_on_the_servers_disk_is_not_hidden(sandbox: Sandbox, disk: Disk) -> None:
    """A volume that is wished for later does not make a member forget what it knows."""
    before = disk.digest
    ran = run(sandbox, disk, before="mkdir /var/lib/etcd/member")
    assert ran.status != 0
    assert "does not move to a volume by itself" in ran.problem
    assert disk.digest == before
