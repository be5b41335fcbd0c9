# SPDX-License-Identifier: Apache-2.0
"""The stack: made by the real client, kept while the template is the one it was made from."""

import json
import re
import subprocess

from cloud import places
from cloud.problem import Problem
from cloud.steps import say

from demonstration import inside, record

NAME = "demo"
TEMPLATE = places.DEMO / "generated.yaml"
CREATE_MINUTES = 20
# What `--wait` prints, `<time> [demo.kvstore_start_control_0]: CREATE_COMPLETE  state changed`.
EVENT = re.compile(r"\[\w+\.(\w+)\]: CREATE_(COMPLETE|FAILED)")


def create() -> str | None:
    """Have a complete stack of the template: keep the one there is, or make it anew."""
    there = show()
    if there is not None:
        complete = there["stack_status"] == "CREATE_COMPLETE"
        if complete and record.stamped("stack", stamp_of(there["id"])):
            return "done already"
        say(f"  removing stack {NAME}, {there['stack_status']}, of another template or run")
        inside.run(["openstack", "stack", "delete", "--yes", "--wait", NAME])
    follow_creation()
    made = show()
    if made is None or made["stack_status"] != "CREATE_COMPLETE":
        inside.run(["openstack", "stack", "failures", "list", "--long", NAME])
        raise Problem(f"stack {NAME} failed; `lab/lab shell openstack stack list` shows it")
    record.stamp("stack", stamp_of(made["id"]))
    return None


def show() -> dict[str, str] | None:
    """Return the stack's id and status, None if there is no such stack."""
    text = inside.output(["openstack", "stack", "show", "--format", "json", NAME])
    return None if text is None else dict(json.loads(text))


def stamp_of(stack: str) -> str:
    """Return the stamp of a stack made of the template as it is now."""
    return record.digest(stack, TEMPLATE)


def follow_creation() -> None:
    """Create the stack and tell of every resource that is complete, until it ends either way."""
    words = ["timeout", str((CREATE_MINUTES + 5) * 60), "openstack", "stack", "create"]
    words += ["--template", str(TEMPLATE), "--timeout", str(CREATE_MINUTES), "--wait", NAME]
    with (places.LOG / "stack-create.log").open("w") as log:
        process = subprocess.Popen(
            inside.command(words),
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


def outputs() -> str | None:
    """Write the kubeconfig and what the suite shall expect, unless they are this stack's."""
    there = show()
    stamp = stamp_of(there["id"] if there else "")
    kubeconfig, expected = places.DEMO / "kubeconfig", places.DEMO / "expect.json"
    if record.stamped("outputs", stamp) and kubeconfig.exists() and expected.exists():
        return "done already"
    inside.run(["heatgen", "kubeconfig", NAME, "-o", str(kubeconfig)])
    words = ["openstack", "stack", "output", "show", "--format", "json", NAME, "conformance"]
    expected.write_text(inside.output(words) or "")
    record.stamp("outputs", stamp)
    return None
