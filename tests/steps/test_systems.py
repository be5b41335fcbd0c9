# SPDX-License-Identifier: Apache-2.0
"""Tests of the steps of each operating system: its programs, stores, services and files.

Only the system's own functions differ. Programs that this machine may not have are stubs that
record their calls.
"""

from __future__ import annotations

import configparser
import fnmatch
import shutil
import subprocess
import tomllib
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from heatgen.plan import build
from heatgen.project import block_loader

from .conftest import HOT, Result, Sandbox
from .test_site import authority, preflight, proxy, system  # noqa: F401

SYSTEMS = sorted(path.name for path in (HOT / "blocks" / "os").iterdir())
WITH_APT = ("debian", "ubuntu")
WITHOUT_PACKAGES = ("fedora-coreos", "flatcar")
CONFIGURE = HOT / "os" / "20-configure.sh"
INTERFACES = ("flannel.1", "cni0", "veth1a2b3c4d")

STUBS = r"""
mkdir -p /run/stub /run/active
cat >/run/stub/systemctl <<'END'
#!/bin/bash
case $1 in
    is-active) [ -e "/run/active/$3" ] && exit 0 || exit 3 ;;
    cat) [ -e "/run/active/$2" ] || exit 1 ;;
esac
echo "systemctl $*" >>/run/calls
END
printf '%s\n' '#!/bin/bash' 'exit 0' >/run/stub/modprobe
printf '%s\n' '#!/bin/bash' 'echo "${0##*/} $*" >>/run/calls' >/run/stub/apt-get
chmod +x /run/stub/*
export PATH=/run/stub:$PATH
rm -f /run/calls
touch /run/calls
"""


def stub(*names: str) -> str:
    """Return commands that create programs that record their calls."""
    line = """printf '%s\\n' '#!/bin/bash' 'echo "${0##*/} $*" >>/run/calls'"""
    return "".join(f"{line} >/run/stub/{name} && chmod +x /run/stub/{name}\n" for name in names)


def inputs(name: str, window: str = "never") -> dict[str, str]:
    """Return the inputs of the step ``configure``."""
    program = (HOT / "os" / "maintenance.sh").read_text().rstrip()
    texts = {"SYSTEM": system(name), "MAINTENANCE": program}
    return {**texts, "SYSCTL": "", "UPDATE_WINDOW": window}


def configure(sandbox: Sandbox, name: str, *before: str, window: str = "never") -> Result:
    """Run the step ``configure`` of a system after these commands; print the calls."""
    script = sandbox.folder / "configure.sh"
    lines = ["set -eu", STUBS, *before, f"/bin/bash {CONFIGURE}", "cat /run/calls"]
    script.write_text("\n".join(lines))
    return sandbox.run(script, **inputs(name, window))


KERNEL = Path("/proc/sys/net/bridge/bridge-nf-call-iptables").exists()
needs_kernel = pytest.mark.skipif(not KERNEL, reason="the module br_netfilter is not loaded")


def failing(name: str, message: str) -> str:
    """Return commands that create a program that fails with a message."""
    text = f"#!/bin/bash\\necho {message} >&2\\nexit 1\\n"
    return f"printf '{text}' >/run/stub/{name} && chmod +x /run/stub/{name}"


def own_path(*names: str) -> str:
    """Return commands after which only these programs, and some others, are found."""
    base = (
        "awk basename bash cat chmod chown cp cut date dirname env find flock grep head hostname id"
        " install ip ln ls mkdir mktemp mv openssl paste readlink rm sed sleep sort stat systemctl"
        " tail tar tee touch tr uname useradd"
    )
    return f"""
mkdir -p /run/programs
for name in {base} {" ".join(names)}; do
    [ -e /run/stub/$name ] || ! file=$(PATH=$PATH:/usr/sbin:/sbin command -v $name) ||
        ln -sf "$file" /run/programs/$name
done
export PATH=/run/stub:/run/programs
"""


