# SPDX-License-Identifier: Apache-2.0
"""Command line of the lab."""

import argparse
import os
import shlex
import subprocess
import sys
from pathlib import Path

from lab.cloud import (
    cgroups,
    host,
    lifecycle,
    namespace,
    paths,
    pid1,
    processes,
    seed,
    services,
    ssh,
    swift,
)
from lab.cloud.problem import FAILED, INTERRUPTED, USAGE, Problem
from lab.cloud.shell import shell_environment
from lab.demo.demo import DEMOS
from lab.demo.steps import demonstrate

EPILOG = """\
exit status: 0 success, 1 failure, 2 usage error, 130 interrupted
environment: HEATGEN_LAB_STATE (default /var/lib/heatgen-lab) is the state directory,
             HEATGEN_LAB_CACHE (default /var/cache/heatgen-lab) the cache,
             HEATGEN_LAB_IMAGE (debian or ubuntu-like, default debian) the image of new servers,
             HEATGEN_LAB_HEAT (27 or zed, default 27) selects the Heat of a new lab,
             HEATGEN_LAB_CLUSTER (demo, or demo-NAME for `lab/lab demo NAME`; default: the
             newest) selects KUBECONFIG"""


def main(words: list[str]) -> int:
    """Run a command of the lab; return the exit status."""
    arguments = parser().parse_args(words)
    try:
        status = arguments.action(arguments)
    except Problem as problem:
        print(f"lab: {problem}", file=sys.stderr)
        return problem.status
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # the reader has closed the pipe: discard the rest
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    return int(status or 0)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    top = argparse.ArgumentParser(
        prog="lab/lab",
        description="A real OpenStack in a namespace of this machine.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(metavar="COMMAND", required=True)

    def add(name: str, action: object, summary: str | None) -> argparse.ArgumentParser:
        # A command without a summary is internal: the lab runs it inside the namespace.
        texts = {"help": summary, "description": summary} if summary else {}
        added = commands.add_parser(name, **texts)  # type: ignore[arg-type]
        added.set_defaults(action=action)
        return added

    add("up", lambda _: lifecycle.up(), "start the lab (no-op if it is running)")
    add("down", lambda _: lifecycle.down(), "remove the lab, in any state")
    add("status", status, "show the running services")
    shell_command = add("shell", shell, "run a shell in the namespace of the lab, with OS_* set")
    shell_command.add_argument(
        "--as", dest="user", choices=("demo", "admin"), default="demo", help="default: demo"
    )
    shell_command.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND…")
    ssh_command = add("ssh", run_ssh, "log in to a node as the user of the image, with sudo")
    ssh_command.add_argument(
        "--show", action="store_true", help="print the ssh command, for use in `lab/lab shell`"
    )
    ssh_command.add_argument("node", metavar="NODE")
    ssh_command.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND…")
    logs_command = add("logs", logs, "show the end of a service's log, or the paths of all logs")
    logs_command.add_argument("-f", "--follow", action="store_true", help="follow the log")
    logs_command.add_argument("service", nargs="?", metavar="SERVICE")
    service_command = add("service", service, "start or stop one service")
    service_command.add_argument("change", choices=("start", "stop"))
    service_command.add_argument("service", choices=sorted(services.ALL), metavar="SERVICE")
    add("add-swift", lambda _: add_swift(), "add Swift to the running lab, for TEMP_URL_SIGNAL")
    demo_command = add("demo", demo, "create a cluster from a bare Debian 12, and check it")
    demo_command.add_argument(
        "size",
        nargs="?",
        choices=DEMOS,
        default="small",
        help="small: 1 control-plane node, 2 workers; ha: 3, and a worker with each runtime; "
        "vm: a worker is a virtual machine; debian13: one with Debian 13; ostree: one that boots "
        "as Fedora CoreOS does; systems: a worker with each operating system; control-flatcar, "
        "control-fcos: the control plane on such a system",
    )
    # lab.faultinjection parses all arguments, including options.
    fault_command = commands.add_parser(
        "fault",
        help="inject a fault into a cluster: the suite must detect it; --help",
        add_help=False,
        prefix_chars="\0",
    )
    fault_command.set_defaults(action=fault)
    fault_command.add_argument("words", nargs=argparse.REMAINDER)
    add("inside-init", lambda _: pid1.main(), None)
    add("inside-up", lambda _: lifecycle.inside_up(), None)
    add("inside-cleanup", lambda _: cgroups.inside_remove_groups(), None)
    add("inside-refresh", lambda _: seed.images(), None)
    add("inside-ssh", lambda a: ssh.run(a.command[0], a.command[1:]), None).add_argument(
        "command", nargs=argparse.REMAINDER
    )
    show = add("inside-ssh-show", inside_ssh_show, None)
    show.add_argument("node")
    add("inside-swift", lambda _: swift.add(), None)
    add("inside-status", lambda _: inside_status(), None)
    return top


def run_inside(*words: str, directory: str = "/") -> int:
    """Run an internal command inside the namespace; return its exit status."""
    host.check()
    command = [sys.executable, str(paths.LAUNCHER), *words]
    return subprocess.run(namespace.nsenter(command, directory), check=False).returncode


def shell(arguments: argparse.Namespace) -> int:
    """Run a command, or a shell, inside the namespace, in the current directory."""
    host.check()
    command = arguments.command or [os.environ.get("SHELL") or "/bin/bash"]
    inside = namespace.nsenter(command, str(Path.cwd()))
    environment = shell_environment(arguments.user)
    return subprocess.run(inside, env=environment, check=False).returncode


def run_ssh(arguments: argparse.Namespace) -> int:
    """Log in to a node, or print the ssh command."""
    if arguments.show:
        return run_inside("inside-ssh-show", arguments.node)
    return run_inside("inside-ssh", arguments.node, *arguments.command)


def inside_ssh_show(arguments: argparse.Namespace) -> None:
    """Print the ssh command for a node."""
    print(shlex.join(ssh.command_line(arguments.node, [])))


def logs(arguments: argparse.Namespace) -> int:
    """Show a log, or the paths of all logs."""
    found = sorted(paths.LOG.glob("*.log"))
    if arguments.service is None:
        print("\n".join(str(path) for path in found))
        return 0
    log = paths.LOG / f"{arguments.service}.log"
    if log not in found:
        known = ", ".join(path.stem for path in found)
        hint = f"use one of {known}" if known else "run `lab/lab up` first"
        raise Problem(f"no log {arguments.service!r}: {hint}", USAGE)
    follow = ["-F"] if arguments.follow else []
    return subprocess.run(["tail", "-n", "200", *follow, str(log)], check=False).returncode


def demo(arguments: argparse.Namespace) -> None:
    """Create a demonstration cluster and run the suite on it."""
    host.check()
    demonstrate(DEMOS[arguments.size])


def fault(arguments: argparse.Namespace) -> int:
    """Inject faults into a cluster, with the virtual environment of the lab."""
    python = paths.VENV / "bin" / "python"
    if not python.exists():
        raise Problem(f"{python} does not exist: run `make demo` or `make demo-ha` first", USAGE)
    command = [str(python), "-B", "-m", "lab.faultinjection", *arguments.words]
    return subprocess.run(command, cwd=paths.CHECKOUT, check=False).returncode


def add_swift() -> int:
    """Install Swift and start it in the running lab."""
    host.check()
    swift.install()
    return run_inside("inside-swift")


def service(arguments: argparse.Namespace) -> int:
    """Start or stop one service; outside the namespace, run this command inside."""
    if not paths.INSIDE.is_mount():
        return run_inside("service", arguments.change, arguments.service)
    chosen = services.ALL[arguments.service]
    if arguments.change == "start":
        processes.start(chosen)
    else:
        processes.stop(chosen)
    return 0


def status(_: argparse.Namespace) -> int:
    """Show the services and the paths of the lab."""
    if namespace.holder_pid() is None:
        print("the lab is down")
        return 1
    return run_inside("inside-status")


def inside_status() -> int:
    """Print the table of services; return 1 if a service is not ready."""
    not_ready = 0
    for name, chosen in services.ALL.items():
        pid = processes.pid_of(chosen)
        state = "stopped" if pid is None else "ready" if chosen.ready() else "not ready"
        not_ready += state != "ready" and not (pid is None and chosen in services.ON_DEMAND)
        print(f"{name:<28} {state:<10} {chosen.log}")
    print(f"{'state':<28} {paths.STATE}\n{'cache':<28} {paths.CACHE}")
    return 1 if not_ready else 0
