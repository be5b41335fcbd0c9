# SPDX-License-Identifier: Apache-2.0
"""The real Ignition, of Debian's package ``ignition``: its validator and engine, in a folder."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# A folder in which the package is unpacked, instead of the root of this machine.
PACKAGE = Path(os.environ.get("HEATGEN_IGNITION", "/"))
VALIDATE = PACKAGE / "usr/bin/ignition-validate"
ENGINE = PACKAGE / "usr/lib/dracut/modules.d/30ignition/ignition"
ADDRESS = "169.254.169.254"
STAGES = ("fetch-offline", "fetch", "files")

# Stages "disks" and "mount" are for real disks. /run belongs to the engine.
_RUN = f"""\
set -eu
mount -t tmpfs tmpfs /run
ip link set lo up
ip address add {ADDRESS}/32 dev lo
"$1" -m http.server 80 --bind {ADDRESS} --directory "$2" >/dev/null 2>&1 &
for stage in {" ".join(STAGES)}; do
    timeout 60 "$3" --platform openstack --stage "$stage" --root "$4" --log-to-stdout
done
"""
# Debian's engine labels what it wrote. The names arrive on standard input, separated by NUL.
_SETFILES = """\
#!/bin/sh
tr '\\0' '\\n' >>"${0%/*}/labeled"
"""


def validators() -> list[Path]:
    """Return the validators: Debian's, and other versions, by paths in an environment variable."""
    others = os.environ.get("HEATGEN_IGNITION_VALIDATE", "")
    return [VALIDATE, *(Path(path) for path in others.split(os.pathsep) if path)]


def validate(program: Path, text: str) -> subprocess.CompletedProcess[str]:
    """Return the validator's result for a configuration."""
    if not program.exists():
        pytest.skip("Debian's package 'ignition' is not installed")
    return subprocess.run(
        [program, "-"], input=text, capture_output=True, text=True, timeout=30, check=False
    )


def start(folder: Path, user_data: str) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """Run the stages of a first start with user data of a metadata service.

    Returns:
        The folder that became the root of the system, and the result of the engine.
    """
    if not ENGINE.exists():
        pytest.skip("Debian's package 'ignition' is not installed")
    root, service, programs = folder / "root", folder / "service", folder / "programs"
    document = service / "openstack/latest/user_data"
    for path in (root / "etc/selinux", document.parent, programs):
        path.mkdir(parents=True, exist_ok=True)
    document.write_text(user_data)
    (root / "etc/selinux/config").write_text("SELINUXTYPE=targeted\n")
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\n")
    setfiles = programs / "setfiles"
    setfiles.write_text(_SETFILES)
    setfiles.chmod(0o755)
    namespace = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child"]
    if os.geteuid() != 0:
        namespace.insert(1, "--map-root-user")
    if not shutil.which("ip", path=f"{os.environ['PATH']}:/usr/sbin:/sbin"):
        pytest.skip("this machine has no ip")
    if subprocess.run([*namespace, "true"], capture_output=True, check=False).returncode:
        pytest.skip("cannot create a network namespace")
    path = f"{programs}:{os.environ['PATH']}:/usr/sbin:/sbin"
    result = subprocess.run(
        [*namespace, "sh", "-c", _RUN, "sh", sys.executable, service, ENGINE, root],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    return root, result


def labeled(folder: Path) -> set[str]:
    """Return the paths that the engine had labeled."""
    root = folder / "root"
    lines = (folder / "programs/labeled").read_text().splitlines()
    return {f"/{Path(line).relative_to(root)}" for line in lines if line}