@pytest.mark.parametrize("name", SYSTEMS)
def test_five_functions(name: str) -> None:
    """Each system defines the same five functions, and nothing else."""
    lines = system(name).splitlines()
    functions = [line.removesuffix("() {") for line in lines if line.endswith("() {")]
    assert functions == [
        f"system_{part}" for part in ("programs", "trust", "time", "names", "quiet")
    ]


@pytest.mark.parametrize("name", WITHOUT_PACKAGES)
def test_missing_programs_are_named(sandbox: Sandbox, name: str) -> None:
    """A system without packages fails, and names every missing program."""
    result = configure(sandbox, name, "rm /run/stub/apt-get", own_path("mount"))
    assert result.status == 1
    assert "does not contain ethtool iptables" in result.problem
    assert "conntrack" not in result.problem


@pytest.mark.parametrize("name", WITH_APT)
def test_missing_programs_are_installed(sandbox: Sandbox, name: str) -> None:
    """A system with apt installs the missing programs; a restart of services is suspended."""
    apt = "sed -i 's/echo \"/&$NEEDRESTART_SUSPEND /' /run/stub/apt-get"
    script = sandbox.folder / "configure.sh"
    script.write_text("\n".join(["set -eu", STUBS, apt, own_path("mount"),
                                 f"/bin/bash {CONFIGURE} || true", "cat /run/calls"]))  # fmt: skip
    result = sandbox.run(script, **inputs(name))
    assert "install -y --no-install-recommends ethtool iptables" in result.stdout
    assert all(line.startswith("1 ") for line in result.stdout.splitlines() if "apt" in line)


@pytest.mark.parametrize("name", SYSTEMS)
def test_programs_of_every_step(sandbox: Sandbox, proxy: ThreadingHTTPServer, name: str) -> None:  # noqa: F811
    """The step preflight names all programs that are missing, before it changes anything."""
    without = f"mkdir -p /run/stub\n{own_path('mount')}rm -f /run/programs/{{tar,useradd}}\n"
    result = preflight(sandbox, proxy, before=without, SYSTEM=system(name))
    assert result.status == 1
    assert result.problem.endswith("does not contain the programs curl tar useradd")
    assert not proxy.requested  # type: ignore[attr-defined]


STORES = {
    "debian": ("/usr/local/share/ca-certificates", "crt", "update-ca-certificates"),
    "ubuntu": ("/usr/local/share/ca-certificates", "crt", "update-ca-certificates"),
    "fedora-coreos": ("/etc/pki/ca-trust/source/anchors", "pem", "update-ca-trust"),
    "flatcar": ("/etc/ssl/certs", "pem", "update-ca-certificates"),
}


def call(sandbox: Sandbox, name: str, *lines: str) -> Result:
    """Run shell code after the step library and the functions of a system; print the calls."""
    script = sandbox.folder / "call.sh"
    functions = sandbox.folder / "system.sh"
    functions.write_text(system(name))
    head = ["set -euo pipefail", STUBS, 'source "$HEATGEN_LIB/step.sh"', f"source {functions}"]
    script.write_text("\n".join([*head, *lines, "cat /run/calls"]))
    return sandbox.run(script)


@pytest.mark.parametrize("name", SYSTEMS)
def test_trust(sandbox: Sandbox, name: str) -> None:
    """Certificates are added to the store of the system, and others of heatgen are removed."""
    store, suffix, command = STORES[name]
    result = call(
        sandbox,
        name,
        f"mkdir -p /run/new {store}",
        f"mount -t tmpfs store {store}",
        f"touch {store}/heatgen-3.{suffix} {store}/other.{suffix}",
        "echo one >/run/new/1.pem",
        "echo two >/run/new/2.pem",
        stub(command),
        "system_trust /run/new",
        f"cd {store} && grep . *",
    )
    assert result.status == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[:2] == [f"heatgen-1.{suffix}:one", f"heatgen-2.{suffix}:two"]
    assert f"{command} " in lines


