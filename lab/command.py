# SPDX-License-Identifier: Apache-2.0
"""The command line of the lab: words in, exit status out."""

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
)
from lab.cloud.problem import FAILED, INTERRUPTED, USAGE, Problem
from lab.cloud.shell import shell_environment
from lab.demo.demo import DEMOS
from lab.demo.steps import demonstrate

EPILOG = """\
exit status: 0 done, 1 failed, 2 wrong use, 130 interrupted
environment: HEATGEN_LAB_STATE (default /var/lib/heatgen-lab) is the state directory,
             HEATGEN_LAB_CACHE (default /var/cache/heatgen-lab) the cache,
             HEATGEN_LAB_CLUSTER (demo, demo-ha; default the last made) whose KUBECONFIG is set"""


def main(words: list[str]) -> int:
    """Do what the words say; return the exit status."""
    arguments = parser().parse_args(words)
    try:
        status = arguments.action(arguments)
    except Problem as problem:
        print(f"lab: {problem}", file=sys.stderr)
        return problem.status
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # whoever reads has seen enough; what is yet unwritten goes nowhere
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
    verbs = top.add_subparsers(metavar="COMMAND", required=True)

    def verb(name: str, action: object, summary: str | None) -> argparse.ArgumentParser:
        # A verb without a summary is the lab's own, for its far side of the namespace.
        told = {"help": summary, "description": summary} if summary else {}
        made = verbs.add_parser(name, **told)  # type: ignore[arg-type]
        made.set_defaults(action=action)
        return made

    verb("up", lambda _: lifecycle.up(), "bring the lab up; quick if it is up")
    verb("down", lambda _: lifecycle.down(), "end the lab, whatever state it is in")
    verb("status", status, "show what runs")
    shell_verb = verb("shell", shell, "enter the lab's namespace, with OS_* set")
    shell_verb.add_argument(
        "--as", dest="user", choices=("demo", "admin"), default="demo", help="default: demo"
    )
    shell_verb.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND…")
    ssh_verb = verb("ssh", enter_ssh, "log on to a node as the image's user, who may sudo")
    ssh_verb.add_argument(
        "--show", action="store_true", help="print the ssh command, good in `lab/lab shell`"
    )
    ssh_verb.add_argument("node", metavar="NODE")
    ssh_verb.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND…")
    logs_verb = verb("logs", logs, "show the end of a service's log; without one, all logs' places")
    logs_verb.add_argument("-f", "--follow", action="store_true", help="go on as it grows")
    logs_verb.add_argument("service", nargs="?", metavar="SERVICE")
    service_verb = verb("service", service, "start or stop one service")
    service_verb.add_argument("change", choices=("start", "stop"))
    service_verb.add_argument("service", choices=sorted(services.ALL), metavar="SERVICE")
    demo_verb = verb(
        "demo", demo, "create a cluster from a bare Debian 12, and run the suite on it"
    )
    demo_verb.add_argument(
        "size",
        nargs="?",
        choices=DEMOS,
        default="small",
        help="small: 1 control plane server, 2 workers; ha: 3, and a worker of each runtime",
    )
    # Its words are parsed by itself, those with hyphens, too.
    fault_verb = verbs.add_parser(
        "fault",
        help="break a cluster: the suite must see it; --help",
        add_help=False,
        prefix_chars="\0",
    )
    fault_verb.set_defaults(action=fault)
    fault_verb.add_argument("words", nargs=argparse.REMAINDER)
    verb("inside-init", lambda _: pid1.main(), None)
    verb("inside-up", lambda _: lifecycle.inside_up(), None)
    verb("inside-cleanup", lambda _: cgroups.inside_remove_groups(), None)
    verb("inside-refresh", lambda _: seed.node_image(), None)
    verb("inside-ssh", lambda a: ssh.run(a.command[0], a.command[1:]), None).add_argument(
        "command", nargs=argparse.REMAINDER
    )
    show = verb("inside-ssh-show", inside_ssh_show, None)
    show.add_argument("node")
    verb("inside-status", lambda _: inside_status(), None)
    return top


def enter(*words: str, directory: str = "/") -> int:
    """Run one of the lab's own verbs inside the namespace; return its exit status."""
    host.check()
    command = [sys.executable, str(paths.LAUNCHER), *words]
    return subprocess.run(namespace.entering(command, directory), check=False).returncode


def shell(arguments: argparse.Namespace) -> int:
    """Run a command, or a shell, inside the namespace, in the directory we are in."""
    host.check()
    command = arguments.command or [os.environ.get("SHELL") or "/bin/bash"]
    inside = namespace.entering(command, str(Path.cwd()))
    environment = shell_environment(arguments.user)
    return subprocess.run(inside, env=environment, check=False).returncode


def enter_ssh(arguments: argparse.Namespace) -> int:
    """Log on to a node, or show how."""
    if arguments.show:
        return enter("inside-ssh-show", arguments.node)
    return enter("inside-ssh", arguments.node, *arguments.command)


def inside_ssh_show(arguments: argparse.Namespace) -> None:
    """Print the command that logs on to a node."""
    print(shlex.join(ssh.command_line(arguments.node, [])))


def logs(arguments: argparse.Namespace) -> int:
    """Show a log, or where all of them are."""
    found = sorted(paths.LOG.glob("*.log"))
    if arguments.service is None:
        print("\n".join(str(path) for path in found))
        return 0
    log = paths.LOG / f"{arguments.service}.log"
    if log not in found:
        known = ", ".join(path.stem for path in found) or "none, the lab was never up"
        raise Problem(f"there is no log {arguments.service!r}; there are: {known}", USAGE)
    follow = ["-F"] if arguments.follow else []
    return subprocess.run(["tail", "-n", "200", *follow, str(log)], check=False).returncode


def demo(arguments: argparse.Namespace) -> None:
    """Create a demonstration cluster and run the suite on it."""
    host.check()
    demonstrate(DEMOS[arguments.size])


def fault(arguments: argparse.Namespace) -> int:
    """Put faults into a cluster; done by the lab's virtual environment, in which the suite is."""
    python = paths.VENV / "bin" / "python"
    if not python.exists():
        raise Problem(f"there is no {python}: run `make demo` or `make demo-ha` first", USAGE)
    command = [str(python), "-B", "-m", "lab.faultinjection", *arguments.words]
    return subprocess.run(command, cwd=paths.CHECKOUT, check=False).returncode


def service(arguments: argparse.Namespace) -> int:
    """Start or stop one service; inside the namespace or, from outside, by way of it."""
    if not paths.INSIDE.is_mount():
        return enter("service", arguments.change, arguments.service)
    chosen = services.ALL[arguments.service]
    if arguments.change == "start":
        processes.start(chosen)
    else:
        processes.stop(chosen)
    return 0


def status(_: argparse.Namespace) -> int:
    """Show whether the lab is up, its services and where things are."""
    if namespace.outer() is None:
        print("the lab is down")
        return 1
    return enter("inside-status")


def inside_status() -> int:
    """Print the table of services; exit status 1 if one that should run does not."""
    dead = 0
    for name, chosen in services.ALL.items():
        pid = processes.pid_of(chosen)
        word = "dead" if pid is None else "ready" if chosen.ready() else "not ready"
        dead += word != "ready"
        print(f"{name:<28} {word:<10} {chosen.log}")
    print(f"{'state':<28} {paths.STATE}\n{'cache':<28} {paths.CACHE}")
    return 1 if dead else 0
