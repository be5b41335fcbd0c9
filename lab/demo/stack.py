# SPDX-License-Identifier: Apache-2.0
"""The stack: made by the real client, kept while the template is the one it was made from."""

import json
import re
import subprocess

from lab.cloud import paths
from lab.cloud.problem import Problem
from lab.cloud.steps import say
from lab.demo import inside, record
from lab.demo.demo import Demo

CREATE_MINUTES = 20
# What `--wait` prints, `<time> [demo.kvstore_start_control_0]: CREATE_COMPLETE  state changed`.
EVENT = re.compile(r"\[[\w-]+\.(\w+)\]: CREATE_(COMPLETE|FAILED)")
STANDING = ("CREATE_COMPLETE", "UPDATE_COMPLETE")


def create(demo: Demo) -> str | None:
    """Have a complete stack of the template: keep the one there is, or make it anew."""
    there = show(demo)
    if there is not None:
        if there["stack_status"] in STANDING and is_of_template(demo, there["id"]):
            return "done already"
        say(f"  removing stack {demo.name}, {there['stack_status']}, of another template or run")
        words = ["openstack", "stack", "delete", "--yes", "--wait", demo.name]
        inside.run(words, demo.directory)
    follow_creation(demo)
    made = show(demo)
    if made is None or made["stack_status"] != "CREATE_COMPLETE":
        words = ["openstack", "stack", "failures", "list", "--long", demo.name]
        inside.run(words, demo.directory)
        raise Problem(f"stack {demo.name} failed; `lab/lab shell openstack stack list` shows it")
    keep_events(demo)
    record.stamp(demo.directory, "stack", stamp_of(demo, made["id"]))
    return None


def show(demo: Demo) -> dict[str, str] | None:
    """Return the stack's id and status, None if there is no such stack."""
    words = ["openstack", "stack", "show", "--format", "json", demo.name]
    text = inside.output(words, demo.directory)
    return None if text is None else dict(json.loads(text))


def stamp_of(demo: Demo, stack: str) -> str:
    """Return the stamp of a stack made of the template as it is now."""
    return record.digest(stack, demo.template)


def is_of_template(demo: Demo, stack: str) -> bool:
    """Tell whether a stack was made of the template as it is now."""
    return record.stamped(demo.directory, "stack", stamp_of(demo, stack))


def follow_creation(demo: Demo) -> None:
    """Create the stack and tell of every resource that is complete, until it ends either way."""
    words = ["timeout", str((CREATE_MINUTES + 5) * 60), "openstack", "stack", "create"]
    words += ["--template", str(demo.template), "--timeout", str(CREATE_MINUTES), "--wait"]
    with (paths.LOG / f"{demo.name}-create.log").open("w") as log:
        process = subprocess.Popen(
            inside.command([*words, demo.name], demo.directory),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=inside.environment(),
        )
        assert process.stdout is not None
        for line in process.stdout:
            log.write(line)
            if event := EVENT.search(line):
                say(f"    {event[1]} {event[2].lower()}")
        process.wait()


def keep_events(demo: Demo) -> None:
    """Write down what Heat dated: it forgets a stack's oldest events once there are a thousand."""
    words = ["openstack", "stack", "event", "list", "--format", "json", demo.name]
    demo.events.write_text(inside.output(words, demo.directory) or "")


def outputs(demo: Demo) -> str | None:
    """Write the kubeconfig and what the suite shall expect, unless they are this stack's."""
    there = show(demo)
    stamp = stamp_of(demo, there["id"] if there else "")
    written = demo.kubeconfig.exists() and demo.expected.exists()
    if written and record.stamped(demo.directory, "outputs", stamp):
        return "done already"
    words = ["heatgen", "kubeconfig", demo.name, "-o", str(demo.kubeconfig)]
    inside.run(words, demo.directory)
    words = ["openstack", "stack", "output", "show", "--format", "json", demo.name, "conformance"]
    demo.expected.write_text(inside.output(words, demo.directory) or "")
    record.stamp(demo.directory, "outputs", stamp)
    return None