@pytest.mark.parametrize("name", SYSTEMS)
def test_trust_that_cannot_be_updated(sandbox: Sandbox, name: str) -> None:
    """A failure of the system's command is the reason of the step."""
    command = STORES[name][2]
    store = STORES[name][0]
    fails = failing(command, "broken")
    result = call(sandbox, name, f"mkdir -p /run/new {store}", f"mount -t tmpfs store {store}",
                  fails, "system_trust /run/new")  # fmt: skip
    assert result.problem == "cannot install site.ca_certificates: broken"


SERVICES = [
    ("debian", "chrony", "/etc/chrony/sources.d/heatgen.sources"),
    ("debian", "systemd-timesyncd", "/etc/systemd/timesyncd.conf.d/90-heatgen.conf"),
    ("ubuntu", "chrony", "/etc/chrony/sources.d/heatgen.sources"),
    ("ubuntu", "systemd-timesyncd", "/etc/systemd/timesyncd.conf.d/90-heatgen.conf"),
    ("flatcar", "systemd-timesyncd", "/etc/systemd/timesyncd.conf.d/90-heatgen.conf"),
]


@pytest.mark.parametrize(("name", "service", "path"), SERVICES)
def test_time(sandbox: Sandbox, name: str, service: str, path: str) -> None:
    """The time service of the image gets the servers, and loses them again."""
    active = f"touch /run/active/{service}.service"
    result = call(sandbox, name, active, "system_time ntp.example,192.0.2.1")
    assert result.status == 0, result.stderr
    assert f"systemctl restart {service}.service" in result.stdout
    text = sandbox.file(path).read_text()
    assert "ntp.example" in text
    assert "192.0.2.1" in text
    assert call(sandbox, name, active, "system_time ''").status == 0
    assert not sandbox.file(path).exists()


def test_time_of_fedora_coreos(sandbox: Sandbox) -> None:
    """Chronyd gets a whole configuration; without time servers that of the image is restored."""
    image = "printf 'pool pool.example iburst\\n' >/etc/chrony.conf"
    for servers in ("ntp.example,192.0.2.1", "ntp.example"):
        result = call(sandbox, "fedora-coreos", image, stub("restorecon"), f"system_time {servers}")
        assert result.status == 0, result.stderr
        image = ":"
        assert result.stdout.splitlines() == [
            "restorecon /etc/chrony.conf", "systemctl restart chronyd.service",
        ]  # fmt: skip
        lines = sandbox.file("/etc/chrony.conf").read_text().splitlines()
        assert lines == [
            *(f"server {server} iburst" for server in servers.split(",")),
            "driftfile /var/lib/chrony/drift", "makestep 1.0 3", "rtcsync",
        ]  # fmt: skip
    assert call(sandbox, "fedora-coreos", "system_time ''").status == 0
    assert sandbox.file("/etc/chrony.conf").read_text() == "pool pool.example iburst\n"
    assert call(sandbox, "fedora-coreos", "system_time ''").status == 0
    assert sandbox.file("/etc/chrony.conf").read_text() == "pool pool.example iburst\n"


@pytest.mark.parametrize("name", SYSTEMS)
def test_names(sandbox: Sandbox, name: str) -> None:
    """systemd-resolved does not use multicast, and is restarted only if this changes."""
    active = "touch /run/active/systemd-resolved.service"
    first = call(sandbox, name, active, "system_names")
    assert first.stdout == "systemctl restart systemd-resolved.service\n"
    text = sandbox.file("/etc/systemd/resolved.conf.d/90-heatgen.conf").read_text()
    assert text == "[Resolve]\nLLMNR=no\nMulticastDNS=no\n"
    assert call(sandbox, name, active, "system_names").stdout == ""


def read_unit(path: Path) -> dict[str, dict[str, str]]:
    """Return the sections of a configuration file."""
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[method-assign,assignment]
    parser.read_string(path.read_text())
    return {name: dict(parser[name]) for name in parser.sections()}


