# SPDX-License-Identifier: Apache-2.0
"""Create the root of a disk whose system is a deployment of ostree, like that of Fedora CoreOS.

The repository of the disk contains two commits, `debian/one` and `debian/two`; the first is
deployed. They differ in their version only, so `ostree admin deploy debian/two` needs no network.
"""

import shlex
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.artifacts.progress import BuildError, run

TOOLS = ["ostree"]
OS = "debian"
VERSIONS = ("one", "two")
VERSION_FILE = Path("usr/lib/lab-version")
KERNEL_OPTIONS = (
    "root=/dev/vda1",
    "rw",
    "console=ttyS0,115200",
    "net.ifnames=0",
    "ignition.platform.id=openstack",
)
# In place of directories of the root, whose content is common to all deployments.
LINKS = {
    "home": "var/home",
    "media": "run/media",
    "mnt": "var/mnt",
    "opt": "var/opt",
    "ostree": "sysroot/ostree",
    "root": "var/roothome",
    "srv": "var/srv",
    "tmp": "sysroot/tmp",
    "usr/local": "../var/usrlocal",
}
EMPTY = ("boot", "dev", "proc", "run", "sys", "sysroot", "var")
# The state of the package manager, which the system does not contain, the identity of the system,
# settings of SELinux, and links to the kernel.
LEFT_OUT = (
    *("etc/apt", "var/cache/apt", "var/lib/apt", "var/lib/dpkg"),
    *("etc/hostname", "etc/machine-id", "etc/selinux"),
    *("initrd.img", "initrd.img.old", "vmlinuz", "vmlinuz.old"),
)
DRACUT_MODULES = "ignition ostree systemd-networkd lab-ostree"
DRACUT_OMITTED = "plymouth lvm dm crypt nfs iscsi multipath btrfs mdraid network-legacy"
DRIVERS = "virtio_blk virtio_net virtio_pci ext4 vfat isofs nls_cp437 nls_ascii overlay"
GRUB_MODULES = "biosdisk part_msdos ext2 normal configfile serial terminal echo test regexp true"
GRUB = Path("usr/lib/grub/i386-pc")
SECONDS = 900.0


@dataclass(frozen=True)
class BootLoader:
    """Code of GRUB: the first sector, and what is stored between it and the first partition."""

    sector: Path
    core: Path


def make_sysroot(root: Path, boot: Path, sysroot: Path, log: Path) -> BootLoader:
    """Fill the new directory `sysroot` with commits and a deployment of the system in `root`.

    `root` is changed into the tree of the second commit.

    Args:
        root: a system with kernel, dracut, ostree and GRUB.
        boot: directory of the configuration of GRUB.
        sysroot: the directory to create.
        log: file for the output of programs.

    Raises:
        BuildError: a program failed, or `root` has not exactly one kernel.
    """
    kernel = _kernel(root)
    _add_user(root, log)
    _initramfs(root, kernel, log)
    loader = _boot_loader(root, boot, sysroot.parent, log)
    modules = sorted((root / GRUB).glob("*.mod"))
    _make_tree(root)
    sysroot.mkdir()
    repository = f"--repo={sysroot}/ostree/repo"
    _ostree(["admin", "init-fs", "--modern", str(sysroot)], log)
    _ostree(["admin", "os-init", OS, f"--sysroot={sysroot}"], log)
    # GRUB reads the entries in /boot/loader, no generated file.
    _ostree([repository, "config", "set", "sysroot.bootloader", "none"], log)
    for version in VERSIONS:
        (root / VERSION_FILE).write_text(f"{version}\n", encoding="utf-8")
        branch = [f"--branch={OS}/{version}", f"--add-metadata-string=version={version}"]
        subject = [f"--subject={version}", f"--tree=dir={root}"]
        _ostree([repository, "commit", *branch, *subject], log)
    deploy = ["admin", "deploy", f"--sysroot={sysroot}", f"--os={OS}"]
    options = [f"--karg={option}" for option in KERNEL_OPTIONS]
    _ostree([*deploy, *options, f"{OS}/{VERSIONS[0]}"], log)
    _configure_boot(boot, modules, sysroot)
    return loader


def deployments(sysroot: Path) -> list[Path]:
    """Return the directories of the deployments, which ostree makes immutable."""
    return sorted(path for path in sysroot.glob(f"ostree/deploy/{OS}/deploy/*") if path.is_dir())


