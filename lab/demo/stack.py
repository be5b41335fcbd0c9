# SPDX-License-Identifier: Apache-2.0
"""The stack: created with the OpenStack client, and kept until its template changes."""

import json
import re
import subprocess

from lab.cloud import paths
from lab.cloud.problem import Problem
from lab.cloud.steps import print_progress
from lab.demo import inside, record
from lab.demo.demo import Demo

# A line of `--wait`: `<time> [demo.kvstore_start_control_0]: CREATE_COMPLETE  state changed`.
EVENT = re.compile(r"\[[\w-]+\.(\w+)\]: CREATE_(COMPLETE|FAILED)")
COMPLETE = ("CREATE_COMPLETE", "UPDATE_COMPLETE")


def create(demo: Demo) -> str | None:
    """Create the stack of the template, unless it exists and is complete."""
    existing = show(demo)
    if existing is not None:
        if existing["stack_status"] in COMPLETE and has_template(demo, existing["id"]):
            return "already done"
        print_progress(
            f"  deleting stack {demo.name}: {existing['stack_status']}, or of another template"
        )
        words = ["openstack", "stack", "delete", "--yes", "--wait", demo.name]
        inside.run(words, demo.directory)
    follow_creation(demo)
    created = show(demo)
    if created is None or created["stack_status"] != "CREATE_COMPLETE":
        words = ["openstack", "stack", "failures", "list", "--long", demo.name]
        inside.run(words, demo.directory)
        raise Problem(f"stack {demo.name} failed: see `lab/lab shell openstack stack list`")
    save_events(demo)
    record.stamp(demo.directory, "stack", stamp_of(demo, created["id"]))
    return None


def show(demo: Demo) -> dict[str, str] | None:
    """Return the id and the status of the stack, or None if it does not exist."""
    words = ["openstack", "stack", "show", "--format", "json", demo.name]
    text = inside.output(words, demo.directory)
    return None if text is None else dict(json.loads(text))


def stamp_of(demo: Demo, stack: str) -> str:
    """Return the stamp of a stack of the current template."""
    return record.digest(stack, demo.template)


def has_template(demo: Demo, stack: str) -> bool:
    """Return whether a stack was created from the current template."""
    return record.stamped(demo.directory, "stack", stamp_of(demo, stack))


def follow_creation(demo: Demo) -> None:
    """Create the stack; print each resource that is complete or failed."""
    minutes = demo.create_minutes
    words = ["timeout", str((minutes + 5) * 60), "openstack", "stack", "create"]
    words += ["--template", str(demo.template), "--timeout", str(minutes), "--wait"]
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
                print_progress(f"    {event[1]} {event[2].lower()}")
        process.wait()


def save_events(demo: Demo) -> None:
    """Save the events: Heat deletes the oldest events of a stack after a thousand."""
    words = ["openstack", "stack", "event", "list", "--format", "json", demo.name]
    demo.events.write_text(inside.output(words, demo.directory) or "")


def outputs(demo: Demo) -> str | None:
    """Write the kubeconfig and the expectations of the suite, unless they are up to date."""
    existing = show(demo)
    stamp = stamp_of(demo, existing["id"] if existing else "")
    written = demo.kubeconfig.exists() and demo.expected.exists()
    if written and record.stamped(demo.directory, "outputs", stamp):
        return "already done"
    words = ["heatgen", "kubeconfig", demo.name, "-o", str(demo.kubeconfig)]
    inside.run(words, demo.directory)
    words = ["openstack", "stack", "output", "show", "--format", "json", demo.name, "conformance"]
    demo.expected.write_text(inside.output(words, demo.directory) or "")
    record.stamp(demo.directory, "outputs", stamp)
    return None