@pytest.mark.parametrize("name", SYSTEMS)
def test_networkd_leaves_interfaces(sandbox: Sandbox, name: str) -> None:
    """Networkd keeps foreign routes, and does not manage interfaces of pods."""
    result = call(sandbox, name, "touch /run/active/systemd-networkd.service", "system_quiet")
    assert result.status == 0, result.stderr
    assert "restart" not in result.stdout
    network = read_unit(sandbox.file("/etc/systemd/networkd.conf.d/90-heatgen.conf"))["Network"]
    assert network == {"ManageForeignRoutes": "no", "ManageForeignRoutingPolicyRules": "no"}
    profile = read_unit(sandbox.file("/etc/systemd/network/05-heatgen.network"))
    assert profile["Link"] == {"Unmanaged": "yes"}
    link = read_unit(sandbox.file("/etc/systemd/network/50-heatgen.link"))
    assert link["Link"] == {"MACAddressPolicy": "none"}
    for patterns in (profile["Match"]["Name"], link["Match"]["OriginalName"]):
        for interface in INTERFACES:
            assert any(fnmatch.fnmatch(interface, item) for item in patterns.split())
        assert not any(fnmatch.fnmatch("eth0", item) for item in patterns.split())
    assert not sandbox.file("/etc/NetworkManager/conf.d/90-heatgen.conf").exists()


@pytest.mark.parametrize("name", SYSTEMS)
def test_network_manager_leaves_interfaces(sandbox: Sandbox, name: str) -> None:
    """NetworkManager does not manage interfaces of pods, and is reloaded only if this changes."""
    active = "touch /run/active/NetworkManager.service"
    first = call(sandbox, name, active, "system_quiet")
    assert "systemctl reload NetworkManager.service" in first.stdout
    text = sandbox.file("/etc/NetworkManager/conf.d/90-heatgen.conf").read_text()
    assert text.startswith("[keyfile]\nunmanaged-devices+=")
    for interface in ("flannel*", "cni*", "veth*", "docker*"):
        assert f"interface-name:{interface};" in text
    assert "reload" not in call(sandbox, name, active, "system_quiet").stdout
    assert not sandbox.file("/etc/systemd/networkd.conf.d/90-heatgen.conf").exists()


def test_needrestart_of_ubuntu(sandbox: Sandbox) -> None:
    """needrestart, whose configuration is Perl, does not restart services of the cluster."""
    assert call(sandbox, "ubuntu", "system_quiet").status == 0
    file = sandbox.file("/etc/needrestart/conf.d/heatgen.conf")
    units = {
        path.removesuffix(".service")
        for block in block_loader.installed().all_blocks()
        for path in block.files
        if path.endswith(".service")
    }
    program = r"""
our %nrconf; do "$ARGV[0]"; die $@ if $@;
my @patterns = keys %{$nrconf{override_rc}};
while (<STDIN>) { chomp; my $unit = $_; print "$unit\n" unless grep { $unit =~ /$_/ } @patterns }
"""
    names = "\n".join([*units, "heatgen-agent", "ssh", "systemd-networkd"])
    done = subprocess.run(["perl", "-e", program, str(file)], input=names, capture_output=True,
                          text=True, check=True)  # fmt: skip
    assert sorted(done.stdout.split()) == ["ssh", "systemd-networkd"]


@pytest.mark.parametrize("name", WITHOUT_PACKAGES)
def test_docker_of_the_image(sandbox: Sandbox, name: str) -> None:
    """The socket of the image's Docker is masked; a unit of heatgen with this name is not."""
    first = call(sandbox, name, "system_quiet")
    assert first.stdout.splitlines() == [
        "systemctl mask --quiet docker.socket", "systemctl stop --quiet docker.socket",
    ]  # fmt: skip
    own = "mkdir -p /etc/systemd/system && echo x >/etc/systemd/system/docker.socket"
    assert "mask" not in call(sandbox, name, own, "system_quiet").stdout


@pytest.mark.parametrize("name", WITH_APT)
def test_upgrades_do_not_restart(sandbox: Sandbox, name: str) -> None:
    """unattended-upgrades never restarts the server, even if the image is configured to do so."""
    call(sandbox, name, "system_quiet")
    text = sandbox.file("/etc/apt/apt.conf.d/90heatgen-upgrades").read_text()
    assert text == 'Unattended-Upgrade::Automatic-Reboot "false";\n'