def make_mutable(sysroot: Path, log: Path) -> None:
    """Allow the removal of the deployments."""
    run(["chattr", "-i", *map(str, deployments(sysroot))], log, timeout=60)


def _ostree(arguments: Sequence[str], log: Path) -> None:
    run(["ostree", *arguments], log, timeout=SECONDS)


def _in_root(root: Path, command: Sequence[str], log: Path) -> None:
    """Run a command in a system, in separate mount and PID namespaces."""
    folder = shlex.quote(str(root))
    script = (
        f"mount --bind {folder} {folder}; cd {folder}; mount -t proc proc proc;"
        f"mount --rbind /sys sys; mount --rbind /dev dev; mount -t tmpfs tmpfs run;"
        f"exec chroot . {shlex.join(command)}"
    )
    namespace = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
    run([*namespace, "bash", "-euc", script], log, timeout=SECONDS)


def _kernel(root: Path) -> str:
    """Return the release of the only kernel.

    Raises:
        BuildError: there is not exactly one.
    """
    found = sorted(path.name for path in (root / "usr/lib/modules").iterdir())
    if len(found) != 1:
        raise BuildError(f"expected one kernel in the guest, found {', '.join(found) or 'none'}")
    return found[0]


def _add_user(root: Path, log: Path) -> None:
    """Create the user of Fedora CoreOS; its directory is created at each boot."""
    words = ["--no-create-home", "--home-dir", "/home/core", "--groups", "sudo"]
    _in_root(root, ["useradd", *words, "--shell", "/bin/bash", "core"], log)


def _initramfs(root: Path, kernel: str, log: Path) -> None:
    modules = root / "usr/lib/modules" / kernel
    shutil.copyfile(root / "boot" / f"vmlinuz-{kernel}", modules / "vmlinuz")
    options = ["--force", "--no-hostonly", "--add", DRACUT_MODULES, "--omit", DRACUT_OMITTED]
    options += ["--add-drivers", DRIVERS, "--compress", "zstd -3"]
    file = Path("/") / modules.relative_to(root) / "initramfs.img"
    _in_root(root, ["dracut", *options, str(file), kernel], log)
    (root / file.relative_to("/")).chmod(0o644)


def _boot_loader(root: Path, boot: Path, folder: Path, log: Path) -> BootLoader:
    """Create the code of GRUB in `folder`."""
    shutil.copyfile(boot / "early.cfg", root / "early.cfg")
    options = ["--format=i386-pc", "--config=/early.cfg", "--prefix=(hd0,msdos1)/boot/grub"]
    _in_root(root, ["grub-mkimage", *options, "--output=/core.img", *GRUB_MODULES.split()], log)
    loader = BootLoader(folder / "boot.img", folder / "core.img")
    (root / "core.img").rename(loader.core)
    (root / "early.cfg").unlink()
    shutil.copyfile(root / GRUB / "boot.img", loader.sector)
    return loader


def _make_tree(root: Path) -> None:
    """Change a system into the tree of a commit: all files are in /usr."""
    for name in LEFT_OUT:
        _remove(root / name)
    lines = [*tmpfiles(root / "var")]
    (root / "usr/lib/tmpfiles.d/image-var.conf").write_text("\n".join([*lines, ""]))
    for name in (*EMPTY, *LINKS):
        _remove(root / name)
    for name, target in LINKS.items():
        (root / name).symlink_to(target)
    for name in EMPTY:
        (root / name).mkdir()
    (root / "etc").rename(root / "usr/etc")


def tmpfiles(var: Path) -> Iterator[str]:
    """Return lines of tmpfiles.d that create the directories of the image's /var."""
    for path in sorted(var.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            status = path.stat()
            name = Path("/var") / path.relative_to(var)
            yield f"d {name} {status.st_mode & 0o7777:04o} {status.st_uid} {status.st_gid} -"


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _configure_boot(boot: Path, modules: Sequence[Path], sysroot: Path) -> None:
    """Add the configuration and modules of GRUB, and the mark of the first boot.

    Without the file command.lst, GRUB loads no module on its own.
    """
    grub = sysroot / "boot/grub"
    (grub / "i386-pc").mkdir(parents=True)
    shutil.copyfile(boot / "grub.cfg", grub / "grub.cfg")
    for module in modules:
        if module.exists():
            shutil.copyfile(module, grub / "i386-pc" / module.name)
    (sysroot / "boot/ignition.firstboot").touch()
    sysroot.chmod(0o755)