def test_restarts_are_disabled_at_the_first_start() -> None:
    """Zincati and locksmith could restart a new server before the first step."""
    files = {
        block.name: boot.files
        for block in block_loader.installed().all_blocks()
        if (boot := block.boot) is not None
    }
    zincati = files["fedora-coreos"]["/etc/zincati/config.d/90-heatgen.toml"]
    assert tomllib.loads(zincati) == {"updates": {"enabled": False}}
    assert "REBOOT_STRATEGY=off" in files["flatcar"]["/etc/flatcar/update.conf"].splitlines()


def test_zincati_in_a_window(sandbox: Sandbox) -> None:
    """With a window, Zincati sends requests to the program; without one, it is disabled."""
    first = call(sandbox, "fedora-coreos", "system_quiet 'Sun 03:00/60m'")
    path = sandbox.file("/etc/zincati/config.d/95-heatgen.toml")
    updates = tomllib.loads(path.read_text())["updates"]
    assert updates["enabled"]
    assert updates["strategy"] == "fleet_lock"
    socket = sandbox.file("/etc/systemd/system/heatgen-fleet-lock.socket")
    address = read_unit(socket)["Socket"]["ListenStream"]
    assert updates["fleet_lock"]["base_url"] == f"http://{address}/"
    assert address.startswith("127.0.0.1:")
    calls = first.stdout.splitlines()
    started = calls.index("systemctl enable --quiet --now heatgen-fleet-lock.socket")
    assert started < calls.index("systemctl try-restart zincati.service")
    again = call(sandbox, "fedora-coreos", "system_quiet 'Sun 03:00/60m'")
    assert "zincati" not in again.stdout
    last = call(sandbox, "fedora-coreos", "system_quiet never")
    assert "systemctl disable --quiet --now heatgen-fleet-lock.socket" in last.stdout
    assert "systemctl try-restart zincati.service" in last.stdout
    assert not path.exists()
    assert not socket.exists()


@pytest.mark.parametrize(
    ("window", "calendar", "minutes"),
    [
        ("Sat,Sun 03:00/60m", "Sat,Sun *-*-* 03:00:00 UTC", "60"),
        ("daily 23:30/120m", "*-*-* 23:30:00 UTC", "120"),
    ],
)
@needs_kernel
def test_window(sandbox: Sandbox, window: str, calendar: str, minutes: str) -> None:
    """The timer of the window is installed, changed and removed."""
    programs = stub("ethtool", "iptables")
    assert configure(sandbox, "debian", programs, window="Fri 01:00/30m").status == 0
    result = configure(sandbox, "debian", programs, window=window)
    assert result.status == 0, result.stderr
    units = sandbox.file("/etc/systemd/system")
    timer = read_unit(units / "heatgen-maintenance.timer")
    assert timer["Timer"]["OnCalendar"] == calendar
    assert sandbox.file("/etc/heatgen/maintenance.env").read_text() == f"MINUTES={minutes}\n"
    assert "systemctl restart heatgen-maintenance.timer" in result.stdout
    program = sandbox.file("/opt/heatgen/lib/maintenance")
    assert program.stat().st_mode & 0o777 == 0o755
    service = read_unit(units / "heatgen-maintenance.service")["Service"]
    assert service["ExecStart"].split()[0] == "/opt/heatgen/lib/maintenance"
    if shutil.which("systemd-analyze"):
        subprocess.run(["systemd-analyze", "calendar", calendar], check=True, capture_output=True)
    removed = configure(sandbox, "debian", programs)
    assert "systemctl disable --quiet --now heatgen-maintenance.timer" in removed.stdout
    assert not list(units.glob("heatgen-[mb]*"))
    assert "disable" not in configure(sandbox, "debian", programs).stdout


@needs_kernel
@pytest.mark.parametrize("name", SYSTEMS)
def test_configure_twice(sandbox: Sandbox, name: str) -> None:
    """The whole step succeeds with the programs of the image, also when it runs again."""
    for _ in range(2):
        result = configure(sandbox, name, stub("ethtool", "iptables"))
        assert result.status == 0, result.stderr
    assert "restart" not in result.stdout
    assert "apt-get" not in result.stdout


@pytest.mark.parametrize("name", SYSTEMS)
def test_preflight(
    sandbox: Sandbox,
    proxy: ThreadingHTTPServer,  # noqa: F811
    authority: str,  # noqa: F811
    name: str,
) -> None:
    """The step installs authorities and time servers of the site on each system, once."""
    store, _, command = STORES[name]
    before = (
        f"mkdir -p /run/stub {store}\nmount -t tmpfs other {store}\n{stub(command, 'restorecon')}"
        "[ -e /etc/chrony.conf ] || echo image >/etc/chrony.conf\n"
    )
    inputs = {
        "SYSTEM": system(name),
        "CA_CERTIFICATES": authority.rstrip(),
        "NTP_SERVERS": "ntp.example",
        "UNITS": "containerd.service chronyd.service systemd-timesyncd.service",
    }
    first = preflight(sandbox, proxy, before=before, **inputs)
    assert first.status == 0, first.stderr
    assert "systemctl try-restart containerd.service" in first.stdout
    again = preflight(sandbox, proxy, before=before, **inputs)
    assert again.status == 0, again.stderr
    assert "restart" not in again.stdout


def label(sandbox: Sandbox, *before: str) -> Result:
    """Run the start of a node's first step on a node with a SELinux, which is a directory."""
    catalog = block_loader.installed()
    head, tail = build.around_library(
        f"#!/bin/bash\nset -euo pipefail\n{build.LIBRARY_LINE}echo done\n", catalog.library_install
    )
    first = sandbox.folder / "first.sh"
    text = f"{head}{catalog.step_library.strip()}{tail}".replace("/sys/fs/selinux", "/run/selinux")
    first.write_text(text)
    script = sandbox.folder / "label.sh"
    lines = ["set -eu", STUBS, "mkdir -p /run/selinux; echo 1 >/run/selinux/enforce", *before]
    script.write_text("\n".join([*lines, "export HEATGEN_LIB=/opt/heatgen/lib",
                                 f"/bin/bash {first}", "cat /run/calls"]))  # fmt: skip
    return sandbox.run(script)


CHCON = r"""
cat >/run/stub/chcon <<'END'
#!/bin/bash
echo "chcon $* $(find /opt/heatgen -type f | wc -l)" >>/run/calls
END
chmod +x /run/stub/chcon
"""


def test_selinux_type_of_programs(sandbox: Sandbox) -> None:
    """The tree below /opt/heatgen gets the type of programs while it is empty, once."""
    result = label(sandbox, CHCON)
    assert result.status == 0, result.stderr
    assert result.stdout.splitlines() == ["done", "chcon -R -t bin_t /opt/heatgen 0"]
    again = label(sandbox, CHCON)
    assert again.stdout == "done\n"


@pytest.mark.parametrize(("enforce", "status"), [("1", 1), ("0", 0)])
def test_selinux_type_that_cannot_be_set(sandbox: Sandbox, enforce: str, status: int) -> None:
    """If the type cannot be set, the step fails, unless SELinux is permissive as on Flatcar."""
    fails = failing("chcon", "no")
    result = label(sandbox, fails, f"echo {enforce} >/run/selinux/enforce")
    assert result.status == status, result.stderr


def test_user_of_the_image(sandbox: Sandbox) -> None:
    """A service user of the image is used, whatever numbers it has."""
    result = call(
        sandbox,
        "flatcar",
        "echo etcd:x:4711:4712::/:/bin/false >>/etc/passwd",
        "echo etcd:x:4712: >>/etc/group",
        stub("useradd"),
        "system_user etcd",
        "install_text x /run/file 0600 etcd",
        "stat --format '%u:%g' /run/file",
    )
    assert result.status == 0, result.stderr
    assert result.stdout == "4711:4712\n"
